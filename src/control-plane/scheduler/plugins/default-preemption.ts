/**
 * Makes room for a pod that fits nowhere by sending away pods of lower priority: as few as can be, of as low a priority as
 * can be, and none that a PodDisruptionBudget protects while others will do. Source: "Pod Priority and Preemption".
 */
import type { Pod } from '#api/core/v1/pod.ts';
import { conditionOf } from '#api/core/v1/pod-conditions.ts';
import { PodDisruptionBudget } from '#api/policy/v1/pod-disruption-budget.ts';
import { wholeBelow } from '#base/random.ts';
import type { Extender, PricedRoom } from '../define-extender.ts';
import type { ClusterView, FitsNowhere, MadeRoom, Room } from '../define-plugin.ts';
import { definePlugin, PluginFailed } from '../define-plugin.ts';
import type { NodeInfo } from '../node-info.ts';
import { histogram } from '../refusal-message.ts';
import { priorityOf, roomFinder } from './rooms.ts';

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
      const helpful = whereOthersMatter(refused);
      for (let i = helpful.length; i < refused.verdicts.size; i++) reasons.push(NOT_HELPFUL);
      const enough = Math.max(Math.floor((helpful.length * percent) / 100), absolute);
      // Not always at the first one: those before it have been made room on.
      const first = helpful.length > enough ? wholeBelow(refused.random, helpful.length) : 0;
      const roomOn = roomFinder(pod, refused);
      for (let i = 0; i < helpful.length; i++) {
        if (rooms.length >= enough && rooms.some(({ violations }) => violations === 0)) break;
        const found = roomOn(helpful[(first + i) % helpful.length] as NodeInfo);
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

/** The nodes that the pod could have if pods went from there. */
function whereOthersMatter({ verdicts }: FitsNowhere): NodeInfo[] {
  const nodes: NodeInfo[] = [];
  for (const [node, verdict] of verdicts) if (!verdict.fits && !verdict.isUnresolvable) nodes.push(node);
  return nodes;
}

function cheapest(rooms: readonly PricedRoom[]): Room | undefined {
  let best: { room: PricedRoom; cost: readonly number[] } | undefined;
  for (const room of rooms) {
    const cost = costOf(room);
    if (!best || compare(cost, best.cost) < 0) best = { room, cost };
  }
  return best?.room;
}

/** By: violated budgets, the highest priority lost, the sum of priorities, the number, and who began last. */
function costOf(room: PricedRoom): readonly number[] {
  let cost = costs.get(room);
  if (!cost) {
    const { violations, victims } = room;
    cost = [
      violations,
      Math.max(...victims.map(priorityOf)),
      victims.reduce((sum, victim) => sum + priorityOf(victim) + 2 ** 31, 0),
      victims.length,
      -Math.min(...victims.filter((victim) => priorityOf(victim) === priorityOf(victims[0] as Pod)).map(startOf)),
    ];
    costs.set(room, cost);
  }
  return cost;
}

/** Of rooms that are found for one pod after the other. */
const costs = new WeakMap<PricedRoom, readonly number[]>();

const startOf = ({ status }: Pod): number => Date.parse(status?.startTime ?? '') || Number.MAX_SAFE_INTEGER;

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}
