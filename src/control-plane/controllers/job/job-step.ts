/** Which pods a Job is to have now, beyond those that it has: what is to be deleted, created, and when to look again. */
import type { Job, Pod } from '#api/generated/schema.ts';
import { leastValuable } from '../replica-set-pods.ts';
import { CompletionIndexes } from './completion-indexes.ts';
import {
  countsPerIndex,
  endedAtMs,
  failuresBefore,
  type IndexFailures,
  indexOf,
  isFailed,
  isIndexed,
  isSucceeded,
  isTerminating,
} from './job-pods.ts';
import { failureMatch } from './policies.ts';
import type { Tally } from './tally.ts';

/** Source: kube-controller-manager, DefaultJobPodFailureBackOff, MaxJobPodFailureBackOff, MaxPodCreateDeletePerSync. */
const BACK_OFF_MS = 10_000;
const MAX_BACK_OFF_MS = 600_000;
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
  nowMs: number;
}

export function wantedPods(job: Job, having: Having): Wanted {
  const { active, pods } = having;
  const misplaced = isIndexed(job) ? misplacedPods(job, active) : [];
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
  const waitMs = backOffMs(job, having);
  if (waitMs > 0) return { surplus: [], missing: [], waitMs };
  if (!isIndexed(job)) return { surplus: [], missing: Array.from({ length: count }, () => ({})), waitMs: undefined };
  return { surplus: [], missing: pendingIndexes(job, having, count).map((index) => ({ index })), waitMs: undefined };
}

function wantedActive({ spec }: Job, { tally }: Having, active: number): number {
  const { parallelism, completions } = spec;
  // One has succeeded: no new ones, the others may go on.
  if (completions === undefined) return tally.succeeded > 0 ? Math.min(active, parallelism) : parallelism;
  return Math.min(parallelism, Math.max(0, completions - tally.succeeded - (tally.failedIndexes?.size ?? 0)));
}

/** Two of one index, and those without one. */
function misplacedPods(job: Job, active: readonly Pod[]): Pod[] {
  const taken = new Set<number>();
  return [...active].sort(byAge).filter((pod) => {
    const index = indexOf(pod, job);
    if (index === undefined || taken.has(index)) return true;
    taken.add(index);
    return false;
  });
}

const byAge = (a: Pod, b: Pod): number =>
  `${a.metadata.creationTimestamp}`.localeCompare(`${b.metadata.creationTimestamp}`);

/** The lowest that neither have succeeded or failed nor are being worked on. */
function pendingIndexes(job: Job, { pods, active, tally }: Having, count: number): number[] {
  const busy = job.spec.podReplacementPolicy === 'Failed' ? [...active, ...pods.filter(isTerminating)] : active;
  const taken = CompletionIndexes.of(busy.flatMap((pod) => indexOf(pod, job) ?? []))
    .with(tally.succeededIndexes)
    .with(tally.failedIndexes ?? CompletionIndexes.none);
  const pending: number[] = [];
  for (let index = 0; index < (job.spec.completions ?? 0) && pending.length < count; index++)
    if (!taken.has(index)) pending.push(index);
  return pending;
}

/** An index that failed waits by itself. */
function byIndex(job: Job, having: Having, count: number): Wanted {
  const missing: { index: number; failures: IndexFailures }[] = [];
  let waitMs: number | undefined;
  const failed = lastFailures(job, having.pods);
  for (const index of pendingIndexes(job, having, job.spec.completions ?? 0)) {
    if (missing.length >= count) break;
    const last = failed.get(index);
    const failures = last ? failuresAfter(job, last) : { counted: 0, ignored: 0 };
    const leftMs = last ? endedAtMs(last) + delayMs(failures.counted + failures.ignored) - having.nowMs : 0;
    if (leftMs > 0) waitMs = Math.min(waitMs ?? leftMs, leftMs);
    else missing.push({ index, failures });
  }
  return { surplus: [], missing, waitMs };
}

/** Of each index the pod that failed last: one walk, for there may be very many of both. */
function lastFailures(job: Job, pods: readonly Pod[]): ReadonlyMap<number, Pod> {
  const total = (pod: Pod) => failuresBefore(pod).counted + failuresBefore(pod).ignored;
  const last = new Map<number, Pod>();
  for (const pod of pods) {
    const index = indexOf(pod, job);
    if (index === undefined || !isFailed(pod, job)) continue;
    const known = last.get(index);
    if (!known || total(known) < total(pod)) last.set(index, pod);
  }
  return last;
}

function failuresAfter(job: Job, pod: Pod): IndexFailures {
  const { counted, ignored } = failuresBefore(pod);
  return failureMatch(job, pod)?.action === 'Ignore'
    ? { counted, ignored: ignored + 1 }
    : { counted: counted + 1, ignored };
}

/** Of a Job as a whole: by the failures since the last success. */
function backOffMs(job: Job, { pods, nowMs }: Having): number {
  const succeededMs = Math.max(0, ...pods.filter(isSucceeded).map(endedAtMs));
  const failures = pods.filter((pod) => isFailed(pod, job)).map(endedAtMs);
  const recent = failures.filter((ms) => ms > succeededMs);
  if (recent.length === 0) return 0;
  return Math.max(...recent) + delayMs(recent.length) - nowMs;
}

const delayMs = (failures: number): number =>
  failures === 0 ? 0 : Math.min(MAX_BACK_OFF_MS, BACK_OFF_MS * 2 ** Math.min(failures - 1, 10));
