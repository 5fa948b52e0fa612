/**
 * Makes room for a pod that fits nowhere by sending away pods of lower priority: as few as can be, of as low a priority as
 * can be, and none that a PodDisruptionBudget protects while others will do. Source: "Pod Priority and Preemption".
 */
import type { Pod } from '#api/core/v1/pod.ts';
import { matchesLabels, selectorFrom } from '#api/machinery/label-selector.ts';
import { PodDisruptionBudget } from '#api/policy/v1/pod-disruption-budget.ts';
import type { ClusterView, FitsNowhere, Room } from '../define-plugin.ts';
import { definePlugin } from '../define-plugin.ts';
import type { NodeInfo } from '../node-info.ts';
import { histogram } from '../refusal-message.ts';

const NO_VICTIMS = 'No preemption victims found for incoming pod';
const NOT_HELPFUL = 'Preemption is not helpful for scheduling';
/** Of many nodes so many are tried. Source: DefaultPreemptionArgs. */
const LEAST_CANDIDATES = 100;
const CANDIDATES_PERCENT = 10;

export const defaultPreemption = definePlugin({
  name: 'DefaultPreemption',
  reads: [PodDisruptionBudget],

  makeRoom(pod, refused) {
    const why = whyNotEligible(pod, refused);
    if (why) return { message: `preemption: ${why}` };
    const reasons: string[] = [];
    const rooms: Candidate[] = [];
    const most = Math.max(LEAST_CANDIDATES, (refused.cluster.nodes.length * CANDIDATES_PERCENT) / 100);
    for (const [info, verdict] of refused.verdicts) {
      if (verdict.fits || verdict.isUnresolvable) reasons.push(NOT_HELPFUL);
      else if (rooms.length < most) {
        const found = roomOn(pod, info, refused);
        if ('reasons' in found) reasons.push(...found.reasons);
        else rooms.push(found);
      }
    }
    return (
      cheapest(rooms) ?? {
        message: `preemption: 0/${refused.verdicts.size} nodes are available: ${histogram(reasons)}.`,
      }
    );
  },

  retryWhen: [],
});

const priorityOf = ({ spec }: Pod): number => spec.priority ?? 0;

function whyNotEligible(pod: Pod, { cluster, nominatedTo }: FitsNowhere): string | undefined {
  if (pod.spec.preemptionPolicy === 'Never') return 'not eligible due to preemptionPolicy=Never.';
  const waitsFor =
    nominatedTo &&
    cluster
      .nodeNamed(nominatedTo)
      ?.pods.some((other) => other.metadata.deletionTimestamp && priorityOf(other) < priorityOf(pod));
  return waitsFor ? 'not eligible due to a terminating pod on the nominated node.' : undefined;
}

interface Candidate extends Room {
  /** How many of the victims a budget protects. */
  violations: number;
}

function roomOn(
  pod: Pod,
  info: NodeInfo,
  { cluster, trialOn }: FitsNowhere,
): Candidate | { reasons: readonly string[] } {
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

/** Whose loss some budget has no allowance left for. */
function protectionOf(pods: readonly Pod[], { cached }: ClusterView): (pod: Pod) => boolean {
  const left = new Map<PodDisruptionBudget, number>();
  const violating = new Set<Pod>();
  for (const pod of [...pods].sort(byImportance)) {
    const budgets = cached(PodDisruptionBudget)
      .inNamespace(pod.metadata.namespace ?? '')
      .filter(({ spec, status }) => {
        const isKnown = status?.disruptedPods?.[pod.metadata.name] !== undefined;
        return !isKnown && matchesLabels(selectorFrom(spec.selector), pod.metadata.labels);
      });
    for (const budget of budgets) {
      const allowed = (left.get(budget) ?? budget.status?.disruptionsAllowed ?? 0) - 1;
      left.set(budget, allowed);
      if (allowed < 0) violating.add(pod);
    }
  }
  return (pod) => violating.has(pod);
}

/** Compared by: violated budgets, the highest priority lost, the sum of priorities, the number, and who began last. */
function cheapest(rooms: readonly Candidate[]): Room | undefined {
  const costOf = ({ violations, victims }: Candidate): number[] => [
    violations,
    Math.max(...victims.map(priorityOf)),
    victims.reduce((sum, victim) => sum + priorityOf(victim) + 2 ** 31, 0),
    victims.length,
    -Math.min(...victims.filter((victim) => priorityOf(victim) === priorityOf(victims[0] as Pod)).map(startOf)),
  ];
  const priced = rooms.map((room) => ({ room, cost: costOf(room) }));
  priced.sort((a, b) => compare(a.cost, b.cost));
  return priced[0]?.room;
}

const startOf = ({ status }: Pod): number => Date.parse(status?.startTime ?? '') || Number.MAX_SAFE_INTEGER;

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}
