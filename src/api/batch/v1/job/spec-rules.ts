/** What the specification of a Job may say, in a Job and in the template of a CronJob. Source: API reference, JobSpec. */
import { validatePodTemplate } from '#api/core/v1/pod-template.ts';
import type * as schema from '#api/generated/schema.ts';
import {
  type FieldError,
  invalidValue,
  notSupportedValue,
  requiredValue,
  tooLong,
} from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { isDomainPrefixedPath, isNotNegative, isOneOf } from '#api/machinery/field-rules.ts';
import { validatePodFailurePolicy, validateSuccessPolicy } from './policies.ts';

/** So that the indexes that are done can be told in the status. */
const MAX_INDEXED = 100_000;
/** Above so many completions the limits are tighter. */
const MANY_COMPLETIONS = 100_000;
const MAX_WITH_MANY = 10_000;
const MAX_MANAGER_BYTES = 63;

export function validateJobSpec(spec: schema.JobSpec, at: At<schema.JobSpec>): FieldError[] {
  const { managedBy, maxFailedIndexes } = spec;
  return [
    ...isNotNegative(at.parallelism, spec.parallelism),
    ...isNotNegative(at.completions, spec.completions),
    ...isNotNegative(at.activeDeadlineSeconds, spec.activeDeadlineSeconds),
    ...isNotNegative(at.backoffLimit, spec.backoffLimit),
    ...isNotNegative(at.ttlSecondsAfterFinished, spec.ttlSecondsAfterFinished),
    ...isNotNegative(at.backoffLimitPerIndex, spec.backoffLimitPerIndex),
    ...isNotNegative(at.maxFailedIndexes, maxFailedIndexes),
    ...(maxFailedIndexes !== undefined && spec.backoffLimitPerIndex === undefined
      ? [requiredValue(at.backoffLimitPerIndex, 'when maxFailedIndexes is specified')]
      : []),
    ...(managedBy === undefined ? [] : isDomainPrefixedPath(at.managedBy, managedBy)),
    ...((managedBy?.length ?? 0) > MAX_MANAGER_BYTES ? [tooLong(at.managedBy, MAX_MANAGER_BYTES)] : []),
    ...validateMode(spec, at),
    ...(spec.podFailurePolicy ? validatePodFailurePolicy(spec, at.podFailurePolicy) : []),
    ...(spec.successPolicy ? validateSuccessPolicy(spec, at.successPolicy) : []),
    ...isOneOf(
      at.podReplacementPolicy,
      spec.podReplacementPolicy,
      spec.podFailurePolicy ? ['Failed'] : ['Failed', 'TerminatingOrFailed'],
    ),
    ...validatePodTemplate(spec.template, at.template),
    ...validateRestartPolicy(spec, at),
  ];
}

function validateMode(spec: schema.JobSpec, at: At<schema.JobSpec>): FieldError[] {
  const { completionMode, backoffLimitPerIndex, maxFailedIndexes } = spec;
  if (completionMode === 'Indexed') return validateIndexed(spec, at);
  const errors = isOneOf(at.completionMode, completionMode, ['NonIndexed', 'Indexed']);
  if (errors.length > 0) return errors;
  const text = 'requires indexed completion mode';
  if (backoffLimitPerIndex !== undefined)
    errors.push(invalidValue(at.backoffLimitPerIndex, backoffLimitPerIndex, text));
  if (maxFailedIndexes !== undefined) errors.push(invalidValue(at.maxFailedIndexes, maxFailedIndexes, text));
  return errors;
}

function validateIndexed(spec: schema.JobSpec, at: At<schema.JobSpec>): FieldError[] {
  const { completions, parallelism, maxFailedIndexes: failed, backoffLimitPerIndex } = spec;
  const errors: FieldError[] = [];
  const atMost = (limit: number) => `must be less than or equal to ${limit}`;
  if (completions === undefined) errors.push(requiredValue(at.completions, 'when completion mode is Indexed'));
  if (parallelism > MAX_INDEXED)
    errors.push(invalidValue(at.parallelism, parallelism, `${atMost(MAX_INDEXED)} when completion mode is Indexed`));
  if (completions !== undefined && failed !== undefined && failed > completions)
    errors.push(invalidValue(at.maxFailedIndexes, failed, 'must be less than or equal to completions'));
  if (failed !== undefined && failed > MAX_INDEXED)
    errors.push(invalidValue(at.maxFailedIndexes, failed, atMost(MAX_INDEXED)));
  if (completions === undefined || completions <= MANY_COMPLETIONS || backoffLimitPerIndex === undefined) return errors;
  const when = `when completions are above ${MANY_COMPLETIONS} and used with backoff limit per index`;
  if (failed === undefined)
    errors.push(requiredValue(at.maxFailedIndexes, `must be specified when completions is above ${MANY_COMPLETIONS}`));
  if (parallelism > MAX_WITH_MANY)
    errors.push(invalidValue(at.parallelism, parallelism, `${atMost(MAX_WITH_MANY)} ${when}`));
  if (failed !== undefined && failed > MAX_WITH_MANY)
    errors.push(invalidValue(at.maxFailedIndexes, failed, `${atMost(MAX_WITH_MANY)} ${when}`));
  return errors;
}

function validateRestartPolicy({ template, podFailurePolicy }: schema.JobSpec, at: At<schema.JobSpec>): FieldError[] {
  const { restartPolicy } = template.spec;
  const here = at.template.spec.restartPolicy;
  // what nobody gave is Always by default
  if (!restartPolicy || restartPolicy === 'Always') return [requiredValue(here, 'valid values: "OnFailure", "Never"')];
  if (restartPolicy !== 'OnFailure' && restartPolicy !== 'Never')
    return [notSupportedValue(here, restartPolicy, ['OnFailure', 'Never'])];
  if (podFailurePolicy && restartPolicy !== 'Never')
    return [invalidValue(here, restartPolicy, 'only "Never" is supported when podFailurePolicy is specified')];
  return [];
}

/** `path`: where the specification stands, for messages. */
export function warningsOfJobSpec(
  { completionMode, completions = 0, parallelism }: schema.JobSpec,
  path: string,
): string[] {
  if (completionMode !== 'Indexed' || completions <= MANY_COMPLETIONS || parallelism <= MAX_WITH_MANY) return [];
  const text =
    'In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail';
  return [`${path}: ${text}`];
}
