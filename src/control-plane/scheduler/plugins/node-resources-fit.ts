/** What a pod asks for must be free; among the rest nodes are preferred by how much of them is in use. */
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isInResize } from '#api/core/v1/pod-resources.ts';
import { DeviceClass } from '#api/resource/v1/device-class.ts';
import {
  changed,
  definePlugin,
  fits,
  forAnyPod,
  type Plugin,
  type RetryHint,
  removed,
  unresolvable,
  unschedulable,
  updated,
  when,
} from '../define-plugin.ts';
import type { NodeInfo } from '../node-info.ts';
import type { Amounts } from '../resources.ts';
import { allocatableOf, assumedRequestsOf, COMMON_NAMES, PODS, requestsOf, signatureOf } from '../resources.ts';
import { classesMeeting, couldMeet, needsClass } from './dynamic-resources/extended-resources.ts';
import { LEAST_ALLOCATED, type ScoringStrategy, scorerOf } from './resource-scores.ts';

interface State {
  requests: Amounts;
  /** Not even one of `requests.common` is above 0. */
  isPodOnly: boolean;
  /** Of `requests.others` those that devices meet where a node does not count them: DynamicResources looks for these. */
  byDevices: ReadonlySet<string>;
}

const NONE: ReadonlySet<string> = new Set();

/** Source: NodeResourcesFitArgs. */
export interface FitOptions {
  scoringStrategy?: ScoringStrategy;
  /** Names, and groups (`example.com`), of extended resources that somebody else looks after. */
  ignoredResources?: readonly string[];
  ignoredResourceGroups?: readonly string[];
}

const specChanged = updated(Pod, 'spec.containers', 'spec.resources');
/** What a pod asks for is another amount, or a resize of it goes on or is over. */
const resized: RetryHint = forAnyPod((change) => {
  if (specChanged.concerns?.(change)) return true;
  const { kind, now, before } = change;
  if (kind.plural !== Pod.plural || kind.group !== Pod.group || !now || !before) return false;
  return isInResize(now as Pod) || isInResize(before as Pod);
});

export function nodeResourcesFitWith(options: FitOptions = {}): Plugin {
  const score = scorerOf(options.scoringStrategy ?? LEAST_ALLOCATED);
  const ignored = new Set(options.ignoredResources ?? []);
  const ignoredGroups = new Set(options.ignoredResourceGroups ?? []);
  const isIgnored = (name: string) => ignored.has(name) || ignoredGroups.has(name.slice(0, name.indexOf('/')));
  const asked = (pod: Pod): Amounts => {
    const { common, others } = requestsOf(pod);
    if (others.size === 0 || ignored.size + ignoredGroups.size === 0) return requestsOf(pod);
    return { common, others: new Map([...others].filter(([name]) => !isIgnored(name))) };
  };
  const stateOf = (pod: Pod, byDevices = NONE): State => {
    const requests = asked(pod);
    const isPodOnly = requests.others.size === 0 && requests.common.every((amount) => amount === 0);
    return { requests, isPodOnly, byDevices };
  };
  /** As `prepare` found it for this try: an answer depends on it. */
  const foundByDevices = new WeakMap<Pod, ReadonlySet<string>>();

  return definePlugin<State>({
    name: 'NodeResourcesFit',
    weight: 1,
    reads: [DeviceClass],
    sign(pod) {
      const amounts = [signatureOf(requestsOf(pod)), signatureOf(assumedRequestsOf(pod))];
      if (requestsOf(pod).others.size === 0) return amounts;
      return [...amounts, ...(foundByDevices.get(pod) ?? NONE)];
    },

    prepare(pod, cluster) {
      if (requestsOf(pod).others.size === 0) return { state: stateOf(pod) };
      const byDevices = new Set(classesMeeting(pod, () => cluster.cached(DeviceClass).list()).keys());
      foundByDevices.set(pod, byDevices);
      return { state: stateOf(pod, byDevices) };
    },

    filter(_, info, state) {
      if (hasRoomFor(state, info)) return fits;
      const lacking = lackingOf(state, info);
      const reasons = lacking.map(({ reason }) => reason);
      return lacking.some(({ isNeverEnough }) => isNeverEnough) ? unresolvable(...reasons) : unschedulable(...reasons);
    },

    score: (pod, info) => score(assumedRequestsOf(pod), info.assumed, info.allocatable),

    retryWhen: [
      when(changed(Node, 'status.allocatable'), ({ now, before }, pod) => {
        const state = stateOf(pod);
        const [node, old] = [now as Node, before as Node | undefined];
        return couldHold(node, pod, state) && (!old || hasMore(node, old, { pod, requests: state.requests }));
      }),
      when(changed(DeviceClass, 'spec.extendedResourceName'), ({ now, before }, pod) =>
        couldMeet(pod, now as DeviceClass, before as DeviceClass | undefined),
      ),
      removed(Pod),
      when(resized, ({ now, before }, pod) => {
        if (now?.metadata.uid === pod.metadata.uid) return true;
        return Boolean((now as Pod).spec.nodeName) && hasLess(now as Pod, before as Pod, requestsOf(pod));
      }),
    ],
  });
}

export const nodeResourcesFit = nodeResourcesFitWith();

function hasRoomFor(
  { requests, isPodOnly, byDevices }: State,
  { allocatable, requested, podCount }: NodeInfo,
): boolean {
  const [total, used, asked] = [allocatable.common, requested.common, requests.common];
  if (podCount + 1 > (total[PODS] as number)) return false;
  if (isPodOnly) return true;
  for (let i = 0; i < PODS; i++) {
    const amount = asked[i] as number;
    if (amount > 0 && amount > (total[i] as number) - (used[i] as number)) return false;
  }
  for (const [name, amount] of requests.others) {
    const total = allocatable.others.get(name) ?? 0;
    if (amount > total - (requested.others.get(name) ?? 0) && (total > 0 || !byDevices.has(name))) return false;
  }
  return true;
}

/** If nothing else ran there. Whether devices meet what it does not count is seen when it is tried. */
function couldHold(node: Node, pod: Pod, state: State): boolean {
  const { common, others } = allocatableOf(node);
  const { requests } = state;
  if ((common[PODS] as number) < 1) return false;
  for (let i = 0; i < PODS; i++) if ((requests.common[i] as number) > (common[i] as number)) return false;
  if (needsClass(pod, others)) return true;
  for (const [name, amount] of requests.others) if (amount > (others.get(name) ?? 0)) return false;
  return true;
}

/** More pods, or more of something that is asked for. */
function hasMore(node: Node, before: Node, { pod, requests }: { pod: Pod; requests: Amounts }): boolean {
  const [now, old] = [allocatableOf(node), allocatableOf(before)];
  if ((now.common[PODS] as number) > (old.common[PODS] as number)) return true;
  return isAnyLess(old, now, requests) || needsClass(pod, now.others);
}

/** It asks for less of something than before. */
const hasLess = (pod: Pod, before: Pod, asked: Amounts): boolean =>
  isAnyLess(requestsOf(pod), requestsOf(before), asked);

function isAnyLess(less: Amounts, more: Amounts, asked: Amounts): boolean {
  for (let i = 0; i < PODS; i++)
    if ((asked.common[i] as number) > 0 && (less.common[i] as number) < (more.common[i] as number)) return true;
  for (const [name, amount] of asked.others)
    if (amount > 0 && (less.others.get(name) ?? 0) < (more.others.get(name) ?? 0)) return true;
  return false;
}

interface Lacking {
  reason: string;
  /** Not even an empty node has so much. */
  isNeverEnough: boolean;
}

function lackingOf({ requests, byDevices }: State, { allocatable, requested, podCount }: NodeInfo): Lacking[] {
  const lacking: Lacking[] = [];
  if (podCount + 1 > (allocatable.common[PODS] as number))
    lacking.push({ reason: 'Too many pods', isNeverEnough: false });
  const look = (reason: string, amount: number, total: number, used: number) => {
    if (amount > 0 && amount > total - used) lacking.push({ reason, isNeverEnough: amount > total });
  };
  for (let i = 0; i < PODS; i++)
    look(
      INSUFFICIENT[i] as string,
      requests.common[i] as number,
      allocatable.common[i] as number,
      requested.common[i] as number,
    );
  for (const [name, amount] of requests.others) {
    const total = allocatable.others.get(name) ?? 0;
    if (total > 0 || !byDevices.has(name)) look(`Insufficient ${name}`, amount, total, requested.others.get(name) ?? 0);
  }
  return lacking;
}

/** Of thousands of nodes the same is said, and counted. */
const INSUFFICIENT = COMMON_NAMES.map((name) => `Insufficient ${name}`);
