/** Job: pods that run to their end, a given number of times. Source: API reference, batch/v1. */

import {
  defaultPodTemplate,
  isSpecifiedAs,
  templateColumns,
  warningsOfPodNames,
  warningsOfTemplate,
} from '#api/core/v1/pod-template.ts';
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn, wideColumn } from '#api/machinery/define-kind.ts';
import { humanDuration } from '#api/machinery/duration.ts';
import { type FieldError, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import { type At, keyed } from '#api/machinery/field-path.ts';
import {
  formatLabelSelector,
  matchesLabels,
  selectorFrom,
  validateLabelSelector,
} from '#api/machinery/label-selector.ts';
import { dns1123Label } from '#api/machinery/names.ts';
import { withMeta, withParts } from '#api/machinery/object.ts';
import { isTrue } from './job/conditions.ts';
import { validateJobSpec, warningsOfJobSpec } from './job/spec-rules.ts';
import { validateJobStatusUpdate } from './job/status-rules.ts';
import { validateJobUpdate } from './job/update-rules.ts';

export type Job = schema.Job;

/** The label by which a Job knows its pods, and its form without the prefix that came before v1.27. */
const UID_LABELS = ['batch.kubernetes.io/controller-uid', 'controller-uid'];
const NAME_LABELS = ['batch.kubernetes.io/job-name', 'job-name'];
const OWN_LABELS_IN_ORDER = [UID_LABELS[1]!, NAME_LABELS[1]!, UID_LABELS[0]!, NAME_LABELS[0]!];

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
  defaults: (job) => {
    const spec = { manualSelector: false, ...defaultJobSpec(job.spec) };
    const isStored = spec.template.metadata?.labels?.[UID_LABELS[0]!] !== undefined;
    const defaulted = { ...(job as schema.Job), spec };
    return isStored ? withLabelsOfTemplate(defaulted) : defaulted;
  },
  prepareForCreate: (job) => withLabelsOfTemplate(job.spec.manualSelector ? job : withOwnSelector(job)),
  validate: (job, at) => [
    ...validateOwnLabels(job, at),
    ...validateJobSpec(job.spec, at.spec),
    ...validateSelector(job, at.spec),
    ...validateHostNames(job, at),
  ],
  validateUpdate: validateJobUpdate,
  validateStatusUpdate: validateJobStatusUpdate,
  warnings: (job, current) =>
    isSpecifiedAs(job, current)
      ? []
      : [
          ...(current ? [] : warningsOfPodNames(job)),
          ...warningsOfJobSpec(job.spec, 'spec'),
          ...warningsOfTemplate(job.spec.template),
        ],
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
  unselectableField: (field) => `field label ${JSON.stringify(field)} not supported for Job`,
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
    ...(spec.podFailurePolicy && { podFailurePolicy: defaultFailurePolicy(spec.podFailurePolicy) }),
    podReplacementPolicy: spec.podReplacementPolicy ?? (spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed'),
  } as schema.JobSpec;
}

const defaultFailurePolicy = ({ rules = [] }: schema.Submitted<schema.PodFailurePolicy>) => ({
  rules: rules.map((rule) => ({
    ...rule,
    ...(rule.onPodConditions && {
      onPodConditions: rule.onPodConditions.map((pattern) => ({ ...pattern, status: pattern.status || 'True' })),
    }),
  })),
});

/** Without a selector of its own, a Job finds its pods by its uid. Labels that the user gave stay, and are judged later. */
function withOwnSelector(job: schema.Job): schema.Job {
  const { template, selector } = job.spec;
  const labels = { ...ownLabelsOf(job), ...template.metadata?.labels };
  const matchLabels = { [UID_LABELS[0]!]: job.metadata.uid, ...selector?.matchLabels };
  return withParts(job, {
    spec: Object.assign({}, job.spec, {
      selector: Object.assign({}, selector, { matchLabels }),
      template: Object.assign({}, template, { metadata: Object.assign({}, template.metadata, { labels }) }),
    }),
  });
}

/** A Job without labels has those of its pods, the ones that the server adds included. */
function withLabelsOfTemplate(job: schema.Job): schema.Job {
  const { labels } = job.spec.template.metadata ?? {};
  if (!labels || Object.keys(job.metadata.labels ?? {}).length > 0) return job;
  return withParts(job, { metadata: withMeta(job.metadata, { labels: labels as Record<string, string> }) });
}

const ownLabelsOf = ({ metadata }: schema.Job): Record<string, string> =>
  Object.fromEntries([
    ...UID_LABELS.map((label) => [label, metadata.uid]),
    ...NAME_LABELS.map((label) => [label, metadata.name]),
  ]);

/** So that no two Jobs take each other's pods. */
function validateOwnLabels(job: schema.Job, at: At<schema.Job>): FieldError[] {
  const { selector, manualSelector, template } = job.spec;
  if (manualSelector || !selector) return [];
  const own = ownLabelsOf(job);
  const errors = OWN_LABELS_IN_ORDER.flatMap((label) => hasLabel(template.metadata, label, own[label]!, at));
  return validateLabelSelector(selector, at.spec.selector).length > 0 || matchesLabels(selectorFrom(selector), own)
    ? errors
    : [...errors, invalidValue(at.spec.selector, selector, '`selector` not auto-generated')];
}

function hasLabel(
  metadata: schema.PodTemplateSpec['metadata'],
  label: string,
  value: string,
  at: At<schema.Job>,
): FieldError[] {
  const here = at.spec.template.metadata.labels;
  const found = metadata?.labels?.[label];
  if (found === undefined) return [requiredValue(keyed(here, label), `must be '${value}'`)];
  return found === value ? [] : [invalidValue(keyed(here, label), metadata?.labels, `must be '${value}'`)];
}

function validateSelector({ spec }: schema.Job, at: At<schema.JobSpec>): FieldError[] {
  const { selector, template } = spec;
  const errors = selector ? validateLabelSelector(selector, at.selector) : [requiredValue(at.selector)];
  if (selector && (errors.length > 0 || matchesLabels(selectorFrom(selector), template.metadata?.labels)))
    return errors;
  const text = '`selector` does not match template `labels`';
  return [...errors, invalidValue(at.template.metadata.labels, template.metadata?.labels ?? {}, text)];
}

/** The pods of an indexed Job have their index behind its name. */
function validateHostNames({ metadata: { name = '' }, spec }: schema.Job, at: At<schema.Job>): FieldError[] {
  if (spec.completionMode !== 'Indexed' || !spec.completions || spec.completions < 0) return [];
  const last = `${name}-${spec.completions - 1}`;
  const text = `will not able to create pod with invalid DNS label: ${last}`;
  return dns1123Label(last).length > 0 ? [invalidValue(at.metadata.name, name, text)] : [];
}

function phaseOf(job: schema.Job): string {
  if (isTrue(job, 'Complete')) return 'Complete';
  if (isTrue(job, 'Failed')) return 'Failed';
  if (job.metadata.deletionTimestamp) return 'Terminating';
  if (isTrue(job, 'Suspended')) return 'Suspended';
  if (isTrue(job, 'FailureTarget')) return 'FailureTarget';
  if (isTrue(job, 'SuccessCriteriaMet')) return 'SuccessCriteriaMet';
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
