/**
 * Makes room for a pod that fits nowhere by sending away pods of lower priority: as few as can be, of as low a priority as
 * can be, and none that a PodDisruptionBudget protects while others will do. Source: "Pod Priority and Preemption".
 */
import type { Pod } from '#api/core/v1/pod.ts';
import { conditionOf } from '#api/core/v1/pod-conditions.ts';
import type { LabelSelector } from '#api/generated/schema.ts';
import { matchesLabels, selectorFrom } from '#api/machinery/label-selector.ts';
import { PodDisruptionBudget } from '#api/policy/v1/pod-disruption-budget.ts';
import type { Extender, PricedRoom } from '../define-extender.ts';
import type { ClusterView, FitsNowhere, MadeRoom, Room } from '../define-plugin.ts';
import { definePlugin, PluginFailed } from '../define-plugin.ts';
import type { NodeInfo } from '../node-info.ts';
import { histogram } from '../refusal-message.ts';

const NO_VICTIMS = 'No preemption victims found for incoming pod';
const NOT_HELPFUL = 'Preemption is not helpful for scheduling';

/** Source: DefaultPreemptionArgs. */
export interface PreemptionOptions {
  /** Of many nodes so many are tried: a share, and no fewer than that. */
  minCandidateNodesPercentage?: number;
  minCandidateNodesAbsolute?: number;
}

export const defaultPreemptionWith = ({
  minCandidateNodesPercentage: percent = 10,
  minCandidateNodesAbsolute: absolute = 100,
}: PreemptionOptions) =>
  definePlugin({
    name: 'DefaultPreemption',
    reads: [PodDisruptionBudget],

    makeRoom(pod, refused) {
      const why = whyNotEligible(pod, refused);
      if (why) return { message: `preemption: ${why}`, keepsPlace: true };
      const reasons: string[] = [];
      const rooms: PricedRoom[] = [];
      const helpful = [...refused.verdicts].filter(([, verdict]) => !verdict.fits && !verdict.isUnresolvable);
      for (let i = helpful.length; i < refused.verdicts.size; i++) reasons.push(NOT_HELPFUL);
      const enough = Math.max(Math.floor((helpful.length * percent) / 100), absolute);
      for (const [info] of helpful) {
        if (rooms.length >= enough && rooms.some(({ violations }) => violations === 0)) break;
        const found = roomOn(pod, info, refused);
        if ('reasons' in found) reasons.push(...found.reasons);
        else rooms.push(found);
      }
      const room = cheapest(rooms);
      if (!room)
        return { message: `preemption: 0/${refused.verdicts.size} nodes are available: ${histogram(reasons)}.` };
      const asked = refused.extenders.filter((each) => each.preempt && each.isInterested(pod));
      return asked.length > 0 ? agreedTo(pod, rooms, { asked, cluster: refused.cluster }) : room;
    },

    retryWhen: [],
  });

export const defaultPreemption = defaultPreemptionWith({});

/** By extenders: each sees what the one before it has left. */
async function agreedTo(
  pod: Pod,
  rooms: readonly PricedRoom[],
  { asked, cluster }: { asked: readonly Extender[]; cluster: ClusterView },
): Promise<MadeRoom> {
  let left = rooms;
  for (const extender of asked) {
    try {
      const given = (await extender.preempt?.(pod, left, (name) => cluster.nodeNamed(name))) ?? left;
      const empty = given.find(({ victims }) => victims.length === 0);
      if (empty && !extender.isIgnorable)
        throw new PluginFailed(`expected at least one victim pod on node ${JSON.stringify(empty.nodeName)}`);
      left = given.filter(({ victims }) => victims.length > 0);
    } catch (error) {
      if (!(error instanceof PluginFailed)) throw error;
      if (!extender.isIgnorable) return { message: `preemption: ${error.message}`, isLast: true, isAlone: true };
    }
    if (left.length === 0) break;
  }
  return cheapest(left) ?? { message: 'preemption: no candidate node for preemption' };
}

const isEmptySelector = ({ matchLabels = {}, matchExpressions = [] }: LabelSelector = {}): boolean =>
  Object.keys(matchLabels).length + matchExpressions.length === 0;

const priorityOf = ({ spec }: Pod): number => spec.priority ?? 0;

function whyNotEligible(pod: Pod, { cluster, nominatedTo, verdicts }: FitsNowhere): string | undefined {
  if (pod.spec.preemptionPolicy === 'Never') return 'not eligible due to preemptionPolicy=Never.';
  const node = nominatedTo && cluster.nodeNamed(nominatedTo);
  if (!node) return undefined;
  const verdict = verdicts.get(node);
  if (verdict && !verdict.fits && verdict.isUnresolvable) return undefined; // it waits there in vain
  const waitsFor = node.pods.some((other) => isPreempted(other) && priorityOf(other) < priorityOf(pod));
  return waitsFor ? 'not eligible due to a terminating pod on the nominated node.' : undefined;
}

/** On its way out, for another pod. */
function isPreempted(pod: Pod): boolean {
  if (!pod.metadata.deletionTimestamp) return false;
  const condition = conditionOf(pod, 'DisruptionTarget');
  return condition?.status === 'True' && condition.reason === 'PreemptionByScheduler';
}

function roomOn(
  pod: Pod,
  info: NodeInfo,
  { cluster, trialOn }: FitsNowhere,
): PricedRoom | { reasons: readonly string[] } {
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

/** Compared by: violated budgets, the highest priority lost, the sum of priorities, the number, and who began last. */
function cheapest(rooms: readonly PricedRoom[]): Room | undefined {
  const costOf = ({ violations, victims }: PricedRoom): number[] => [
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
