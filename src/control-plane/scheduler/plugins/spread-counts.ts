/** How many of the pods that a constraint is about there are in each of its domains. */
import { wantsNode } from '#api/core/v1/node-affinity.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import { isTolerated, repels } from '#api/core/v1/taint.ts';
import type { Selector } from '#api/machinery/label-selector.ts';
import { matchesLabels } from '#api/machinery/label-selector.ts';
import type { ClusterView } from '../define-plugin.ts';
import type { NodeInfo } from '../node-info.ts';
import { HOSTNAME } from './soft-spread.ts';
import type { Constraint } from './spread-constraints.ts';
import { TopologyCounts } from './topology-counts.ts';

export const hasAllLabels = ({ node }: NodeInfo, constraints: readonly Constraint[]): boolean =>
  constraints.every(({ topologyKey }) => node.metadata.labels?.[topologyKey] !== undefined);

/** Whether the pods of a node count for this constraint. */
export function isCounted(pod: Pod, { node }: NodeInfo, { honorsAffinity, honorsTaints }: Constraint): boolean {
  if (honorsAffinity && !wantsNode(pod.spec, node)) return false;
  if (!honorsTaints) return true;
  return !node.spec.taints?.some((taint) => repels(taint) && !isTolerated(taint, pod.spec.tolerations));
}

interface Counting {
  cluster: ClusterView;
  /** Only nodes count that have the labels of all of these. */
  labelled: readonly Constraint[];
  /** For the score every host counts by itself, whoever may go there. */
  isSoft?: boolean;
}

/** One count for all pods that are spread alike. */
export function countsOf(
  pod: Pod,
  constraint: Constraint,
  { cluster, labelled, isSoft = false }: Counting,
): TopologyCounts {
  const { topologyKey, selector, honorsAffinity, honorsTaints } = constraint;
  const { namespace } = pod.metadata;
  const isByNode = isSoft && topologyKey === HOSTNAME;
  const { nodeSelector, affinity, tolerations } = pod.spec;
  const key = JSON.stringify([
    'PodTopologySpread',
    isByNode,
    namespace,
    topologyKey,
    selector,
    isByNode || labelled.map((each) => each.topologyKey),
    !isByNode &&
      honorsAffinity && [nodeSelector, affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution],
    !isByNode && honorsTaints && (tolerations ?? []),
  ]);
  const domainOf = (info: NodeInfo): string | undefined => {
    if (isByNode) return info.node.metadata.name;
    return hasAllLabels(info, labelled) && isCounted(pod, info, constraint)
      ? info.node.metadata.labels?.[topologyKey]
      : undefined;
  };
  const matches = (other: Pod) => isOneOf(other, namespace, selector);
  return cluster.tally(key, () => new TopologyCounts({ domainOf, matches }));
}

export const isOneOf = ({ metadata }: Pod, namespace: string | undefined, selector: Selector): boolean =>
  metadata.namespace === namespace && !metadata.deletionTimestamp && matchesLabels(selector, metadata.labels);
