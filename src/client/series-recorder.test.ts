import { expect, test } from 'vitest';
import type { EventsV1Event } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { notFound } from '#api/machinery/status.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { Client } from './client.ts';
import { type Occurrence, SeriesRecorder } from './series-recorder.ts';
import type { ApiRequest, Transport } from './transport.ts';
import { Unreachable } from './transport.ts';

const MINUTE_MS = 60_000;
const turn = () => new Promise((resolve) => setImmediate(resolve));

function recorder() {
  const clock = new ManualClock();
  const stored = new Map<string, EventsV1Event>();
  const requests: ApiRequest[] = [];
  const failing: Error[] = [];
  const held: (() => void)[] = [];
  let isHeld = false;
  const stopping = new AbortController();
  const transport = {
    async request(request: ApiRequest) {
      const failure = failing.shift();
      if (failure) throw failure;
      requests.push(request);
      if (isHeld) await new Promise<void>((resolve) => held.push(resolve));
      const body = request.object as EventsV1Event;
      const name = request.method === 'POST' ? body.metadata.name : (request.path.split('/').at(-1) ?? '');
      const known = stored.get(name);
      if (request.method === 'PATCH' && !known) throw notFound({ group: 'events.k8s.io', plural: 'events' }, name);
      stored.set(name, { ...known, ...body });
      return { code: 200, object: stored.get(name), warnings: [] };
    },
  } as unknown as Transport;
  const { signal } = stopping;
  const events = new SeriesRecorder({
    client: new Client(transport),
    clock,
    random: { next: () => 0.5 },
    hostname: 'machine',
    log: silentLog,
    signal,
  });
  const passes = async (minutes: number) => {
    for (let passed = 0; passed < minutes; passed++) {
      clock.advance(MINUTE_MS);
      await turn();
    }
  };
  /** `POST`, `PATCH 3`. */
  const written = () =>
    requests.map(({ method, object }) => {
      const { series } = object as EventsV1Event;
      return series ? `${method} ${series.count}` : method;
    });
  /** From now on the server answers so many more requests, each time that it is told. */
  const hold = () => {
    isHeld = true;
    return (count: number) => {
      for (const answer of held.splice(0, count)) answer();
    };
  };
  return { clock, events, stored, requests, failing, passes, written, hold, stop: () => stopping.abort() };
}

const objectOf = (kind: string, name: string, of: object = {}) => ({
  apiVersion: 'v1',
  kind,
  metadata: { name, namespace: 'shop', uid: `uid-${name}`, resourceVersion: '7', creationTimestamp: '', ...of },
});

const FAILED: Occurrence = {
  reportingController: 'default-scheduler',
  regarding: objectOf('Pod', 'web'),
  type: 'Warning',
  reason: 'FailedScheduling',
  action: 'Scheduling',
  note: 'no nodes available to schedule pods',
};

test('an Event of the new form says who does what with what, when', async () => {
  const { events, requests } = recorder();
  events.record({ ...FAILED, related: objectOf('Pod', 'other') });
  await turn();
  expect(requests.map(({ path }) => path)).toEqual(['/apis/events.k8s.io/v1/namespaces/shop/events']);
  expect(requests[0]?.object).toEqual({
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { name: expect.stringMatching(/^web\.[0-9a-f]{16}$/), namespace: 'shop' },
    eventTime: '2026-01-01T00:00:00.000000Z',
    reportingController: 'default-scheduler',
    reportingInstance: 'default-scheduler-machine',
    action: 'Scheduling',
    reason: 'FailedScheduling',
    regarding: {
      kind: 'Pod',
      apiVersion: 'v1',
      name: 'web',
      namespace: 'shop',
      uid: 'uid-web',
      resourceVersion: '7',
    },
    related: {
      kind: 'Pod',
      apiVersion: 'v1',
      name: 'other',
      namespace: 'shop',
      uid: 'uid-other',
      resourceVersion: '7',
    },
    note: 'no nodes available to schedule pods',
    type: 'Warning',
  });
});

test('about what is in no namespace it is in the default one; a name that would be none of an Event is a UUID', async () => {
  const { events, requests } = recorder();
  const { namespace: _none, ...metadata } = objectOf('Node', 'x').metadata;
  events.record({ ...FAILED, regarding: { apiVersion: 'v1', kind: 'Node', metadata } });
  events.record({ ...FAILED, regarding: objectOf('Pod', 'a'.repeat(250)) });
  await turn();
  const [first, second] = requests.map(({ object }) => (object as EventsV1Event).metadata);
  expect(first?.namespace).toBe('default');
  expect(second?.name).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
});

test.each<[what: string, change: Partial<Occurrence>, isTheSame: boolean]>([
  ['another note', { note: 'another' }, true],
  ['another type', { type: 'Normal' }, false],
  ['another reason', { reason: 'Other' }, false],
  ['another action', { action: 'Binding' }, false],
  ['another component', { reportingController: 'picky' }, false],
  ['another object', { regarding: objectOf('Pod', 'api') }, false],
  ['the same object, changed meanwhile', { regarding: objectOf('Pod', 'web', { resourceVersion: '8' }) }, false],
  ['a second object', { related: objectOf('Pod', 'other') }, false],
])('with %s: begins or goes on', async (_what, change, isTheSame) => {
  const { events, written, stored } = recorder();
  events.record(FAILED);
  events.record({ ...FAILED, ...change });
  await turn();
  expect(written()).toEqual(isTheSame ? ['POST', 'PATCH 2'] : ['POST', 'POST']);
  if (isTheSame) expect([...stored.values()].map(({ note }) => note)).toEqual([FAILED.note]);
});

/** After so many minutes from the beginning the same happens; what has been written at the end. */
test.each<[what: string, at: readonly number[], until: number, writes: readonly string[]]>([
  ['once', [0], 40, ['POST']],
  ['the second time makes a series', [0, 1], 1, ['POST', 'PATCH 2']],
  ['further times are only counted', [0, 1, 2, 3], 5, ['POST', 'PATCH 2']],
  ['the count is written when nothing came for six minutes', [0, 1, 2, 3], 12, ['POST', 'PATCH 2', 'PATCH 4']],
  ['a series that is over is written once', [0, 1], 60, ['POST', 'PATCH 2', 'PATCH 2']],
  [
    'a series that goes on is written every half an hour',
    Array.from({ length: 13 }, (_, i) => i * 5),
    61,
    ['POST', 'PATCH 2', 'PATCH 6', 'PATCH 12'],
  ],
  ['what is no series is forgotten after six minutes', [0, 13], 14, ['POST', 'POST']],
  ['after a series another Event begins', [0, 1, 20], 21, ['POST', 'PATCH 2', 'PATCH 2', 'POST']],
])('%s', async (_what, at, until, writes) => {
  const { events, written, passes } = recorder();
  for (let minute = 0; minute <= until; minute++) {
    if (at.includes(minute)) events.record(FAILED);
    await turn();
    if (minute < until) await passes(1);
  }
  expect(written()).toEqual(writes);
  expect(events.pending).toBe(0);
});

test('a series says when it was last observed', async () => {
  const { events, stored, passes } = recorder();
  events.record(FAILED);
  for (let times = 0; times < 2; times++) {
    await passes(1);
    events.record(FAILED);
  }
  await passes(10);
  expect([...stored.values()].map(({ eventTime, series }) => ({ eventTime, series }))).toEqual([
    {
      eventTime: '2026-01-01T00:00:00.000000Z',
      series: { count: 3, lastObservedTime: '2026-01-01T00:02:00.000000Z' },
    },
  ]);
});

test('a series whose Event is gone is written as a new one', async () => {
  const { events, stored, written } = recorder();
  events.record(FAILED);
  await turn();
  const [first] = stored.values();
  stored.clear();
  events.record(FAILED);
  await turn();
  expect(written()).toEqual(['POST', 'PATCH 2', 'POST 2']);
  const [again] = stored.values();
  expect(isEqual({ ...again, series: undefined }, { ...first, series: undefined })).toBe(true);
});

test('while the server cannot be reached it is tried again, in order; nobody waits for it', async () => {
  const { events, failing, written, clock } = recorder();
  failing.push(new Unreachable('refused'), new Unreachable('refused'));
  events.record(FAILED);
  events.record(FAILED);
  await turn();
  expect(events.pending).toBe(2);
  for (let times = 0; times < 2; times++) {
    clock.advance(11_249); // up to a quarter more than ten seconds
    await turn();
    expect(written()).toEqual([]);
    clock.advance(1);
    await turn();
  }
  expect(written()).toEqual(['POST', 'PATCH 2']);
  expect(events.pending).toBe(0);
});

test('the last count of a series waits for a server that can be reached', async () => {
  const { events, failing, written, passes } = recorder();
  for (let times = 0; times < 3; times++) events.record(FAILED);
  await turn();
  failing.push(new Unreachable('refused'));
  await passes(12);
  expect(written()).toEqual(['POST', 'PATCH 2']);
  await passes(6);
  expect(written()).toEqual(['POST', 'PATCH 2', 'PATCH 3']);
});

test('what the server refuses is dropped', async () => {
  const { events, stored, failing } = recorder();
  failing.push(notFound({ group: '', plural: 'namespaces' }, 'shop'));
  events.record(FAILED);
  await turn();
  expect([...stored.keys()]).toEqual([]);
  expect(events.pending).toBe(0);
});

test.each([
  ['that fits is left', 'x'.repeat(1024), 'x'.repeat(1024)],
  ['that is too long is cut off', 'x'.repeat(1025), `${'x'.repeat(1020)} ...`],
  ['is measured in bytes', 'ü'.repeat(513), `${'ü'.repeat(510)} ...`],
])('a note %s', async (_what, note, expected) => {
  const { events, stored } = recorder();
  events.record({ ...FAILED, note });
  await turn();
  expect([...stored.values()].map((event) => event.note)).toEqual([expected]);
});

test('of very many, those that began first are forgotten, their count written', async () => {
  const { events, written, requests } = recorder();
  for (let times = 0; times < 3; times++) events.record(FAILED);
  for (let i = 0; i < 4096; i++) {
    events.record({ ...FAILED, regarding: objectOf('Pod', `pod-${i}`) });
    if (i % 500 === 0) await turn();
  }
  await turn();
  expect(written().filter((write) => write.startsWith('PATCH'))).toEqual(['PATCH 2', 'PATCH 3']);
  const before = requests.length;
  events.record(FAILED);
  await turn();
  expect(written().slice(before)).toEqual(['POST']);
});

test('once it is stopped no timer is left', () => {
  const { clock, stop } = recorder();
  expect(clock.nextDueMs).toBeDefined();
  stop();
  expect(clock.nextDueMs).toBeUndefined();
});

test('of many Events a few are written at a time, beside what they tell of; none is late for longer than ten seconds', async () => {
  const { clock, events, requests, hold } = recorder();
  const answer = hold();
  for (let number = 1; number <= 10; number++)
    events.record({ ...FAILED, regarding: objectOf('Pod', `web-${number}`) });
  await turn();
  expect(requests).toHaveLength(4);
  answer(2);
  await turn();
  expect(requests).toHaveLength(6);
  expect(events.pending).toBe(8);
  clock.advance(9_999);
  await turn();
  expect(requests).toHaveLength(6);
  clock.advance(1);
  await turn();
  expect(requests.map(({ object }) => (object as EventsV1Event).regarding?.name)).toEqual(
    Array.from({ length: 10 }, (_, index) => `web-${index + 1}`),
  );
});

test('once it is stopped, Events that wait are neither written nor waited for', async () => {
  const { clock, events, requests, hold, stop } = recorder();
  const answer = hold();
  for (let number = 1; number <= 10; number++)
    events.record({ ...FAILED, regarding: objectOf('Pod', `web-${number}`) });
  await turn();
  stop();
  await turn();
  expect(events.pending).toBe(4); // those that the server has
  expect(clock.nextDueMs).toBeUndefined();
  answer(4);
  await turn();
  expect(events.pending).toBe(0);
  expect(requests).toHaveLength(4);
});

test('once it is stopped, nobody waits to try again', async () => {
  const { clock, events, failing, stop } = recorder();
  failing.push(new Unreachable('refused'));
  events.record(FAILED);
  await turn();
  expect(events.pending).toBe(1);
  stop();
  await turn();
  expect(events.pending).toBe(0);
  expect(clock.nextDueMs).toBeUndefined();
});
