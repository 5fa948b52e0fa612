/**
 * How a Job's status counts each end exactly once, over any crash: an end is first written down by the pod's uid, then the
 * pod's finalizer goes, and only for a pod without one the uid becomes a count. Source: KEP-2307.
 */
import type { Job, JobStatus, Pod } from '#api/generated/schema.ts';
import { indexOf, isFailed, isIndexed, isSucceeded, isTracked } from './job-pods.ts';
import { countsAsFailed, type Tally } from './tally.ts';

/** As many wait in the status at a time; the others are counted in the next step. */
const MOST_UNCOUNTED = 500;

/** Why all pods are let go. What has not ended by itself counts as failed where the Job failed, and else not at all. */
export type Ending = 'Failed' | 'Complete' | 'deleted';

export interface WrittenTally {
  status: Pick<JobStatus, 'succeeded' | 'failed' | 'completedIndexes' | 'failedIndexes' | 'uncountedTerminatedPods'>;
  /** What has been seen of them is in `status`: their finalizers can go once it is written. */
  toRelease: readonly Pod[];
  /** Nothing waits to be counted. */
  isComplete: boolean;
}

export interface Counting {
  pods: readonly Pod[];
  tally: Tally;
  ending: Ending | undefined;
}

export function writtenTally(job: Job, { pods, tally, ending }: Counting): WrittenTally {
  const { counted, uncounted } = written(job, pods);
  const toRelease: Pod[] = [];
  const newIndexes = new Set<number>();
  for (const pod of pods) {
    const { uid } = pod.metadata;
    const isWritten = uncounted.succeeded.has(uid) || uncounted.failed.has(uid);
    const isFull = uncounted.succeeded.size + uncounted.failed.size + newIndexes.size >= MOST_UNCOUNTED;
    // What is written already is let go however many wait: else all would wait for ever for those of a step that was cut off.
    if ((isFull && !isWritten) || !isTracked(pod) || !mayGo(job, pod, { tally, ending })) continue;
    toRelease.push(pod);
    const index = indexOf(pod, job);
    if (isWritten || (isIndexed(job) && index === undefined)) continue;
    if (isSucceeded(pod)) {
      // The index is enough to know it again.
      if (isIndexed(job) && index !== undefined) newIndexes.add(index);
      else uncounted.succeeded.add(uid);
    } else if ((ending === 'Failed' || isFailed(pod, job)) && countsAsFailed(job, pod)) {
      uncounted.failed.add(uid);
    }
  }
  const { succeededIndexes, failedIndexes } = tally;
  const succeeded = isIndexed(job) ? succeededIndexes.size : counted.succeeded;
  return {
    status: {
      ...(succeeded > 0 && { succeeded }),
      ...(counted.failed > 0 && { failed: counted.failed }),
      ...(succeededIndexes.size > 0 && { completedIndexes: `${succeededIndexes}` }),
      ...(failedIndexes && { failedIndexes: `${failedIndexes}` }),
      uncountedTerminatedPods: {
        ...(uncounted.succeeded.size > 0 && { succeeded: [...uncounted.succeeded] }),
        ...(uncounted.failed.size > 0 && { failed: [...uncounted.failed] }),
      },
    },
    toRelease,
    isComplete: uncounted.succeeded.size + uncounted.failed.size === 0 && toRelease.length === 0,
  };
}

/** The counts as they stand, now that some pods that were written down are released. */
function written({ status = {} }: Job, pods: readonly Pod[]) {
  const tracked = new Set(pods.filter(isTracked).map(({ metadata }) => metadata.uid));
  const counted = { succeeded: status.succeeded ?? 0, failed: status.failed ?? 0 };
  const uncounted = { succeeded: new Set<string>(), failed: new Set<string>() };
  for (const outcome of ['succeeded', 'failed'] as const) {
    for (const uid of status.uncountedTerminatedPods?.[outcome] ?? []) {
      if (tracked.has(uid)) uncounted[outcome].add(uid);
      else counted[outcome]++;
    }
  }
  return { counted, uncounted };
}

function mayGo(job: Job, pod: Pod, { tally, ending }: Pick<Counting, 'tally' | 'ending'>): boolean {
  if (ending || isSucceeded(pod)) return true;
  const index = indexOf(pod, job);
  const isHeldBack = index !== undefined && tally.heldBack.get(index)?.metadata.uid === pod.metadata.uid;
  return isFailed(pod, job) && !isHeldBack;
}
