/**
 * What nodes and pods use, as `kubectl top` and the autoscalers ask for it. Never stored: answered from what kubelets say.
 * Source: k8s.io/metrics, metrics/v1beta1. Not in the catalog, because only a server that knows kubelets can serve them.
 */
import type { CustomResourceDefinition, JSONSchemaProps, ObjectMeta } from '#api/generated/schema.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { kindsFromDefinition } from '#api/machinery/kind-from-definition.ts';

export const METRICS_GROUP = 'metrics.k8s.io';
export const METRICS_VERSION = 'v1beta1';
const API_VERSION = `${METRICS_GROUP}/${METRICS_VERSION}`;

/** `{ cpu: '1200340n', memory: '5120Ki' }` */
export interface UsageAmounts {
  cpu: string;
  memory: string;
}
export interface NodeMetrics {
  apiVersion: typeof API_VERSION;
  kind: 'NodeMetrics';
  metadata: Pick<ObjectMeta, 'name' | 'creationTimestamp' | 'labels'>;
  /** The end of the time over which CPU was counted, and how long that was. */
  timestamp: string;
  window: string;
  usage: UsageAmounts;
}
export interface PodMetrics extends Omit<NodeMetrics, 'kind' | 'metadata' | 'usage'> {
  kind: 'PodMetrics';
  metadata: Pick<ObjectMeta, 'name' | 'namespace' | 'creationTimestamp' | 'labels'>;
  containers: { name: string; usage: UsageAmounts }[];
}

const text: JSONSchemaProps = { type: 'string' };
const amounts: JSONSchemaProps = {
  type: 'object',
  description: 'The memory usage is the memory working set.',
  additionalProperties: { 'x-kubernetes-int-or-string': true },
};
const measured = {
  timestamp: { ...text, format: 'date-time', description: 'The end of the interval in which the usage was measured.' },
  window: { ...text, description: 'How long the interval was.' },
};

function kindOf(
  kind: string,
  plural: string,
  scope: 'Cluster' | 'Namespaced',
  schema: Record<string, JSONSchemaProps>,
): Kind {
  const definition = {
    spec: {
      group: METRICS_GROUP,
      names: { kind, plural, singular: '', listKind: `${kind}List` },
      scope,
      versions: [
        {
          name: METRICS_VERSION,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', properties: { ...measured, ...schema } } },
        },
      ],
    },
  } as unknown as CustomResourceDefinition;
  const [made] = kindsFromDefinition(definition);
  if (!made) throw new Error(`${kind} has no version`);
  return { ...made, singular: '', verbs: ['get', 'list'], virtual: true };
}

export const NodeMetricsKind = kindOf('NodeMetrics', 'nodes', 'Cluster', { usage: amounts });
export const PodMetricsKind = kindOf('PodMetrics', 'pods', 'Namespaced', {
  containers: { type: 'array', items: { type: 'object', properties: { name: text, usage: amounts } } },
});
export const metricsKinds: readonly Kind[] = [NodeMetricsKind, PodMetricsKind];
