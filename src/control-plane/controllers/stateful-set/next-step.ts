/**
 * What a StatefulSet does next. In order: one pod at a time, and none before those below it are available; in parallel: all
 * at once. First what is missing is made, then what is too much goes, from the top, then pods of an older template are
 * replaced, from the top. Source: "StatefulSets", deployment and scaling guarantees, rolling updates; KEP-961.
 */
import { isTerminal } from '#api/core/v1/pod-conditions.ts';
import type { Pod, StatefulSet } from '#api/generated/schema.ts';
import { countOf } from '#api/machinery/int-or-percent.ts';
import { isGoing, type Replicas, revisionOf } from './replicas.ts';
import type { Versions } from './versions.ts';

export interface Step {
  /** Ordinals. */
  create: readonly number[];
  remove: readonly Pod[];
  /** Have ended by themselves, and are made anew. */
  recreate: readonly Pod[];
}

const NOTHING: Step = { create: [], remove: [], recreate: [] };

export function nextStep(set: StatefulSet, replicas: Replicas, versions: Versions): Step {
  if (!replicas.isOrdered) {
    const filled = fillAtOnce(replicas);
    return { ...filled, remove: [...shrinkAtOnce(replicas), ...outdated(set, replicas, versions)] };
  }
  return fillInOrder(replicas) ?? shrinkInOrder(replicas) ?? { ...NOTHING, remove: outdated(set, replicas, versions) };
}

/** undefined when every place is taken by a pod that is available. */
function fillInOrder(replicas: Replicas): Step | undefined {
  for (const { ordinal, pod } of replicas.places) {
    if (!pod) return { ...NOTHING, create: [ordinal] };
    if (isGoing(pod)) return NOTHING;
    if (isTerminal(pod)) return { ...NOTHING, recreate: [pod] };
    if (!replicas.isAvailable(pod)) return NOTHING;
  }
  return undefined;
}

function fillAtOnce({ places }: Replicas): Pick<Step, 'create' | 'recreate'> {
  const create = places.filter(({ pod }) => !pod).map(({ ordinal }) => ordinal);
  const recreate = places.flatMap(({ pod }) => (pod && isTerminal(pod) && !isGoing(pod) ? [pod] : []));
  return { create, recreate };
}

/** undefined when nothing is to go. */
function shrinkInOrder(replicas: Replicas): Step | undefined {
  const [first] = replicas.condemned;
  if (!first) return undefined;
  if (isGoing(first.pod)) return NOTHING;
  // One that has ended never becomes available: nothing is gained by waiting for it. Upstream does, for ever.
  const isWaitedFor = !isTerminal(first.pod) && !replicas.isAvailable(first.pod);
  if (isWaitedFor && replicas.firstUnavailable !== first.pod) return NOTHING;
  return { ...NOTHING, remove: [first.pod] };
}

const shrinkAtOnce = ({ condemned }: Replicas): Pod[] =>
  condemned.filter(({ pod }) => !isGoing(pod)).map(({ pod }) => pod);

/** From the top down to the partition. One that has ended takes its turn like any other, though it is made anew anyway. */
function outdated(set: StatefulSet, replicas: Replicas, { update }: Versions): Pod[] {
  const { type, rollingUpdate: { partition = 0, maxUnavailable } = {} } = set.spec.updateStrategy;
  if (type === 'OnDelete') return [];
  const isDown = (pod: Pod | undefined) => !pod || isGoing(pod) || !replicas.isAvailable(pod);
  const isOld = (pod: Pod | undefined): pod is Pod => !!pod && revisionOf(pod) !== update.revision && !isGoing(pod);
  const candidates = replicas.places
    .slice(partition)
    .reverse()
    .map(({ pod }) => pod);
  if (maxUnavailable === undefined) {
    const next = candidates.find((pod) => isOld(pod) || isDown(pod));
    return isOld(next) && !isTerminal(next) ? [next] : []; // what is down and new has to come up first
  }
  const most = Math.max(1, countOf(maxUnavailable, set.spec.replicas, 'down') ?? 1);
  const room = most - replicas.places.filter(({ pod }) => isDown(pod)).length;
  const next = candidates.filter(isOld).slice(0, Math.max(0, room));
  return next.filter((pod) => !isTerminal(pod));
}
