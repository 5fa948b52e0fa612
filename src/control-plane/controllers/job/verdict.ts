/** Whether a Job is at its end, and why. Source: "Jobs", Job termination and cleanup; KEP-3939, KEP-3998. */
import type { Job, JobCondition, Pod } from '#api/generated/schema.ts';
import { millisOf, timestampOf } from '#api/machinery/timestamp.ts';
import { countsPerIndex } from './job-pods.ts';
import { successMatch } from './policies.ts';
import type { Tally } from './tally.ts';

/** First what is coming is said; what it comes to only when the last pod has ended. */
export type Verdict = {
  coming: 'SuccessCriteriaMet' | 'FailureTarget';
  final: 'Complete' | 'Failed';
  reason: string;
  message: string;
};

const success = (reason: string, message: string): Verdict => ({
  ...{ coming: 'SuccessCriteriaMet', final: 'Complete', reason, message },
});
const failure = (reason: string, message: string): Verdict => ({
  ...{ coming: 'FailureTarget', final: 'Failed', reason, message },
});

export const conditionOf = ({ status }: Job, type: string): JobCondition | undefined =>
  status?.conditions?.find((condition) => condition.type === type);
const isTrue = (job: Job, type: string): boolean => conditionOf(job, type)?.status === 'True';
export const isFinished = (job: Job): boolean => isTrue(job, 'Complete') || isTrue(job, 'Failed');

/** One that was spoken stands. */
export function spoken(job: Job): Verdict | undefined {
  const [failed, met] = [conditionOf(job, 'FailureTarget'), conditionOf(job, 'SuccessCriteriaMet')];
  if (failed?.status === 'True') return failure(failed.reason ?? '', failed.message ?? '');
  if (met?.status === 'True') return success(met.reason ?? '', met.message ?? '');
  return undefined;
}

export interface Evidence {
  tally: Tally;
  pods: readonly Pod[];
  active: readonly Pod[];
  nowMs: number;
}

export function verdictOn(job: Job, evidence: Evidence): Verdict | undefined {
  return spoken(job) ?? failureOf(job, evidence) ?? successOf(job, evidence);
}

/** When `activeDeadlineSeconds` end, in ms; undefined without them, and while the Job does not run. */
export function deadlineMs({ spec, status }: Job): number | undefined {
  const startMs = millisOf(status?.startTime);
  if (spec.activeDeadlineSeconds === undefined || startMs === undefined || spec.suspend) return undefined;
  return startMs + spec.activeDeadlineSeconds * 1000;
}

function failureOf(job: Job, { tally, pods, nowMs }: Evidence): Verdict | undefined {
  if (tally.failJob) return failure('PodFailurePolicy', tally.failJob.message);
  if (tally.failed > job.spec.backoffLimit || restartsExceed(job, pods))
    return failure('BackoffLimitExceeded', 'Job has reached the specified backoff limit');
  if (nowMs >= (deadlineMs(job) ?? Number.POSITIVE_INFINITY))
    return failure('DeadlineExceeded', 'Job was active longer than specified deadline');
  const { succeededIndexes, failedIndexes } = tally;
  if (!countsPerIndex(job) || !failedIndexes) return undefined;
  const { maxFailedIndexes, completions = 0 } = job.spec;
  if (maxFailedIndexes !== undefined && failedIndexes.size > maxFailedIndexes)
    return failure('MaxFailedIndexesExceeded', 'Job has exceeded the specified maximal number of failed indexes');
  if (failedIndexes.size > 0 && failedIndexes.size + succeededIndexes.size >= completions)
    return failure('FailedIndexes', 'Job has failed indexes');
  return undefined;
}

/** Containers that are restarted where they are count towards the limit as well, also those of pods that are going. */
function restartsExceed({ spec }: Job, pods: readonly Pod[]): boolean {
  if (spec.template.spec.restartPolicy !== 'OnFailure') return false;
  const statuses = pods
    .filter(({ status }) => status?.phase === 'Running' || status?.phase === 'Pending')
    .flatMap(({ status }) => [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]);
  const restarts = statuses.reduce((sum, { restartCount }) => sum + (restartCount ?? 0), 0);
  return spec.backoffLimit === 0 ? restarts > 0 : restarts >= spec.backoffLimit;
}

function successOf(job: Job, { tally, active }: Evidence): Verdict | undefined {
  const { completions, suspend } = job.spec;
  const matched = successMatch(job, tally.succeededIndexes);
  if (matched) return success('SuccessPolicy', matched);
  // Without a number, one that succeeds says that the work is done; the others may finish theirs.
  const isComplete =
    completions === undefined
      ? tally.succeeded > 0 && (suspend || active.length === 0)
      : tally.succeeded >= completions;
  if (!isComplete) return undefined;
  return success('CompletionsReached', 'Reached expected number of succeeded pods');
}

interface Said {
  type: string;
  status: 'True' | 'False';
  reason: string;
  message: string;
}

/** In its place; what is not so, and never was, is not said. The same list when it says so already. */
export function withCondition(conditions: readonly JobCondition[], said: Said, nowMs: number): JobCondition[] {
  const known = conditions.find(({ type }) => type === said.type);
  const isSaid = known?.status === said.status && known.reason === said.reason && known.message === said.message;
  if (isSaid || (!known && said.status === 'False')) return [...conditions];
  const now = timestampOf(nowMs);
  const condition: JobCondition = { lastProbeTime: now, lastTransitionTime: now, ...said };
  return known ? conditions.map((other) => (other === known ? condition : other)) : [...conditions, condition];
}
