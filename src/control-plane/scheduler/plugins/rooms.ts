/** Room that can be made for a pod on one node: who would have to go. */
import type { Pod } from '#api/core/v1/pod.ts';
import type { LabelSelector } from '#api/generated/schema.ts';
import { matchesLabels, selectorFrom } from '#api/machinery/label-selector.ts';
import { PodDisruptionBudget } from '#api/policy/v1/pod-disruption-budget.ts';
import type { PricedRoom } from '../define-extender.ts';
import type { ClusterView, FitsNowhere } from '../define-plugin.ts';
import type { NodeInfo } from '../node-info.ts';

const NO_VICTIMS = 'No preemption victims found for incoming pod';

export type FoundOnNode = PricedRoom | { reasons: readonly string[] };

export const priorityOf = ({ spec }: Pod): number => spec.priority ?? 0;

/**
 * Looks for it on one node after the other. What is found is kept for the next pods that are alike, as those that have to make
 * room mostly are: it holds until somebody comes to the node or goes, which makes another NodeInfo. Budgets change beside it:
 * where there are any, nothing is kept.
 */
export function roomFinder(pod: Pod, refused: FitsNowhere): (node: NodeInfo) => FoundOnNode {
  const { cluster, alike, trialOn } = refused;
  const isKept = alike !== undefined && cluster.cached(PodDisruptionBudget).list().length === 0;
  if (!isKept) return (node) => roomOn(node, pod, refused);
  const priority = priorityOf(pod);
  return (node) => {
    if (trialOn(node).node !== node) return roomOn(node, pod, refused); // room was made there for others
    const last = kept.get(node);
    if (last?.alike === alike && last.priority === priority) return last.found;
    const found = roomOn(node, pod, refused);
    kept.set(node, { alike, priority, found });
    return found;
  };
}

interface Kept {
  alike: object;
  priority: number;
  found: FoundOnNode;
}

/** What was found there last. */
const kept = new WeakMap<NodeInfo, Kept>();

function roomOn(info: NodeInfo, pod: Pod, { cluster, trialOn }: FitsNowhere): FoundOnNode {
  const lower = info.pods.filter((other) => priorityOf(other) < priorityOf(pod));
  if (lower.length === 0) return { reasons: [NO_VICTIMS] };
  let trial = trialOn(info).without(...lower);
  const verdict = trial.verdict();
  if (!verdict.fits) return { reasons: verdict.reasons };

  // Each may stay if the pod still fits: first those that a budget protects, then the more important ones. Those that go
  // anyway cost nothing.
  const isProtected = protectionOf(lower, cluster);
  const goes = ({ metadata }: Pod) => Number(metadata.deletionTimestamp !== undefined);
  const keepFirst = [...lower].sort(
    (a, b) => goes(a) - goes(b) || Number(isProtected(b)) - Number(isProtected(a)) || byImportance(a, b),
  );
  const gone = new Set(lower);
  for (const victim of keepFirst) {
    const beside = trial.with(victim);
    if (!beside.verdict().fits) continue;
    trial = beside;
    gone.delete(victim);
  }
  const victims = [...gone].sort(byImportance);
  return { nodeName: info.node.metadata.name, victims, violations: victims.filter(isProtected).length };
}

/** The higher priority, then who has run longer. */
const byImportance = (a: Pod, b: Pod): number =>
  priorityOf(b) - priorityOf(a) || textOrder(a.status?.startTime ?? '', b.status?.startTime ?? '');
const textOrder = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const isEmptySelector = ({ matchLabels = {}, matchExpressions = [] }: LabelSelector = {}): boolean =>
  Object.keys(matchLabels).length + matchExpressions.length === 0;

/** Whose loss some budget has no allowance left for. */
function protectionOf(pods: readonly Pod[], { cached }: ClusterView): (pod: Pod) => boolean {
  const left = new Map<PodDisruptionBudget, number>();
  const violating = new Set<Pod>();
  for (const pod of [...pods].sort(byImportance)) {
    const budgets = cached(PodDisruptionBudget)
      .inNamespace(pod.metadata.namespace ?? '')
      .filter(({ spec, status }) => {
        const isKnown = status?.disruptedPods?.[pod.metadata.name] !== undefined;
        // An empty selector protects against evictions, but nothing here: as upstream has it.
        return (
          !isKnown && !isEmptySelector(spec.selector) && matchesLabels(selectorFrom(spec.selector), pod.metadata.labels)
        );
      });
    for (const budget of budgets) {
      const allowed = (left.get(budget) ?? budget.status?.disruptionsAllowed ?? 0) - 1;
      left.set(budget, allowed);
      if (allowed < 0) violating.add(pod);
    }
  }
  return (pod) => violating.has(pod);
}
