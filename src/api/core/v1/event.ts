/**
 * Event: something that happened to an object, told to people. One is stored in this form whichever of the two groups it came
 * by (`events.k8s.io/v1` maps to it). Source: API reference, core/v1.
 */
import type * as schema from '#api/generated/schema.ts';
import { column, defineKind, nameColumn, wideColumn } from '#api/machinery/define-kind.ts';
import { humanSince } from '#api/machinery/duration.ts';
import type { Column } from '#api/machinery/kind.ts';
import { pathSegment } from '#api/machinery/names.ts';
import { validateAnyEvent } from './event-rules.ts';

export type Event = schema.Event;

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
  wideColumn('Count', 'string', ({ count, series }) => (series ? (series.count ?? 0) : count || 1)),
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
  anyFinalizer: true,
  scope: 'Namespaced',
  shortNames: ['ev'],
  shortLived: true,
  name: pathSegment,
  defaults: (event) => ({ ...(event as schema.Event), involvedObject: event.involvedObject ?? {} }),
  validate: (event) => validateAnyEvent(event),
  columns: eventColumns,
  selectableFields: eventFields,
  allowCreateOnUpdate: true,
});

function firstTimestamp({ firstTimestamp: first, eventTime }: schema.Event): string | undefined {
  return first ?? eventTime;
}

function firstSeen(event: schema.Event, nowMs: number): string {
  return humanSince(firstTimestamp(event), nowMs);
}

function lastSeen({ series, ...event }: schema.Event, nowMs: number): string {
  return humanSince(series ? series.lastObservedTime : (event.lastTimestamp ?? firstTimestamp(event)), nowMs);
}

function sourceOf({ source, reportingComponent, reportingInstance }: schema.Event): string {
  const component = source?.component || reportingComponent || '';
  const host = source?.host || reportingInstance || '';
  return host ? `${component}, ${host}` : component;
}
