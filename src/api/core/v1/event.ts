/**
 * Event: something that happened to an object, told to people. One is stored in this form whichever of the two groups it came
 * by (`events.k8s.io/v1` maps to it). Source: API reference, core/v1.
 */
import type * as schema from '#api/generated/schema.ts';
import { column, defineKind, nameColumn, wideColumn } from '#api/machinery/define-kind.ts';
import { humanSince } from '#api/machinery/duration.ts';
import { type FieldError, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows, isImmutable } from '#api/machinery/field-rules.ts';
import type { Column } from '#api/machinery/kind.ts';
import { dns1123Subdomain, pathSegment, qualifiedName } from '#api/machinery/names.ts';

export type Event = schema.Event;

const MAX_REASON = 128;
const MAX_ACTION = 128;
const MAX_INSTANCE = 128;

/** Upstream's, for both groups. */
export const eventColumns: readonly Column<schema.Event>[] = [
  column('Last Seen', 'string', lastSeen, { timeDependent: true }),
  column('Type', 'string', ({ type }) => type ?? ''),
  column('Reason', 'string', ({ reason }) => reason ?? ''),
  column('Object', 'string', ({ involvedObject: { kind = '', name = '' } }) =>
    name ? `${kind.toLowerCase()}/${name}` : kind.toLowerCase(),
  ),
  wideColumn('Subobject', 'string', ({ involvedObject }) => involvedObject.fieldPath ?? ''),
  wideColumn('Source', 'string', sourceOf),
  column('Message', 'string', ({ message }) => (message ?? '').trim()),
  column('First Seen', 'string', firstSeen, { priority: 1, timeDependent: true }),
  wideColumn('Count', 'string', ({ count, series }) => series?.count ?? (count || 1)),
  { ...nameColumn<schema.Event>(), priority: 1 },
];

/** By which clients may select; `source` is whoever reported it. */
export const eventFields = {
  'involvedObject.kind': ({ involvedObject }: schema.Event) => involvedObject.kind ?? '',
  'involvedObject.namespace': ({ involvedObject }: schema.Event) => involvedObject.namespace ?? '',
  'involvedObject.name': ({ involvedObject }: schema.Event) => involvedObject.name ?? '',
  'involvedObject.uid': ({ involvedObject }: schema.Event) => involvedObject.uid ?? '',
  'involvedObject.apiVersion': ({ involvedObject }: schema.Event) => involvedObject.apiVersion ?? '',
  'involvedObject.resourceVersion': ({ involvedObject }: schema.Event) => involvedObject.resourceVersion ?? '',
  'involvedObject.fieldPath': ({ involvedObject }: schema.Event) => involvedObject.fieldPath ?? '',
  reason: ({ reason }: schema.Event) => reason ?? '',
  reportingComponent: ({ reportingComponent }: schema.Event) => reportingComponent ?? '',
  source: ({ source, reportingComponent }: schema.Event) => source?.component || (reportingComponent ?? ''),
  type: ({ type }: schema.Event) => type ?? '',
};

export const Event = defineKind<schema.Event>({
  group: '',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  scope: 'Namespaced',
  shortNames: ['ev'],
  shortLived: true,
  name: pathSegment,
  defaults: (event) => ({ ...(event as schema.Event), involvedObject: event.involvedObject ?? {} }),
  validate: (event, at) => [...validateNamespace(event, at), ...(event.eventTime ? validateNewStyle(event, at) : [])],
  validateUpdate: ({ next, current, at }) =>
    current.eventTime
      ? [
          ...isImmutable(at.involvedObject, next.involvedObject, current.involvedObject),
          ...isImmutable(at.reason, next.reason, current.reason),
          ...isImmutable(at.message, next.message, current.message),
          ...isImmutable(at.type, next.type, current.type),
          ...isImmutable(at.eventTime, next.eventTime, current.eventTime),
          ...isImmutable(at.action, next.action, current.action),
          ...isImmutable(at.related, next.related, current.related),
          ...isImmutable(at.reportingComponent, next.reportingComponent, current.reportingComponent),
          ...isImmutable(at.reportingInstance, next.reportingInstance, current.reportingInstance),
        ]
      : [],
  columns: eventColumns,
  selectableFields: eventFields,
  allowCreateOnUpdate: true,
});

function validateNamespace({ metadata, involvedObject }: schema.Event, at: At<schema.Event>): FieldError[] {
  const about = involvedObject.namespace ?? '';
  const fits =
    about === ''
      ? metadata.namespace === 'default' || metadata.namespace === 'kube-system'
      : about === metadata.namespace;
  return fits ? [] : [invalidValue(at.involvedObject.namespace, about, 'does not match event.namespace')];
}

/** An event with an eventTime is of the new form, whichever group it came by. */
function validateNewStyle(event: schema.Event, at: At<schema.Event>): FieldError[] {
  const { reportingComponent = '', reportingInstance = '', action = '', reason = '', type = '' } = event;
  const bounded = (path: At<string>, value: string, max: number) =>
    value === ''
      ? [requiredValue(path)]
      : value.length > max
        ? [invalidValue(path, '', `can have at most ${max} characters`)]
        : [];
  return [
    ...(reportingComponent
      ? follows(at.reportingComponent, reportingComponent, qualifiedName)
      : [requiredValue(at.reportingComponent)]),
    ...bounded(at.reportingInstance, reportingInstance, MAX_INSTANCE),
    ...bounded(at.action, action, MAX_ACTION),
    ...bounded(at.reason, reason, MAX_REASON),
    ...(type === 'Normal' || type === 'Warning'
      ? []
      : [invalidValue(at.type, type, 'has invalid value: '.concat(type))]),
    ...(event.metadata.namespace ? follows(at.metadata.namespace, event.metadata.namespace, dns1123Subdomain) : []),
  ];
}

function firstTimestamp({ firstTimestamp: first, eventTime }: schema.Event): string | undefined {
  return first ?? eventTime;
}

function firstSeen(event: schema.Event, nowMs: number): string {
  return humanSince(firstTimestamp(event), nowMs);
}

/** `5s`, or for an event that came again `5s (x3 over 10m)`. */
function lastSeen(event: schema.Event, nowMs: number): string {
  const { series, lastTimestamp, count = 0 } = event;
  const last = series ? series.lastObservedTime : (lastTimestamp ?? firstTimestamp(event));
  const times = series ? (series.count ?? 0) : count;
  const since = humanSince(last, nowMs);
  return times > 1 ? `${since} (x${times} over ${firstSeen(event, nowMs)})` : since;
}

function sourceOf({ source, reportingComponent, reportingInstance }: schema.Event): string {
  const component = source?.component || reportingComponent || '';
  const host = source?.host || reportingInstance || '';
  return host ? `${component}, ${host}` : component;
}
