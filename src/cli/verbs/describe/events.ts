/** The events of an object, at the end of its description. */
import type { Event } from '#api/generated/schema.ts';
import { humanSince } from '#api/machinery/duration.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { millisOf } from '#api/machinery/timestamp.ts';
import { pathOf } from '../served-resources.ts';
import type { VerbCall } from '../verb.ts';
import type { DescribeContext } from './describer.ts';
import type { Report } from './report.ts';

/** Asks for the events that name the object. */
export const eventsOf =
  ({ cluster }: VerbCall) =>
  async (
    object: KubeObject,
    { kind = object.kind, uid = object.metadata.uid }: { kind?: string; uid?: string } = {},
  ): Promise<Event[]> => {
    const { name, namespace } = object.metadata;
    const fields = [
      ['involvedObject.name', name],
      ['involvedObject.namespace', namespace],
      ['involvedObject.kind', kind],
      ['involvedObject.uid', uid],
    ];
    const fieldSelector = fields.flatMap(([field, value]) => (value ? [`${field}=${value}`] : [])).join(',');
    const events = (await cluster.resources()).named('events.v1.');
    const path = pathOf(events, { namespace, query: { fieldSelector, limit: 500 } });
    return (await cluster.get<{ items: Event[] }>(path)).items;
  };

export async function describeEvents(report: Report, object: KubeObject, context: DescribeContext): Promise<void> {
  if (context.events) printEvents(report, await context.events(object), context.nowMs);
}

export function printEvents(report: Report, events: readonly Event[], nowMs: number): void {
  if (events.length === 0) {
    report.line(0, 'Events:\t<none>');
    return;
  }
  report.break();
  report.table(
    'Events',
    ['Type', 'Reason', 'Age', 'From', 'Message'],
    [...events].sort((a, b) => lastMs(a) - lastMs(b)).map((event) => rowOf(event, nowMs)),
    ['----', '------', '----', '----', '-------'],
  );
}

/** As kubectl has it: those of the new form, which have no such time, come first. */
const lastMs = ({ lastTimestamp }: Event): number => millisOf(lastTimestamp) ?? 0;

function rowOf(event: Event, nowMs: number): string[] {
  const { type = '', reason = '', source, reportingComponent = '', message = '', involvedObject } = event;
  const at = involvedObject.fieldPath ? `${involvedObject.fieldPath}: ` : '';
  return [type, reason, ageOf(event, nowMs), source?.component || reportingComponent, at + message.trim()];
}

function ageOf({ series, count = 0, eventTime, firstTimestamp, lastTimestamp }: Event, nowMs: number): string {
  const first = humanSince(eventTime ?? firstTimestamp, nowMs);
  if (series) return `${humanSince(series.lastObservedTime, nowMs)} (x${series.count} over ${first})`;
  return count > 1 ? `${humanSince(lastTimestamp, nowMs)} (x${count} over ${first})` : first;
}
