/** One metric of an autoscaler: how many pods it asks for, its status, and what it is called in texts. */
import type {
  HorizontalPodAutoscaler,
  MetricIdentifier,
  MetricSpec,
  MetricStatus,
  MetricTarget,
  MetricValueStatus,
} from '#api/generated/schema.ts';
import { formatSelector, selectorFrom } from '#api/machinery/label-selector.ts';
import { formatQuantity, quantityMilliValue } from '#api/machinery/quantity.ts';
import { goText } from '../go-text.ts';
import type { MetricsSource } from './metrics-source.ts';
import { NoProposal, saying } from './no-proposal.ts';
import {
  averageProposal,
  type Situation,
  shareProposal,
  utilizationProposal,
  valueProposal,
} from './replica-calculation.ts';

export interface MetricProposal {
  replicas: number;
  name: string;
  status: MetricStatus;
}

export interface Asked extends Situation {
  source: MetricsSource;
  namespace: string;
  /** Of the pods, as text. */
  selector: string;
  /** How many there are, whatever there shall be. */
  statusReplicas: number;
}

interface MetricType {
  /** Of the condition and the Event. */
  failed: string;
  /** What the error of the whole begins with. */
  failure(metric: MetricSpec): string;
  /** Throws NoProposal. */
  propose(metric: MetricSpec, asked: Asked): Promise<MetricProposal>;
}

const DEFAULT_TOLERANCE = 0.1;

export function tolerancesOf({ spec: { behavior } }: HorizontalPodAutoscaler) {
  const shareOf = (text: string | undefined) =>
    text === undefined ? DEFAULT_TOLERANCE : quantityMilliValue(text) / 1000;
  return { down: shareOf(behavior?.scaleDown?.tolerance), up: shareOf(behavior?.scaleUp?.tolerance) };
}

const TYPES: ReadonlyMap<string, MetricType> = new Map<string, MetricType>([
  [
    'Resource',
    {
      failed: 'FailedGetResourceMetric',
      failure: ({ resource }) => `failed to get ${resource?.name} resource metric value`,
      async propose({ resource }, asked) {
        const { name, target } = resource!;
        const { replicas, current } = await ofResource({ name, target }, asked);
        const called = `${name} resource${target.averageValue === undefined ? ' utilization (percentage of request)' : ''}`;
        return { replicas, name: called, status: { type: 'Resource', resource: { name, current } } };
      },
    },
  ],
  [
    'ContainerResource',
    {
      failed: 'FailedGetContainerResourceMetric',
      failure: ({ containerResource }) => `failed to get ${containerResource?.container} container metric value`,
      async propose({ containerResource }, asked) {
        const { name, container, target } = containerResource!;
        const { replicas, current } = await ofResource({ name, container, target }, asked);
        const called =
          target.averageValue === undefined
            ? `${name} container resource utilization (percentage of request)`
            : `${name} resource`;
        const status = { type: 'ContainerResource', containerResource: { name, container, current } };
        return { replicas, name: called, status };
      },
    },
  ],
  [
    'Pods',
    {
      failed: 'FailedGetPodsMetric',
      failure: () => 'failed to get pods metric value',
      async propose({ pods }, asked) {
        const { metric, target } = pods!;
        const { source, namespace, selector } = asked;
        const metrics = await saying(`unable to get metric ${metric.name}`, () =>
          source.ofPods({ namespace, selector, metric: metric.name, metricSelector: selectorText(metric) }),
        );
        const { replicas, usage } = averageProposal(
          { average: quantityMilliValue(target.averageValue) },
          metrics,
          asked,
        );
        const status = { type: 'Pods', pods: { metric, current: { averageValue: amount(usage) } } };
        return { replicas, name: `pods metric ${metric.name}`, status };
      },
    },
  ],
  [
    'Object',
    {
      failed: 'FailedGetObjectMetric',
      failure: ({ object }) =>
        object?.target.type === 'AverageValue'
          ? `failed to get object metric value: failed to get ${object.metric.name} object metric`
          : 'failed to get object metric value',
      async propose({ object }, asked) {
        const { metric, target, describedObject } = object!;
        const { source, namespace } = asked;
        const { kind, name: objectName } = describedObject;
        const value = async () => {
          try {
            const metricSelector = selectorText(metric);
            return await source.ofObject({ namespace, object: describedObject, metric: metric.name, metricSelector });
          } catch (error) {
            if (!(error instanceof NoProposal)) throw error;
            // In upstream's own order of words.
            throw new NoProposal(
              `unable to get metric ${metric.name}: ${kind} on ${namespace} ${objectName}/${error.message}`,
            );
          }
        };
        const status = (current: MetricValueStatus) => ({
          type: 'Object',
          object: { metric, describedObject, current },
        });
        if (target.type === 'Value' && target.value !== undefined) {
          const { replicas, usage } = valueProposal(await value(), quantityMilliValue(target.value), asked);
          const name = `${describedObject.kind} metric ${metric.name}`;
          return { replicas, name, status: status({ value: amount(usage) }) };
        }
        if (target.type !== 'AverageValue' || target.averageValue === undefined)
          throw new NoProposal(noTarget('object'));
        const { replicas, usage } = await share(target.averageValue, value, asked);
        return { replicas, name: externalName(metric), status: status({ averageValue: amount(usage) }) };
      },
    },
  ],
  [
    'External',
    {
      failed: 'FailedGetExternalMetric',
      failure({ external }) {
        const { metric, target } = external!;
        const whole = `failed to get ${metric.name} external metric value`;
        if (target.averageValue !== undefined) return `${whole}: failed to get ${metric.name} external metric`;
        return target.value === undefined ? whole : `${whole}: failed to get external metric ${metric.name}`;
      },
      async propose({ external }, asked) {
        const { metric, target } = external!;
        const { source, namespace } = asked;
        const about = `unable to get external metric ${namespace}/${metric.name}/${goText(metric.selector)}`;
        const value = async () => {
          const query = { namespace, metric: metric.name, metricSelector: selectorText(metric) };
          const values = await saying(about, () => source.external(query));
          return values.reduce((sum, each) => sum + each, 0);
        };
        const status = (current: MetricValueStatus) => ({ type: 'External', external: { metric, current } });
        const name = externalName(metric);
        if (target.averageValue !== undefined) {
          const { averageValue } = target;
          const { replicas, usage } = await share(averageValue, value, asked);
          return { replicas, name, status: status({ averageValue: amount(usage) }) };
        }
        if (target.value === undefined) throw new NoProposal(noTarget('external'));
        const { replicas, usage } = valueProposal(await value(), quantityMilliValue(target.value), asked);
        return { replicas, name, status: status({ value: amount(usage) }) };
      },
    },
  ],
]);

export const metricTypeOf = (type: string): MetricType => TYPES.get(type) ?? unknownType;

const unknownType: MetricType = {
  failed: 'InvalidMetricSourceType',
  failure: () => '',
  propose: ({ type }) => Promise.reject(new NoProposal(`unknown metric source type ${JSON.stringify(type)}`)),
};

async function ofResource(
  { name, container, target }: { name: string; container?: string; target: MetricTarget },
  asked: Asked,
): Promise<{ replicas: number; current: MetricValueStatus }> {
  const { source, namespace, selector } = asked;
  const { averageValue, averageUtilization } = target;
  const metrics = () =>
    saying(`unable to get metrics for resource ${name}`, () =>
      source.ofResource({ namespace, selector, resource: name, ...(container !== undefined && { container }) }),
    );
  if (averageValue !== undefined)
    return saying(`failed to get ${name} usage`, async () => {
      const wanted = { resource: name, average: quantityMilliValue(averageValue) };
      const { replicas, usage } = averageProposal(wanted, await metrics(), asked);
      return { replicas, current: { averageValue: amount(usage, name) } };
    });
  if (averageUtilization === undefined)
    throw new NoProposal(
      'invalid resource metric source: neither an average utilization target nor an average value (usage) target was set',
    );
  return saying(`failed to get ${name} utilization`, async () => {
    const wanted = { resource: name, ...(container !== undefined && { container }), percent: averageUtilization };
    const { replicas, usage, utilization = 0 } = utilizationProposal(wanted, await metrics(), asked);
    return { replicas, current: { averageUtilization: utilization, averageValue: amount(usage, name) } };
  });
}

const share = async (target: string, value: () => Promise<number>, { statusReplicas, tolerances }: Asked) =>
  shareProposal(await value(), quantityMilliValue(target), { currentReplicas: statusReplicas, tolerances });

const noTarget = (what: string): string =>
  `invalid ${what} metric source: neither a value target nor an average value target was set`;
const externalName = ({ name, selector }: MetricIdentifier): string => `external metric ${name}(${goText(selector)})`;
const selectorText = ({ selector }: MetricIdentifier): string => formatSelector(selectorFrom(selector));

const amount = (milli: number, resource?: string): string =>
  formatQuantity({
    nanos: BigInt(Math.round(milli)) * 1_000_000n,
    format: resource === 'memory' ? 'BinarySI' : 'DecimalSI',
  });
