import { expect, test } from 'vitest';
import type { KubeObject } from '#api/machinery/object.ts';
import { refusalsOf } from '#testing/refusals-of.ts';
import { Event } from './event.ts';

const QUALIFIED =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

/** As kube-apiserver of this version answers: with the names of the stored form. */
test.each([
  [
    'events.k8s.io/v1',
    'without a time, with what older clients send',
    {
      regarding: { namespace: 'other' },
      type: 'Odd',
      deprecatedCount: 1,
      deprecatedFirstTimestamp: '2026-01-01T00:00:00Z',
      deprecatedLastTimestamp: '2026-01-01T00:00:00Z',
      deprecatedSource: { component: 'c' },
      series: {},
    },
    [
      'involvedObject.namespace: Invalid value: "other": does not match event.namespace',
      'series.count: Invalid value: "": should be at least 2',
      'series.lastObservedTime: Required value',
      'eventTime: Required value',
      'type: Invalid value: "": has invalid value: Odd',
      'firstTimestamp: Invalid value: "": needs to be unset',
      'lastTimestamp: Invalid value: "": needs to be unset',
      'count: Invalid value: "": needs to be unset',
      'source: Invalid value: "": needs to be unset',
    ],
  ],
  [
    'events.k8s.io/v1',
    'without who reports what',
    { eventTime: '2026-01-01T00:00:00.000000Z', type: 'Normal', regarding: { namespace: 'other' } },
    [
      'reportingController: Required value',
      'reportingController: Invalid value: "": name part must be non-empty',
      `reportingController: Invalid value: "": ${QUALIFIED}`,
      'reportingInstance: Required value',
      'action: Required value',
      'reason: Required value',
    ],
  ],
  [
    'v1',
    'of the new form',
    {
      eventTime: '2026-01-01T00:00:00.000000Z',
      reportingComponent: 'a b',
      reportingInstance: 'x'.repeat(129),
      action: 'a',
      reason: 'r',
      message: 'x'.repeat(1025),
    },
    [
      `reportingComponent: Invalid value: "a b": ${QUALIFIED}`,
      'reportingInstance: Invalid value: "": can have at most 128 characters',
      'message: Invalid value: "": can have at most 1024 characters',
    ],
  ],
  [
    'v1',
    'of another namespace',
    { involvedObject: { namespace: 'other' } },
    ['involvedObject.namespace: Invalid value: "other": does not match event.namespace'],
  ],
])('%s Event %s', (apiVersion, _what, content, refusals) => {
  expect(refusalsOf(apiVersion, 'Event', content)).toEqual(refusals);
});

test('of an Event nothing changes but its series', () => {
  const current = {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { name: 'a', namespace: 'default', uid: '1', resourceVersion: '1' },
    eventTime: '2026-01-01T00:00:00.000000Z',
    reportingController: 'a.b/c',
    reportingInstance: 'i',
    action: 'a',
    reason: 'r',
    type: 'Normal',
    note: 'n',
    regarding: {},
  } as unknown as Event;
  const series = { count: 2, lastObservedTime: '2026-01-01T00:00:01.000000Z' };
  const errors = (change: object) =>
    Event.validateUpdate({ ...current, ...change } as KubeObject as Event, current, '').map(
      ({ field, message }) => `${field}: ${message}`,
    );
  expect(errors({ series })).toEqual([]);
  expect(errors({ note: 'm', series: { ...series, count: 1 } })).toEqual([
    'series.count: Invalid value: "": should be at least 2',
    'message: Invalid value: "m": field is immutable',
  ]);
});
