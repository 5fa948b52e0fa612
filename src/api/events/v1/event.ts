/** Event as `events.k8s.io/v1` has it: other names for the fields of the stored form. Source: API reference, events.k8s.io/v1. */

import { Event as CoreEvent, eventColumns, eventFields } from '#api/core/v1/event.ts';
import { validateEventChange, validateNewEvent } from '#api/core/v1/event-rules.ts';
import type * as schema from '#api/generated/schema.ts';
import { defineKind } from '#api/machinery/define-kind.ts';
import type { Selectable } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';

export type Event = schema.EventsV1Event;

/** The stored form's name of each field that has another one here. */
const STORED_NAMES = {
  reportingController: 'reportingComponent',
  regarding: 'involvedObject',
  note: 'message',
  deprecatedSource: 'source',
  deprecatedFirstTimestamp: 'firstTimestamp',
  deprecatedLastTimestamp: 'lastTimestamp',
  deprecatedCount: 'count',
} as const;

const toStored = new Map<string, string>(Object.entries(STORED_NAMES));
const fromStored = new Map<string, string>(Object.entries(STORED_NAMES).map(([here, stored]) => [stored, here]));

/** Every Event of the scheduler goes through this several times. */
function renamed(event: KubeObject, names: ReadonlyMap<string, string>): Record<string, unknown> {
  const fields = event as unknown as Readonly<Record<string, unknown>>;
  const result: Record<string, unknown> = {};
  for (const name of Object.keys(fields)) result[names.get(name) ?? name] = fields[name];
  return result;
}

function toHub(event: schema.EventsV1Event): schema.Event {
  const stored = renamed(event, toStored);
  stored.apiVersion = 'v1';
  stored.kind = 'Event';
  stored.involvedObject ??= {};
  return stored as unknown as schema.Event;
}

function fromHub(event: KubeObject): schema.EventsV1Event {
  const here = renamed(event, fromStored);
  here.apiVersion = 'events.k8s.io/v1';
  here.kind = 'Event';
  return here as unknown as schema.EventsV1Event;
}

export const Event = defineKind<schema.EventsV1Event>({
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  scope: 'Namespaced',
  shortNames: ['ev'],
  shortLived: true,
  hub: { kind: CoreEvent, toHub, fromHub },
  validate: (event) => validateNewEvent(toHub(event)),
  validateUpdate: ({ next, current }) => validateEventChange({ next: toHub(next), current: toHub(current) }),
  updateHasOwnRules: true,
  columns: eventColumns.map((column) => ({
    ...column,
    cell: (event: schema.EventsV1Event, nowMs: number) => column.cell(toHub(event), nowMs),
  })),
  selectableFields: Object.fromEntries(
    Object.entries(eventFields)
      .filter(([name]) => name !== 'source')
      .map(([name, of]): [string, Selectable<schema.EventsV1Event>] => [
        name.replace('involvedObject', 'regarding').replace('reportingComponent', 'reportingController'),
        (event) => of(toHub(event)),
      ]),
  ),
  allowCreateOnUpdate: true,
});
