/**
 * What has become of a Job's pods so far: what its status says already, and what has ended since. Each end counts exactly
 * once: see `written-tally.ts`. Source: KEP-2307, KEP-3850.
 */
import { isActive } from '#api/core/v1/pod-conditions.ts';
import type { Job, Pod } from '#api/generated/schema.ts';
import { CompletionIndexes } from './completion-indexes.ts';
import {
  countsPerIndex,
  endedAtMs,
  failuresBefore,
  indexOf,
  isFailed,
  isIndexed,
  isSucceeded,
  isTracked,
} from './job-pods.ts';
import { type FailureMatch, failureMatch } from './policies.ts';

export interface Tally {
  /** With those that wait to be counted. */
  succeeded: number;
  failed: number;
  succeededIndexes: CompletionIndexes;
  /** undefined where failures are not counted by index. */
  failedIndexes: CompletionIndexes | undefined;
  /** Ends that the status does not know yet; those that a policy ignores are among the failures. */
  newSucceeded: readonly Pod[];
  newFailed: readonly Pod[];
  /** A rule that fails the whole Job. */
  failJob: FailureMatch | undefined;
  /** Of each index that is to be tried again the pod that failed last: it is kept until its failures are handed on. */
  heldBack: ReadonlyMap<number, Pod>;
}

export function tallyOf(job: Job, pods: readonly Pod[]): Tally {
  const { spec, status = {} } = job;
  const { succeeded = 0, failed = 0, uncountedTerminatedPods: uncounted = {} } = status;
  const [known, knownFailed] = [new Set(uncounted.succeeded), new Set(uncounted.failed)];
  const isNew = (pod: Pod, counted: ReadonlySet<string>) =>
    isTracked(pod) && !counted.has(pod.metadata.uid) && (!isIndexed(job) || indexOf(pod, job) !== undefined);
  const newSucceeded = pods.filter((pod) => isSucceeded(pod) && isNew(pod, known));
  const newFailed = pods.filter((pod) => isFailed(pod, job) && isNew(pod, knownFailed));

  const before = CompletionIndexes.parse(status.completedIndexes, spec.completions ?? 0);
  const succeededIndexes = isIndexed(job) ? before.with(indexesOf(job, newSucceeded)) : before;
  const failedIndexes = countsPerIndex(job) ? failedIndexesOf(job, pods, succeededIndexes) : undefined;
  return {
    succeeded: isIndexed(job) ? succeededIndexes.size : succeeded + known.size + newSucceeded.length,
    failed: failed + knownFailed.size + newFailed.filter((pod) => countsAsFailed(job, pod)).length,
    succeededIndexes,
    failedIndexes,
    newSucceeded,
    newFailed,
    failJob: failJob(job, pods),
    heldBack: failedIndexes ? heldBack(job, pods, succeededIndexes.with(failedIndexes)) : new Map(),
  };
}

/** Also of pods that are counted already: what is said of them may have come later. */
function failJob(job: Job, pods: readonly Pod[]): FailureMatch | undefined {
  if (!job.spec.podFailurePolicy) return undefined;
  const failed = pods.filter((pod) => isFailed(pod, job));
  return failed.map((pod) => failureMatch(job, pod)).find((match) => match?.action === 'FailJob');
}

export const countsAsFailed = (job: Job, pod: Pod): boolean => failureMatch(job, pod)?.action !== 'Ignore';

export const indexesOf = (job: Job, pods: readonly Pod[]): CompletionIndexes =>
  CompletionIndexes.of(pods.flatMap((pod) => indexOf(pod, job) ?? []));

/** An index has failed when a pod of it did whose predecessors had used up the limit, or that a rule says so of. */
function failedIndexesOf(job: Job, pods: readonly Pod[], succeeded: CompletionIndexes): CompletionIndexes {
  const { backoffLimitPerIndex = 0, completions = 0 } = job.spec;
  const failed = pods.filter((pod) => {
    const index = indexOf(pod, job);
    if (index === undefined || succeeded.has(index) || !isTracked(pod) || !isFailed(pod, job)) return false;
    const isOver = countsAsFailed(job, pod) && failuresBefore(pod).counted >= backoffLimitPerIndex;
    return failureMatch(job, pod)?.action === 'FailIndex' || isOver;
  });
  return CompletionIndexes.parse(job.status?.failedIndexes, completions).with(indexesOf(job, failed));
}

/** A pod that runs for the index already carries the failures on. */
function heldBack(job: Job, pods: readonly Pod[], over: CompletionIndexes): ReadonlyMap<number, Pod> {
  const total = (pod: Pod) => failuresBefore(pod).counted + failuresBefore(pod).ignored;
  const settledIndexes = over.with(indexesOf(job, pods.filter(isActive)));
  const last = new Map<number, Pod>();
  for (const pod of pods) {
    const index = indexOf(pod, job);
    if (index === undefined || !isTracked(pod) || !isFailed(pod, job) || settledIndexes.has(index)) continue;
    const known = last.get(index);
    if (!known || (total(known) <= total(pod) && endedAtMs(pod) >= endedAtMs(known))) last.set(index, pod);
  }
  return last;
}
