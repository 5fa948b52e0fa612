/** Which pods a Job is to have now, beyond those that it has: what is to be deleted, created, and when to look again. */
import type { Job, Pod } from '#api/generated/schema.ts';
import { leastValuable } from '../replica-set-pods.ts';
import { backOffLeftMs, type FailureRecord } from './back-off.ts';
import { CompletionIndexes } from './completion-indexes.ts';
import {
  countsPerIndex,
  endedAtMs,
  failuresBefore,
  type IndexFailures,
  indexOf,
  isIndexed,
  isTerminating,
} from './job-pods.ts';
import { countsAsFailed, indexesOf, type Tally } from './tally.ts';

/** Source: kube-controller-manager, MaxPodCreateDeletePerSync. */
const MOST_AT_ONCE = 500;

export interface Wanted {
  surplus: readonly Pod[];
  /** Of each new pod: its index, and what its predecessors went through. */
  missing: readonly { index?: number; failures?: IndexFailures }[];
  /** Until a back-off ends; undefined when none holds up anything. */
  waitMs: number | undefined;
}

export interface Having {
  pods: readonly Pod[];
  active: readonly Pod[];
  tally: Tally;
  record: FailureRecord;
  nowMs: number;
}

export function wantedPods(job: Job, having: Having): Wanted {
  const { active, pods } = having;
  const misplaced = isIndexed(job) ? misplacedPods(job, active, having.nowMs) : [];
  const rightly = active.filter((pod) => !misplaced.includes(pod));
  const wanted = wantedActive(job, having, rightly.length);
  if (rightly.length > wanted || misplaced.length > 0) {
    const surplus = leastValuable(rightly, Math.max(0, rightly.length - wanted), rightly, having.nowMs);
    return { surplus: [...misplaced, ...surplus].slice(0, MOST_AT_ONCE), missing: [], waitMs: undefined };
  }
  const going = job.spec.podReplacementPolicy === 'Failed' ? pods.filter(isTerminating).length : 0;
  const count = Math.min(wanted - rightly.length - going, MOST_AT_ONCE);
  if (count <= 0) return { surplus: [], missing: [], waitMs: undefined };
  if (countsPerIndex(job)) return byIndex(job, having, count);
  const waitMs = backOffLeftMs(having.record.failures, having.record.lastFailureMs, having.nowMs);
  if (waitMs > 0) return { surplus: [], missing: [], waitMs };
  if (!isIndexed(job)) return { surplus: [], missing: Array.from({ length: count }, () => ({})), waitMs: undefined };
  return { surplus: [], missing: pendingIndexes(job, having, count).map((index) => ({ index })), waitMs: undefined };
}

function wantedActive({ spec }: Job, { tally }: Having, active: number): number {
  const { parallelism, completions } = spec;
  // One has succeeded: no new ones, the others may go on, as many as they are.
  if (completions === undefined) return tally.succeeded > 0 ? active : parallelism;
  return Math.min(parallelism, Math.max(0, completions - tally.succeeded - (tally.failedIndexes?.size ?? 0)));
}

/** All but one of each index, and those without one. */
function misplacedPods(job: Job, active: readonly Pod[], nowMs: number): Pod[] {
  const ofIndex = new Map<number | undefined, Pod[]>();
  for (const pod of active) {
    const index = indexOf(pod, job);
    const others = ofIndex.get(index);
    if (others) others.push(pod);
    else ofIndex.set(index, [pod]);
  }
  return [...ofIndex].flatMap(([index, pods]) =>
    index === undefined ? pods : leastValuable(pods, pods.length - 1, pods, nowMs),
  );
}

/** The lowest that neither have succeeded or failed nor are being worked on. */
function pendingIndexes(job: Job, { pods, active, tally }: Having, count: number): number[] {
  const busy = job.spec.podReplacementPolicy === 'Failed' ? [...active, ...pods.filter(isTerminating)] : active;
  const taken = indexesOf(job, busy)
    .with(tally.succeededIndexes)
    .with(tally.failedIndexes ?? CompletionIndexes.none);
  const pending: number[] = [];
  for (let index = 0; index < (job.spec.completions ?? 0) && pending.length < count; index++)
    if (!taken.has(index)) pending.push(index);
  return pending;
}

/** An index that failed waits by itself, and keeps its turn meanwhile. */
function byIndex(job: Job, having: Having, count: number): Wanted {
  const missing: { index: number; failures: IndexFailures }[] = [];
  let waitMs: number | undefined;
  for (const index of pendingIndexes(job, having, count)) {
    const last = having.tally.heldBack.get(index);
    const failures = last ? failuresAfter(job, last) : { counted: 0, ignored: 0 };
    const leftMs = last ? backOffLeftMs(failures.counted + failures.ignored, endedAtMs(last), having.nowMs) : 0;
    if (leftMs > 0) waitMs = Math.min(waitMs ?? leftMs, leftMs);
    else missing.push({ index, failures });
  }
  return { surplus: [], missing, waitMs };
}

function failuresAfter(job: Job, pod: Pod): IndexFailures {
  const { counted, ignored } = failuresBefore(pod);
  return countsAsFailed(job, pod) ? { counted: counted + 1, ignored } : { counted, ignored: ignored + 1 };
}
