/**
 * Counts each pod's end exactly once, over any crash: an end is first written down in the status by the pod's uid, then the
 * pod's finalizer goes, and only for a pod without one the uid becomes a count. Source: KEP-2307.
 */
import type { Job, JobStatus, Pod } from '#api/generated/schema.ts';
import { CompletionIndexes } from './completion-indexes.ts';
import { countsPerIndex, failuresBefore, indexOf, isFailed, isIndexed, isSucceeded, isTracked } from './job-pods.ts';
import { type FailureMatch, failureMatch } from './policies.ts';

/** As many wait in the status at a time; the others are counted in the next step. */
const MOST_UNCOUNTED = 500;

export interface Tally {
  /** With those that wait to be counted. */
  succeeded: number;
  failed: number;
  succeededIndexes: CompletionIndexes;
  /** undefined where failures are not counted by index. */
  failedIndexes: CompletionIndexes | undefined;
  /** How the status says it. */
  status: Pick<JobStatus, 'succeeded' | 'failed' | 'completedIndexes' | 'failedIndexes' | 'uncountedTerminatedPods'>;
  /** What has been seen of them is in `status`: their finalizers can go once it is written. */
  toRelease: readonly Pod[];
  /** A rule that fails the whole Job. */
  failJob: FailureMatch | undefined;
  /** Nothing waits to be counted. */
  isComplete: boolean;
}

export interface TallyOptions {
  /** The Job has failed: what has not ended counts as failed as well. */
  isFailing: boolean;
}

export function tallyOf(job: Job, pods: readonly Pod[], { isFailing }: TallyOptions): Tally {
  const { spec, status = {} } = job;
  const tracked = new Set(pods.filter(isTracked).map(({ metadata }) => metadata.uid));
  const counted = { succeeded: status.succeeded ?? 0, failed: status.failed ?? 0 };
  const uncounted = { succeeded: new Set<string>(), failed: new Set<string>() };
  for (const outcome of ['succeeded', 'failed'] as const) {
    for (const uid of status.uncountedTerminatedPods?.[outcome] ?? []) {
      if (tracked.has(uid)) uncounted[outcome].add(uid);
      else counted[outcome]++;
    }
  }
  const before = CompletionIndexes.parse(status.completedIndexes, spec.completions ?? 0);
  const newIndexes: number[] = [];
  const toRelease: Pod[] = [];
  let failJob: FailureMatch | undefined;

  for (const pod of pods) {
    if (!isTracked(pod)) continue;
    const failed = isFailed(pod, job);
    if (!failed && !isSucceeded(pod)) continue;
    if (failed) failJob ??= failJobBy(job, pod);
    if (uncounted.succeeded.size + uncounted.failed.size + newIndexes.length >= MOST_UNCOUNTED) break;
    toRelease.push(pod);
    const index = indexOf(pod, job);
    const isOurs = !isIndexed(job) || index !== undefined;
    if (isSucceeded(pod) && !uncounted.failed.has(pod.metadata.uid)) {
      if (index !== undefined && isIndexed(job)) newIndexes.push(index);
      else if (isOurs) uncounted.succeeded.add(pod.metadata.uid);
    } else if (isOurs && (isFailing || failureMatch(job, pod)?.action !== 'Ignore')) {
      uncounted.failed.add(pod.metadata.uid);
    }
  }

  const succeededIndexes = before.with(CompletionIndexes.of(newIndexes));
  if (isIndexed(job)) counted.succeeded = succeededIndexes.size;
  const failedIndexes = countsPerIndex(job) ? failedIndexesOf(job, pods, succeededIndexes) : undefined;
  return {
    succeeded: counted.succeeded + uncounted.succeeded.size,
    failed: counted.failed + uncounted.failed.size,
    succeededIndexes,
    failedIndexes,
    status: {
      ...(counted.succeeded > 0 && { succeeded: counted.succeeded }),
      ...(counted.failed > 0 && { failed: counted.failed }),
      ...(succeededIndexes.size > 0 && { completedIndexes: `${succeededIndexes}` }),
      ...(failedIndexes && { failedIndexes: `${failedIndexes}` }),
      uncountedTerminatedPods: {
        ...(uncounted.succeeded.size > 0 && { succeeded: [...uncounted.succeeded] }),
        ...(uncounted.failed.size > 0 && { failed: [...uncounted.failed] }),
      },
    },
    toRelease,
    failJob,
    isComplete: uncounted.succeeded.size + uncounted.failed.size === 0 && toRelease.length === 0,
  };
}

function failJobBy(job: Job, pod: Pod): FailureMatch | undefined {
  const match = failureMatch(job, pod);
  return match?.action === 'FailJob' ? match : undefined;
}

/** An index has failed when a pod of it did whose predecessors had used up the limit, or that a rule says so of. */
function failedIndexesOf(job: Job, pods: readonly Pod[], succeeded: CompletionIndexes): CompletionIndexes {
  const { backoffLimitPerIndex = 0, completions = 0 } = job.spec;
  const failed = pods.flatMap((pod) => {
    const index = indexOf(pod, job);
    if (index === undefined || succeeded.has(index) || !isTracked(pod) || !isFailed(pod, job)) return [];
    const action = failureMatch(job, pod)?.action;
    const isOver = action !== 'Ignore' && failuresBefore(pod).counted >= backoffLimitPerIndex;
    return action === 'FailIndex' || isOver ? [index] : [];
  });
  return CompletionIndexes.parse(job.status?.failedIndexes, completions).with(CompletionIndexes.of(failed));
}
