/**
 * What the status of a Job may say: another controller than ours may write it (`managedBy`), and clients rely on it.
 * A rule holds for what a write changes; what was wrong before may stay. Source: KEP-4368.
 */
import type * as schema from '#api/generated/schema.ts';
import type { Change } from '#api/machinery/define-kind.ts';
import { isEqual } from '#api/machinery/equal.ts';
import {
  duplicateValue,
  type FieldError,
  invalidValue,
  invalidWithoutValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { isNotNegative } from '#api/machinery/field-rules.ts';
import { isFalse, isFinished, isTrue, type JobConditionType } from './conditions.ts';
import { commonIndex, parseIndexes } from './indexes.ts';

type Status = schema.JobStatus;
type Rules = (change: Change<schema.Job>, at: At<Status>) => FieldError[];

export const validateJobStatusUpdate = (change: Change<schema.Job>): FieldError[] =>
  RULES.flatMap((rules) => rules(change, change.at.status));

const hasChanged = ({ next, current }: Change<schema.Job>, ...fields: (keyof Status)[]): boolean =>
  fields.some((field) => !isEqual(next.status?.[field], current.status?.[field]));

const hasTurned = ({ next, current }: Change<schema.Job>, ...types: JobConditionType[]): boolean =>
  types.some((type) => isTrue(next, type) !== isTrue(current, type));

const hasFinishedOrNot = ({ next, current }: Change<schema.Job>): boolean => isFinished(next) !== isFinished(current);

const counts: Rules = ({ next: { status = {} } }, at) => [
  ...(['active', 'succeeded', 'failed', 'ready', 'terminating'] as const).flatMap((count) =>
    isNotNegative(at[count], status[count]),
  ),
  ...validateUncounted(status.uncountedTerminatedPods, at.uncountedTerminatedPods),
];

function validateUncounted(
  pods: schema.UncountedTerminatedPods | undefined,
  at: At<schema.UncountedTerminatedPods>,
): FieldError[] {
  const seen = new Set<string>();
  return (['succeeded', 'failed'] as const).flatMap((list) =>
    (pods?.[list] ?? []).flatMap((uid, i) => {
      if (uid === '') return [invalidValue(at[list][i]!, uid, 'must not be empty')];
      if (seen.has(uid)) return [duplicateValue(at[list][i]!, uid)];
      seen.add(uid);
      return [];
    }),
  );
}

/** Pairs of conditions that contradict one another, and conditions that need another. */
const conditions: Rules = (change, at) => {
  const { next } = change;
  const is = (type: JobConditionType) => isTrue(next, type);
  const errors: FieldError[] = [];
  const refuse = (when: boolean, why: string) => when && errors.push(invalidWithoutValue(at.conditions, why));
  if (hasTurned(change, 'Complete', 'Failed'))
    refuse(is('Complete') && is('Failed'), 'cannot set Complete=True and Failed=true conditions');
  if (hasTurned(change, 'Complete', 'FailureTarget'))
    refuse(is('Complete') && is('FailureTarget'), 'cannot set Complete=True and FailureTarget=true conditions');
  return errors;
};

const completionTime: Rules = (change, at) => {
  const { completionTime: end, startTime: start } = change.next.status ?? {};
  const isComplete = isTrue(change.next, 'Complete');
  const errors: FieldError[] = [];
  if (hasTurned(change, 'Complete') || hasChanged(change, 'completionTime')) {
    if (end && !isComplete)
      errors.push(
        invalidValue(at.completionTime, end, 'cannot set completionTime when there is no Complete=True condition'),
      );
    if (!end && isComplete)
      errors.push(requiredValue(at.completionTime, 'completionTime is required for Complete jobs'));
  }
  if (hasChanged(change, 'startTime', 'completionTime') && start && end && Date.parse(end) < Date.parse(start))
    errors.push(invalidValue(at.completionTime, end, 'must be equal to or after `startTime`'));
  return errors;
};

const neededConditions: Rules = (change, at) => {
  const { next } = change;
  const errors: FieldError[] = [];
  if (hasTurned(change, 'Failed') || hasChanged(change, 'failedIndexes'))
    if (isTrue(next, 'Failed') && !isTrue(next, 'FailureTarget'))
      errors.push(
        invalidWithoutValue(at.conditions, 'cannot set Failed=True condition without the FailureTarget=true condition'),
      );
  if (hasTurned(change, 'Complete', 'SuccessCriteriaMet'))
    if (isTrue(next, 'Complete') && !isTrue(next, 'SuccessCriteriaMet'))
      errors.push(
        invalidWithoutValue(
          at.conditions,
          'cannot set Complete=True condition without the SuccessCriteriaMet=true condition',
        ),
      );
  return errors;
};

const finished: Rules = (change, at) => {
  const { next } = change;
  if (!isFinished(next)) return [];
  const { active = 0, startTime, uncountedTerminatedPods: pods } = next.status ?? {};
  const ended = hasFinishedOrNot(change);
  const errors: FieldError[] = [];
  if ((ended || hasChanged(change, 'active')) && active > 0)
    errors.push(invalidValue(at.active, active, 'active>0 is invalid for finished job'));
  const neverBegan = next.spec.suspend && next.spec.completions === 0;
  if ((ended || hasChanged(change, 'startTime')) && !neverBegan && !startTime)
    errors.push(requiredValue(at.startTime, 'startTime is required for finished job'));
  if (ended || hasChanged(change, 'uncountedTerminatedPods'))
    if ((pods?.failed?.length ?? 0) + (pods?.succeeded?.length ?? 0) > 0)
      errors.push(invalidValue(at.uncountedTerminatedPods, pods, 'must be empty for finished job'));
  return errors;
};

const indexes: Rules = (change, at) => {
  const { spec, status = {} } = change.next;
  const { completedIndexes = '', failedIndexes } = status;
  const { completions, backoffLimitPerIndex } = spec;
  const [completed, failed] = [hasChanged(change, 'completedIndexes'), hasChanged(change, 'failedIndexes')];
  const errors: FieldError[] = [];
  const readable = (field: 'completedIndexes' | 'failedIndexes', text: string) => {
    const parsed = parseIndexes(text, completions ?? 0);
    if ('problem' in parsed) errors.push(invalidValue(at[field], text, `error parsing ${field}: ${parsed.problem}`));
  };
  if (completed && completions !== undefined) readable('completedIndexes', completedIndexes);
  if (failed && completions !== undefined && backoffLimitPerIndex !== undefined && failedIndexes !== undefined)
    readable('failedIndexes', failedIndexes);
  if (completed && completedIndexes && spec.completionMode !== 'Indexed') {
    const why = 'cannot set non-empty completedIndexes when non-indexed completion mode';
    errors.push(invalidValue(at.completedIndexes, completedIndexes, why));
  }
  if (failed && failedIndexes !== undefined && backoffLimitPerIndex === undefined) {
    const why = 'cannot set non-null failedIndexes when backoffLimitPerIndex is null';
    errors.push(invalidValue(at.failedIndexes, failedIndexes, why));
  }
  if ((completed || failed) && completions !== undefined && failedIndexes) {
    const common = commonIndex(completedIndexes, failedIndexes, completions);
    if (common !== undefined) {
      const why = `failedIndexes and completedIndexes overlap at index: ${common}`;
      errors.push(invalidValue(at.failedIndexes, failedIndexes, why));
    }
  }
  return errors;
};

const pods: Rules = (change, at) => {
  const { terminating, ready, active = 0 } = change.next.status ?? {};
  const errors: FieldError[] = [];
  if (
    (hasFinishedOrNot(change) || hasChanged(change, 'terminating')) &&
    isFinished(change.next) &&
    (terminating ?? 0) > 0
  )
    errors.push(invalidValue(at.terminating, terminating, 'terminating>0 is invalid for finished job'));
  if (hasChanged(change, 'ready', 'active') && ready !== undefined && ready > active)
    errors.push(invalidValue(at.ready, ready, 'cannot set more ready pods than active'));
  return errors;
};

const success: Rules = ({ next }, at) => {
  const isMet = isTrue(next, 'SuccessCriteriaMet');
  const errors: FieldError[] = [];
  const refuse = (when: boolean, why: string) => when && errors.push(invalidWithoutValue(at.conditions, why));
  refuse(isMet && isTrue(next, 'Failed'), 'cannot set SuccessCriteriaMet=True and Failed=true conditions');
  refuse(
    isMet && isTrue(next, 'FailureTarget'),
    'cannot set SuccessCriteriaMet=True and FailureTarget=true conditions',
  );
  refuse(
    !isMet && !!next.spec.successPolicy && isTrue(next, 'Complete'),
    'cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True',
  );
  return errors;
};

/** What never goes back. */
const history: Rules = (change, at) => {
  const { next, current } = change;
  const [now, before] = [next.status ?? {}, current.status ?? {}];
  const errors: FieldError[] = [];
  for (const type of ['Failed', 'Complete', 'FailureTarget'] as const)
    if (isTrue(current, type) && !isTrue(next, type))
      errors.push(invalidWithoutValue(at.conditions, `cannot disable the terminal ${type}=True condition`));
  if ((now.failed ?? 0) < (before.failed ?? 0))
    errors.push(invalidValue(at.failed, now.failed ?? 0, 'cannot decrease the failed counter'));
  const mayShrink = next.spec.completionMode === 'Indexed' && next.spec.completions === next.spec.parallelism;
  if (!mayShrink && (now.succeeded ?? 0) < (before.succeeded ?? 0))
    errors.push(invalidValue(at.succeeded, now.succeeded ?? 0, 'cannot decrease the succeeded counter'));
  if (now.completionTime && before.completionTime && now.completionTime !== before.completionTime)
    errors.push(invalidValue(at.completionTime, now.completionTime, 'field is immutable'));
  const resumes = isTrue(current, 'Suspended') && isFalse(next, 'Suspended');
  if (!resumes && before.startTime && now.startTime !== before.startTime && !next.spec.suspend) {
    const why = 'field is immutable for unsuspended job once set';
    errors.push(invalidValue(at.startTime, now.startTime ?? null, why));
  }
  const wasMet = isTrue(current, 'SuccessCriteriaMet');
  if (wasMet && !isTrue(next, 'SuccessCriteriaMet'))
    errors.push(invalidWithoutValue(at.conditions, 'cannot disable the SuccessCriteriaMet=True condition'));
  if (isTrue(current, 'Complete') && !wasMet && isTrue(next, 'SuccessCriteriaMet')) {
    const why = 'cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions';
    errors.push(invalidWithoutValue(at.conditions, why));
  }
  return errors;
};

const RULES: readonly Rules[] = [
  counts,
  conditions,
  completionTime,
  neededConditions,
  finished,
  indexes,
  pods,
  success,
  history,
];
