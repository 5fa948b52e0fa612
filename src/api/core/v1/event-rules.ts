/**
 * What an Event may say: little by `v1`, where clients of all ages write them, and more by `events.k8s.io/v1`. Both say it
 * with the names of the stored form, as upstream does. Source: KEP-383; texts as kube-apiserver has them.
 */
import type { Event } from '#api/generated/schema.ts';
import type { Change } from '#api/machinery/define-kind.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { type FieldError, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import { type At, type Path, root } from '#api/machinery/field-path.ts';
import { follows, isImmutable } from '#api/machinery/field-rules.ts';
import { dns1123Subdomain, qualifiedName } from '#api/machinery/names.ts';
import { byteLength } from '#api/machinery/object-meta.ts';

const MAX_REASON = 128;
const MAX_ACTION = 128;
const MAX_INSTANCE = 128;
const MAX_MESSAGE = 1024;
const ELSEWHERE = 'does not match event.namespace';

const at = root<Event>();
const NAMESPACE = root<string>('namespace');
const REPORTERS = {
  reportingComponent: root<string>('reportingComponent'),
  reportingController: root<string>('reportingController'),
};

/** `reporter`: the name of the field of who reports, the only one that differs. */
export function validateAnyEvent(
  event: Event,
  reporter: 'reportingComponent' | 'reportingController' = 'reportingComponent',
): FieldError[] {
  const { namespace = '' } = event.metadata;
  return [
    ...(event.eventTime ? validateReported(event, REPORTERS[reporter]) : validateOld(event, namespace)),
    ...follows(NAMESPACE, namespace, dns1123Subdomain),
  ];
}

function validateOld({ involvedObject: { namespace: about = '' } }: Event, namespace: string): FieldError[] {
  const fits = about === '' ? namespace === '' || namespace === 'default' : about === namespace;
  return fits ? [] : [invalidValue(at.involvedObject.namespace, about, ELSEWHERE)];
}

/** An event with an eventTime is of the new form, whichever group it came by. */
function validateReported(event: Event, reporter: Path): FieldError[] {
  const { reportingComponent = '', reportingInstance = '', action = '', reason = '', message = '' } = event;
  const about = event.involvedObject.namespace ?? '';
  const isAnywhere = about === '' && !['default', 'kube-system'].includes(event.metadata.namespace ?? '');
  return [
    ...(isAnywhere ? [invalidValue(at.involvedObject.namespace, about, ELSEWHERE)] : []),
    ...(reportingComponent ? [] : [requiredValue(reporter)]),
    ...follows(reporter, reportingComponent, qualifiedName),
    ...isRequiredUpTo(at.reportingInstance, reportingInstance, MAX_INSTANCE),
    ...isRequiredUpTo(at.action, action, MAX_ACTION),
    ...isRequiredUpTo(at.reason, reason, MAX_REASON),
    ...isUpTo(at.message, message, MAX_MESSAGE),
  ];
}

const isUpTo = (here: Path, value: string, max: number): FieldError[] =>
  byteLength(value) > max ? [invalidValue(here, '', `can have at most ${max} characters`)] : [];

const isRequiredUpTo = (here: Path, value: string, max: number): FieldError[] => [
  ...(value ? [] : [requiredValue(here)]),
  ...isUpTo(here, value, max),
];

const OLD_FIELDS = ['firstTimestamp', 'lastTimestamp', 'count'] as const;

/** Created by `events.k8s.io/v1`: nothing of what the old form has. */
export function validateNewEvent(event: Event): FieldError[] {
  const { type = '', eventTime, source = {} } = event;
  const isUnset = 'needs to be unset';
  return [
    ...validateAnyEvent(event, 'reportingController'),
    ...validateSeries(event),
    ...(eventTime ? [] : [requiredValue(at.eventTime)]),
    ...(type === 'Normal' || type === 'Warning' ? [] : [invalidValue(at.type, '', `has invalid value: ${type}`)]),
    ...OLD_FIELDS.flatMap((field) => (event[field] ? [invalidValue(at[field], '', isUnset)] : [])),
    ...(source.component || source.host ? [invalidValue(at.source, '', isUnset)] : []),
  ];
}

function validateSeries({ series }: Event): FieldError[] {
  if (!series) return [];
  return [
    ...((series.count ?? 0) < 2 ? [invalidValue(at.series.count, '', 'should be at least 2')] : []),
    ...(series.lastObservedTime ? [] : [requiredValue(at.series.lastObservedTime)]),
  ];
}

/** Changed by `events.k8s.io/v1`: its series alone. */
export function validateEventChange({ next, current }: Pick<Change<Event>, 'next' | 'current'>): FieldError[] {
  const keeps = (field: keyof Event, absent: unknown = '') =>
    isImmutable((at as unknown as At<Record<string, string>>)[field]!, next[field] ?? absent, current[field] ?? absent);
  const reporter = REPORTERS.reportingController;
  return [
    ...validateAnyEvent(next, 'reportingController'),
    ...(isEqual(next.series, current.series) ? [] : validateSeries(next)),
    ...keeps('involvedObject', {}),
    ...keeps('reason'),
    ...keeps('message'),
    ...keeps('source', {}),
    ...keeps('firstTimestamp', null),
    ...keeps('lastTimestamp', null),
    ...keeps('count', 0),
    ...keeps('reason'),
    ...keeps('type'),
    ...keeps('eventTime', null),
    ...keeps('action'),
    ...keeps('related', null),
    ...isImmutable(reporter, next.reportingComponent ?? '', current.reportingComponent ?? ''),
    ...keeps('reportingInstance'),
  ];
}
