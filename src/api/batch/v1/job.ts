/** Job: pods that run to their end, a given number of times. Source: API reference, batch/v1. */

import {
  defaultPodTemplate,
  templateColumns,
  validatePodTemplate,
  warningsOfTemplate,
} from '#api/core/v1/pod-template.ts';
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn, wideColumn } from '#api/machinery/define-kind.ts';
import { humanDuration } from '#api/machinery/duration.ts';
import { type FieldError, invalidValue, notSupportedValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { isImmutable, isNotNegative, isOneOf } from '#api/machinery/field-rules.ts';
import {
  formatLabelSelector,
  matchesLabels,
  selectorFrom,
  validateLabelSelector,
} from '#api/machinery/label-selector.ts';

export type Job = schema.Job;

/** The label by which a Job knows its pods, and its form without the prefix that came before v1.27. */
const UID_LABELS = ['batch.kubernetes.io/controller-uid', 'controller-uid'];
const NAME_LABELS = ['batch.kubernetes.io/job-name', 'job-name'];
const MAX_INDEXED_PARALLELISM = 100_000;

export const Job = defineKind<schema.Job>({
  group: 'batch',
  version: 'v1',
  kind: 'Job',
  plural: 'jobs',
  scope: 'Namespaced',
  categories: ['all'],
  subresources: ['status'],
  generationOf: ({ spec }) => spec,
  defaultPropagation: 'Orphan',
  defaults: (job) => ({ ...(job as schema.Job), spec: defaultJobSpec(job.spec) }),
  prepareForCreate: (job) => (job.spec.manualSelector ? job : withOwnSelector(job)),
  validate: ({ spec }, { spec: at }) => {
    const errors = validateJobSpec(spec, at);
    if (!spec.selector) errors.push(requiredValue(at.selector));
    else {
      errors.push(...validateLabelSelector(spec.selector, at.selector));
      if (!matchesLabels(selectorFrom(spec.selector), spec.template.metadata?.labels))
        errors.push(
          invalidValue(
            at.template.metadata.labels,
            spec.template.metadata?.labels ?? {},
            '`selector` does not match template `labels`',
          ),
        );
    }
    return errors;
  },
  validateUpdate: ({ next, current, at: { spec: at } }) => [
    ...isImmutable(at.selector, next.spec.selector, current.spec.selector),
    ...(current.spec.suspend && !current.status?.startTime
      ? []
      : isImmutable(at.template, next.spec.template, current.spec.template)),
    ...isImmutable(at.completionMode, next.spec.completionMode, current.spec.completionMode),
    ...isImmutable(at.podFailurePolicy, next.spec.podFailurePolicy, current.spec.podFailurePolicy),
    ...isImmutable(at.backoffLimitPerIndex, next.spec.backoffLimitPerIndex, current.spec.backoffLimitPerIndex),
    ...isImmutable(at.managedBy, next.spec.managedBy, current.spec.managedBy),
    ...isImmutable(at.successPolicy, next.spec.successPolicy, current.spec.successPolicy),
    ...(next.spec.completionMode === 'Indexed' && next.spec.completions === next.spec.parallelism
      ? []
      : isImmutable(at.completions, next.spec.completions, current.spec.completions)),
  ],
  warnings: ({ spec }) => warningsOfTemplate(spec.template),
  columns: [
    nameColumn(),
    column('Status', 'string', phaseOf),
    column('Completions', 'string', completionsOf),
    column('Duration', 'string', durationOf, { timeDependent: true }),
    ageColumn(),
    ...templateColumns<schema.Job>(({ spec }) => spec.template),
    wideColumn('Selector', 'string', ({ spec }) => formatLabelSelector(spec.selector)),
  ],
  selectableFields: { 'status.successful': ({ status }) => String(status?.succeeded ?? 0) },
});

/** For a Job and for the template of a CronJob. */
export function defaultJobSpec(spec: schema.Submitted<schema.JobSpec> = {}): schema.JobSpec {
  const single = spec.completions === undefined && spec.parallelism === undefined;
  const perIndex = spec.backoffLimitPerIndex !== undefined;
  return {
    ...spec,
    parallelism: spec.parallelism ?? 1,
    ...(single && { completions: 1 }),
    backoffLimit: spec.backoffLimit ?? (perIndex ? 2_147_483_647 : 6),
    template: defaultPodTemplate(spec.template),
    completionMode: spec.completionMode ?? 'NonIndexed',
    suspend: spec.suspend ?? false,
    podReplacementPolicy: spec.podReplacementPolicy ?? (spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed'),
  } as schema.JobSpec;
}

/** Without a selector of its own, a Job finds its pods by its uid. */
function withOwnSelector(job: schema.Job): schema.Job {
  const { template } = job.spec;
  const added = Object.fromEntries([
    ...UID_LABELS.map((label) => [label, job.metadata.uid]),
    ...NAME_LABELS.map((label) => [label, job.metadata.name]),
  ]) as Record<string, string>;
  const labels = { ...template.metadata?.labels, ...added };
  return {
    ...job,
    spec: {
      ...job.spec,
      selector: {
        ...job.spec.selector,
        matchLabels: { ...job.spec.selector?.matchLabels, [UID_LABELS[0]!]: job.metadata.uid },
      },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}

export function validateJobSpec(spec: schema.JobSpec, at: At<schema.JobSpec>): FieldError[] {
  const errors: FieldError[] = [
    ...isNotNegative(at.parallelism, spec.parallelism),
    ...isNotNegative(at.completions, spec.completions),
    ...isNotNegative(at.activeDeadlineSeconds, spec.activeDeadlineSeconds),
    ...isNotNegative(at.backoffLimit, spec.backoffLimit),
    ...isNotNegative(at.ttlSecondsAfterFinished, spec.ttlSecondsAfterFinished),
    ...isNotNegative(at.backoffLimitPerIndex, spec.backoffLimitPerIndex),
    ...isNotNegative(at.maxFailedIndexes, spec.maxFailedIndexes),
    ...isOneOf(at.completionMode, spec.completionMode, ['NonIndexed', 'Indexed']),
    ...isOneOf(at.podReplacementPolicy, spec.podReplacementPolicy, ['Failed', 'TerminatingOrFailed']),
  ];
  if (spec.completionMode === 'Indexed') {
    if (spec.completions === undefined) errors.push(requiredValue(at.completions, 'when completion mode is Indexed'));
    if (spec.parallelism > MAX_INDEXED_PARALLELISM)
      errors.push(
        invalidValue(
          at.parallelism,
          spec.parallelism,
          `must be less than or equal to ${MAX_INDEXED_PARALLELISM} when completion mode is Indexed`,
        ),
      );
  } else if (spec.backoffLimitPerIndex !== undefined) {
    errors.push(invalidValue(at.backoffLimitPerIndex, spec.backoffLimitPerIndex, 'requires indexed completion mode'));
  }
  errors.push(...validatePodTemplate(spec.template, at.template));
  const { restartPolicy } = spec.template.spec;
  if (restartPolicy === 'Always')
    errors.push(requiredValue(at.template.spec.restartPolicy, 'valid values: "OnFailure", "Never"'));
  else if (restartPolicy !== 'OnFailure' && restartPolicy !== 'Never')
    errors.push(notSupportedValue(at.template.spec.restartPolicy, restartPolicy, ['OnFailure', 'Never']));
  if (spec.podFailurePolicy && restartPolicy !== 'Never')
    errors.push(
      invalidValue(
        at.template.spec.restartPolicy,
        restartPolicy,
        'only "Never" is supported when podFailurePolicy is specified',
      ),
    );
  return errors;
}

const hasCondition = ({ status }: schema.Job, type: string): boolean =>
  status?.conditions?.some((condition) => condition.type === type && condition.status === 'True') ?? false;

function phaseOf(job: schema.Job): string {
  if (hasCondition(job, 'Complete')) return 'Complete';
  if (hasCondition(job, 'Failed')) return 'Failed';
  if (job.metadata.deletionTimestamp) return 'Terminating';
  if (hasCondition(job, 'Suspended')) return 'Suspended';
  if (hasCondition(job, 'FailureTarget')) return 'FailureTarget';
  if (hasCondition(job, 'SuccessCriteriaMet')) return 'SuccessCriteriaMet';
  return 'Running';
}

function completionsOf({ spec, status }: schema.Job): string {
  const done = status?.succeeded ?? 0;
  if (spec.completions !== undefined) return `${done}/${spec.completions}`;
  return spec.parallelism > 1 ? `${done}/1 of ${spec.parallelism}` : `${done}/1`;
}

function durationOf({ status }: schema.Job, nowMs: number): string {
  if (!status?.startTime) return '';
  const end = status.completionTime ? Date.parse(status.completionTime) : nowMs;
  return humanDuration(end - Date.parse(status.startTime));
}
