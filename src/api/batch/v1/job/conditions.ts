/** How a Job stands by its conditions. Source: API reference, JobStatus. */
import type { Job } from '#api/generated/schema.ts';

export type JobConditionType = 'Complete' | 'Failed' | 'Suspended' | 'FailureTarget' | 'SuccessCriteriaMet';

export const isTrue = ({ status }: Pick<Job, 'status'>, type: JobConditionType): boolean =>
  status?.conditions?.some((condition) => condition.type === type && condition.status === 'True') ?? false;

export const isFalse = ({ status }: Pick<Job, 'status'>, type: JobConditionType): boolean =>
  status?.conditions?.some((condition) => condition.type === type && condition.status === 'False') ?? false;

export const isFinished = (job: Pick<Job, 'status'>): boolean => isTrue(job, 'Complete') || isTrue(job, 'Failed');
