/** metrics.k8s.io: `kubectl top` and the autoscalers. Answered at the time of the request, by whoever watches the kubelets. */
import type { KubeObject } from '#api/machinery/object.ts';
import { notFound } from '#api/machinery/status.ts';
import {
  METRICS_GROUP,
  METRICS_VERSION,
  type NodeMetrics,
  NodeMetricsKind,
  type PodMetrics,
  PodMetricsKind,
} from '#api/metrics/v1beta1/resource-metrics.ts';
import { selectionOf } from '../list-options.ts';
import type { Reply, ResourceCall } from '../resource-call.ts';
import type { Behaviour } from './behaviour.ts';

export interface ResourceMetricsSource {
  /** Of all nodes of which something is known. */
  nodes(): Promise<NodeMetrics[]>;
  pods(): Promise<PodMetrics[]>;
}

export const resourceMetricsBehaviours = (source: ResourceMetricsSource): Behaviour[] => [
  behaviourOf(NodeMetricsKind.plural, () => source.nodes()),
  behaviourOf(PodMetricsKind.plural, () => source.pods()),
];

type Metrics = NodeMetrics | PodMetrics;

function behaviourOf(plural: string, all: () => Promise<Metrics[]>): Behaviour {
  return {
    group: METRICS_GROUP,
    plural,
    verbs: {
      async list({ kind, info }: ResourceCall): Promise<Reply> {
        const { namespace, name, match } = selectionOf(kind, info);
        const items = ((await all()) as unknown as KubeObject[]).filter(
          (item) =>
            (!namespace || item.metadata.namespace === namespace) &&
            (!name || item.metadata.name === name) &&
            (match?.({ object: () => item } as never) ?? true),
        );
        const apiVersion = `${METRICS_GROUP}/${METRICS_VERSION}`;
        return { code: 200, list: { kind: kind.listKind, apiVersion, metadata: {}, items }, items, kind };
      },
      async get({ kind, info }: ResourceCall): Promise<Reply> {
        const found = ((await all()) as unknown as KubeObject[]).find(
          ({ metadata }) => metadata.name === info.name && (metadata.namespace ?? '') === (info.namespace ?? ''),
        );
        if (!found)
          throw notFound({ group: METRICS_GROUP, plural }, `${info.namespace ? `${info.namespace}/` : ''}${info.name}`);
        return { code: 200, object: found, kind };
      },
    },
  };
}
