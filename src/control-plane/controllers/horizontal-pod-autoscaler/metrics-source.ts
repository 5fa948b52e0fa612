/** Where metrics come from: the three APIs of metrics, which other servers serve. Amounts are thousandths. */
import type { CrossVersionObjectReference } from '#api/generated/schema.ts';
import { goDurationMs } from '#api/machinery/go-duration.ts';
import type { KindRegistry } from '#api/machinery/kind.ts';
import { quantityMilliValue } from '#api/machinery/quantity.ts';
import { StatusError } from '#api/machinery/status.ts';
import { millisOf } from '#api/machinery/timestamp.ts';
import { type Transport, Unreachable } from '#client/transport.ts';
import { NoProposal } from './no-proposal.ts';
import type { PodMetric, PodMetrics } from './replica-calculation.ts';

/** Selectors are texts, '' for none. Each throws NoProposal when there is no answer. */
export interface MetricsSource {
  ofResource(of: { namespace: string; selector: string; resource: string; container?: string }): Promise<PodMetrics>;
  ofPods(of: { namespace: string; selector: string; metric: string; metricSelector: string }): Promise<PodMetrics>;
  ofObject(of: {
    namespace: string;
    object: CrossVersionObjectReference;
    metric: string;
    metricSelector: string;
  }): Promise<number>;
  external(of: { namespace: string; metric: string; metricSelector: string }): Promise<readonly number[]>;
}

const CUSTOM_METRICS = 'custom.metrics.k8s.io';
/** They differ in nothing that is read here. */
const CUSTOM_METRICS_VERSIONS = ['v1beta2', 'v1beta1'];
/** Where an answer does not say. Source: upstream's metrics client. */
const DEFAULT_WINDOW_MS = 60_000;

interface PodUsage {
  metadata: { name: string };
  timestamp: string;
  window: string;
  containers?: readonly { name: string; usage: Readonly<Record<string, string>> }[];
}
interface CustomMetric {
  describedObject: { name?: string };
  timestamp: string;
  windowSeconds?: number;
  value: string;
}
interface ExternalMetric {
  value: string;
}

export function metricsOver(transport: Transport, kinds: KindRegistry): MetricsSource {
  const list = async <T>(path: string, query: Record<string, string>): Promise<readonly T[]> => {
    const given = Object.entries(query).filter(([, value]) => value !== '');
    const text = new URLSearchParams(given).toString();
    const { object } = await transport.request({ method: 'GET', path: text ? `${path}?${text}` : path });
    return (object as { items?: readonly T[] | null }).items ?? [];
  };
  const custom = (path: string, query: Record<string, string>) =>
    answered('custom metrics API', undefined, async () => {
      for (const version of CUSTOM_METRICS_VERSIONS) {
        try {
          return await list<CustomMetric>(`/apis/${CUSTOM_METRICS}/${version}/namespaces/${path}`, query);
        } catch (error) {
          if (!isNotServed(error)) throw error;
        }
      }
      throw new NoProposal(`no custom metrics API (${CUSTOM_METRICS}) registered`);
    });

  return {
    async ofResource({ namespace, selector, resource, container }) {
      const items = await answered('resource metrics API', 'pods.metrics.k8s.io', () =>
        list<PodUsage>(`/apis/metrics.k8s.io/v1beta1/namespaces/${encodeURIComponent(namespace)}/pods`, {
          labelSelector: selector,
        }),
      );
      if (items.length === 0) throw new NoProposal('no metrics returned from resource metrics API');
      return new Map(items.flatMap((item) => usageOf(item, resource, container)));
    },

    async ofPods({ namespace, selector, metric, metricSelector }) {
      const path = `${encodeURIComponent(namespace)}/pods/*/${encodeURIComponent(metric)}`;
      const items = await custom(path, { labelSelector: selector, metricLabelSelector: metricSelector });
      if (items.length === 0) throw new NoProposal('no metrics returned from custom metrics API');
      return new Map(items.map((item) => [item.describedObject.name ?? '', customMetricOf(item)] as const));
    },

    async ofObject({ namespace, object, metric, metricSelector }) {
      const { apiVersion = '', kind, name } = object;
      const path =
        kind === 'Namespace' && !apiVersion.includes('/')
          ? `${encodeURIComponent(namespace)}/metrics/${encodeURIComponent(metric)}`
          : [namespace, resourceOf(object, kinds), name, metric].map(encodeURIComponent).join('/');
      const items = await custom(path, { metricLabelSelector: metricSelector });
      if (items.length !== 1)
        throw new NoProposal(
          `unable to fetch metrics from custom metrics API: the custom metrics API server returned ${items.length} results when we asked for exactly one`,
        );
      return quantityMilliValue(items[0]!.value);
    },

    async external({ namespace, metric, metricSelector }) {
      const items = await answered('external metrics API', `${metric}.external.metrics.k8s.io`, () =>
        list<ExternalMetric>(
          `/apis/external.metrics.k8s.io/v1beta1/namespaces/${encodeURIComponent(namespace)}/${encodeURIComponent(metric)}`,
          { labelSelector: metricSelector },
        ),
      );
      if (items.length === 0) throw new NoProposal('no metrics returned from external metrics API');
      return items.map(({ value }) => quantityMilliValue(value));
    },
  };
}

/** What a server says of paths that it does not have; a metrics server says of a metric that it does not have it. */
const isNotServed = (error: unknown): boolean =>
  error instanceof StatusError && error.message === 'the server could not find the requested resource';

/** `resource` is told where nobody serves the API. */
async function answered<T>(api: string, resource: string | undefined, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof StatusError || error instanceof Unreachable || error instanceof NoProposal)) throw error;
    const about = resource !== undefined && isNotServed(error) ? ` (get ${resource})` : '';
    throw new NoProposal(`unable to fetch metrics from ${api}: ${error.message}${about}`);
  }
}

/** Nothing for a pod of which something is missing. */
function usageOf(item: PodUsage, resource: string, container: string | undefined): [string, PodMetric][] {
  const { containers = [], metadata, timestamp, window } = item;
  const counted = container === undefined ? containers : containers.filter(({ name }) => name === container);
  if (counted.length === 0 || counted.some(({ usage }) => usage[resource] === undefined)) return [];
  const value = counted.reduce((sum, { usage }) => sum + quantityMilliValue(usage[resource]), 0);
  return [
    [metadata.name, { value, timestampMs: millisOf(timestamp) ?? 0, windowMs: goDurationMs(window ?? '0').ms ?? 0 }],
  ];
}

const customMetricOf = ({ value, timestamp, windowSeconds }: CustomMetric): PodMetric => ({
  value: quantityMilliValue(value),
  timestampMs: millisOf(timestamp) ?? 0,
  windowMs: windowSeconds === undefined ? DEFAULT_WINDOW_MS : windowSeconds * 1000,
});

function resourceOf({ apiVersion = '', kind }: CrossVersionObjectReference, kinds: KindRegistry): string {
  const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
  const known = kinds.all().find((each) => each.group === group && each.kind === kind);
  if (!known)
    throw new NoProposal(
      `unable to fetch metrics from custom metrics API: unable to map kind ${group ? `${kind}.${group}` : kind} to resource: no matches for kind ${JSON.stringify(kind)} in group ${JSON.stringify(group)}`,
    );
  return group ? `${known.plural}.${group}` : known.plural;
}
