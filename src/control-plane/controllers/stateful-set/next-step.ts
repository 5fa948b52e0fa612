/**
 * What a StatefulSet does next. In order: one pod at a time, and none before those below it are available; in parallel: all
 * at once. First what is missing is made, then what is too much goes, from the top, then pods of an older template are
 * replaced, from the top. Source: "StatefulSets", deployment and scaling guarantees, rolling updates; KEP-961.
 */
import { isTerminal } from '#api/core/v1/pod-conditions.ts';
import type { Pod, StatefulSet } from '#api/generated/schema.ts';
import { countOf } from '#api/machinery/int-or-percent.ts';
import { isGoing, isHealthy, type Replicas, revisionOf } from './replicas.ts';
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
  const isOrdered = set.spec.podManagementPolicy === 'OrderedReady';
  const filled = isOrdered ? fillInOrder(replicas) : fillAtOnce(replicas);
  if (filled) return filled;
  const shrunk = isOrdered ? shrinkInOrder(replicas) : shrinkAtOnce(replicas);
  if (shrunk) return shrunk;
  if (set.spec.updateStrategy.type === 'OnDelete') return NOTHING;
  return { ...NOTHING, remove: outdated(set, replicas, versions) };
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

function fillAtOnce({ places }: Replicas): Step | undefined {
  const create = places.filter(({ pod }) => !pod).map(({ ordinal }) => ordinal);
  const recreate = places.flatMap(({ pod }) => (pod && isTerminal(pod) && !isGoing(pod) ? [pod] : []));
  return create.length + recreate.length > 0 ? { create, recreate, remove: [] } : undefined;
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

function shrinkAtOnce({ condemned }: Replicas): Step | undefined {
  const remove = condemned.filter(({ pod }) => !isGoing(pod)).map(({ pod }) => pod);
  return remove.length > 0 ? { ...NOTHING, remove } : undefined;
}

/** From the top down to the partition, as long as no more than so many are unavailable. */
function outdated(set: StatefulSet, replicas: Replicas, { update }: Versions): Pod[] {
  const { partition = 0, maxUnavailable = 1 } = set.spec.updateStrategy.rollingUpdate ?? {};
  const room = Math.max(1, countOf(maxUnavailable, set.spec.replicas, 'up') ?? 1);
  const candidates = replicas.places.slice(partition).reverse();
  const remove: Pod[] = [];
  let unavailable = replicas.places.filter(({ pod }) => !pod || !isHealthy(pod) || !replicas.isAvailable(pod)).length;
  for (const { pod } of candidates) {
    if (!pod) continue;
    const isOld = revisionOf(pod) !== update.revision;
    const isDown = !isHealthy(pod) || !replicas.isAvailable(pod);
    // What is down already costs nothing to replace; what is of the new template has to come up first.
    if (isOld && !isGoing(pod) && (isDown || unavailable < room)) {
      remove.push(pod);
      if (!isDown) unavailable++;
    }
    if (isDown && unavailable >= room) break;
    if (remove.length >= room) break;
  }
  return remove;
}
