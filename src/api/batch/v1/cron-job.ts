/** CronJob: a Job at given times. Source: API reference, batch/v1. */

import { isSpecifiedAs, templateColumns, warningsOfPodNames, warningsOfTemplate } from '#api/core/v1/pod-template.ts';
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn, wideColumn } from '#api/machinery/define-kind.ts';
import { humanSince } from '#api/machinery/duration.ts';
import { type FieldError, invalidValue, notSupportedValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { isNotNegative, mustBeOneOf } from '#api/machinery/field-rules.ts';
import { formatLabelSelector } from '#api/machinery/label-selector.ts';
import { dns1123Subdomain } from '#api/machinery/names.ts';
import { complaintOfSchedule } from './cron-schedule.ts';
import { validateJobSpec, warningsOfJobSpec } from './job/spec-rules.ts';
import { defaultJobSpec } from './job.ts';

export type CronJob = schema.CronJob;

/** A Job's name is the CronJob's with 11 characters of time behind it, and is a label. */
const MAX_NAME = 52;

export const CronJob = defineKind<schema.CronJob>({
  group: 'batch',
  version: 'v1',
  kind: 'CronJob',
  plural: 'cronjobs',
  scope: 'Namespaced',
  shortNames: ['cj'],
  categories: ['all'],
  subresources: ['status'],
  name: (name) =>
    name.length > MAX_NAME
      ? [...dns1123Subdomain(name), `must be no more than ${MAX_NAME} characters`]
      : dns1123Subdomain(name),
  generationOf: ({ spec }) => spec,
  defaults: ({ spec = {}, ...cronJob }) =>
    Object.assign(cronJob, {
      spec: Object.assign({}, spec, {
        concurrencyPolicy: spec.concurrencyPolicy || 'Allow',
        suspend: spec.suspend ?? false,
        jobTemplate: {
          ...spec.jobTemplate,
          metadata: spec.jobTemplate?.metadata ?? {},
          spec: withoutCompletions(defaultJobSpec(spec.jobTemplate?.spec), spec.jobTemplate?.spec),
        },
        successfulJobsHistoryLimit: spec.successfulJobsHistoryLimit ?? 3,
        failedJobsHistoryLimit: spec.failedJobsHistoryLimit ?? 1,
      }),
    }) as schema.CronJob,
  validate: ({ spec }, { spec: at }) => [
    ...validateSchedule(spec.schedule, at),
    ...isNotNegative(at.startingDeadlineSeconds, spec.startingDeadlineSeconds),
    ...validateTimeZone(spec.timeZone, at),
    ...mustBeOneOf(at.concurrencyPolicy, spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace']),
    ...validateTemplate(spec.jobTemplate.spec, at.jobTemplate.spec),
    ...isNotNegative(at.successfulJobsHistoryLimit, spec.successfulJobsHistoryLimit),
    ...isNotNegative(at.failedJobsHistoryLimit, spec.failedJobsHistoryLimit),
  ],
  warnings: (cronJob, current) => {
    if (isSpecifiedAs(cronJob, current)) return [];
    const { spec } = cronJob.spec.jobTemplate;
    return [
      ...(current ? [] : warningsOfPodNames(cronJob)),
      ...warningsOfJobSpec(spec, 'spec.jobTemplate.spec'),
      ...warningsOfTemplate(spec.template, 'spec.jobTemplate.spec.template.spec'),
    ];
  },
  columns: [
    nameColumn(),
    column('Schedule', 'string', ({ spec }) => spec.schedule),
    column('Timezone', 'string', ({ spec }) => spec.timeZone ?? '<none>'),
    column('Suspend', 'boolean', ({ spec }) =>
      String(spec.suspend === true).replace(/^./, (first) => first.toUpperCase()),
    ),
    column('Active', 'integer', ({ status }) => status?.active?.length ?? 0),
    column(
      'Last Schedule',
      'string',
      ({ status }, nowMs) => (status?.lastScheduleTime ? humanSince(status.lastScheduleTime, nowMs) : '<none>'),
      { timeDependent: true },
    ),
    ageColumn(),
    ...templateColumns<schema.CronJob>(({ spec }) => spec.jobTemplate.spec.template),
    wideColumn('Selector', 'string', ({ spec }) => formatLabelSelector(spec.jobTemplate.spec.selector)),
  ],
});

/** A template is no Job yet: upstream defaults only what is in the pod. */
function withoutCompletions(
  defaulted: schema.JobSpec,
  given: schema.Submitted<schema.JobSpec> = {},
): schema.Submitted<schema.JobSpec> {
  const { podFailurePolicy } = defaulted;
  return {
    ...given,
    template: defaulted.template,
    ...(podFailurePolicy && { podFailurePolicy }),
  } as schema.Submitted<schema.JobSpec>;
}

/** The Jobs that will be made get selectors of their own. */
function validateTemplate(spec: schema.JobSpec, at: At<schema.JobSpec>): FieldError[] {
  const errors = validateJobSpec(spec, at);
  if (spec.selector) errors.push(invalidValue(at.selector, spec.selector, '`selector` will be auto-generated'));
  if (spec.manualSelector) errors.push(notSupportedValue(at.manualSelector, spec.manualSelector, ['nil', 'false']));
  return errors;
}

function validateSchedule(schedule: string, at: At<schema.CronJobSpec>): FieldError[] {
  if (!schedule) return [requiredValue(at.schedule)];
  if (schedule.includes('TZ'))
    return [invalidValue(at.schedule, schedule, 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead')];
  const complaint = complaintOfSchedule(schedule);
  return complaint ? [invalidValue(at.schedule, schedule, complaint)] : [];
}

function validateTimeZone(zone: string | undefined, at: At<schema.CronJobSpec>): FieldError[] {
  if (zone === undefined) return [];
  if (zone === '') return [invalidValue(at.timeZone, zone, 'timeZone must be nil or non-empty string')];
  if (zone.toLowerCase() === 'local')
    return [
      invalidValue(
        at.timeZone,
        zone,
        'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones',
      ),
    ];
  return isKnownZone(zone) ? [] : [invalidValue(at.timeZone, zone, `unknown time zone ${zone}`)];
}

/** Offsets such as `+05:30`, which newer engines take for zones, are none. */
function isKnownZone(zone: string): boolean {
  if (!/^[A-Za-z]/.test(zone)) return false;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }) !== undefined;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
