import { expect, test } from 'vitest';
import type { Event } from '#api/core/v1/event.ts';
import { notFound } from '#api/machinery/status.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { Client } from './client.ts';
import { EventRecorder } from './event-recorder.ts';
import type { ApiRequest, Transport } from './transport.ts';
import { Unreachable } from './transport.ts';

const half = { next: () => 0.5 };
const turn = () => new Promise((resolve) => setImmediate(resolve));

function recorder() {
  const clock = new ManualClock();
  const stored = new Map<string, Event>();
  const requests: ApiRequest[] = [];
  const failing: Error[] = [];
  const transport = {
    async request(request: ApiRequest) {
      const failure = failing.shift();
      if (failure) throw failure;
      requests.push(request);
      const body = request.object as Event;
      const name = request.method === 'POST' ? body.metadata.name : (request.path.split('/').at(-1) ?? '');
      const known = stored.get(name);
      if (request.method === 'PATCH' && !known) throw notFound({ group: '', plural: 'events' }, name);
      stored.set(name, { ...known, ...body });
      return { code: 200, object: stored.get(name), warnings: [] };
    },
  } as unknown as Transport;
  const events = new EventRecorder({ client: new Client(transport), clock, random: half, component: 'tester' });
  return {
    clock,
    events,
    stored,
    requests,
    failing,
    all: () => [...stored.values()].map(({ message, count }) => [message, count]),
  };
}

const about = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'shop', uid: 'u1', resourceVersion: '7', creationTimestamp: '' },
};

test('an Event says who speaks, about what, when, and is called after its object', async () => {
  const { events, requests } = recorder();
  events.warning(about, 'Failed', 'it failed');
  await turn();
  expect(requests[0]?.path).toBe('/api/v1/namespaces/shop/events');
  expect(requests[0]?.object).toMatchObject({
    metadata: { name: expect.stringMatching(/^web\.[0-9a-f]{16}$/), namespace: 'shop' },
    involvedObject: { kind: 'Pod', apiVersion: 'v1', name: 'web', namespace: 'shop', uid: 'u1', resourceVersion: '7' },
    type: 'Warning',
    reason: 'Failed',
    message: 'it failed',
    count: 1,
    firstTimestamp: '2026-01-01T00:00:00Z',
    lastTimestamp: '2026-01-01T00:00:00Z',
    source: { component: 'tester' },
    reportingComponent: 'tester',
  });
});

test('the same again becomes a count, under the first name', async () => {
  const { events, all, clock, stored } = recorder();
  events.normal(about, 'Pulled', 'pulled');
  clock.advance(5_000);
  events.normal(about, 'Pulled', 'pulled');
  events.normal(about, 'Pulled', 'pulled');
  await turn();
  expect(all()).toEqual([['pulled', 3]]);
  expect([...stored.values()][0]).toMatchObject({
    firstTimestamp: '2026-01-01T00:00:00Z',
    lastTimestamp: '2026-01-01T00:00:05Z',
  });
});

test('from the tenth similar one on they are combined', async () => {
  const { events, all } = recorder();
  for (let i = 1; i <= 12; i++) events.normal(about, 'Created', `pod ${i}`);
  await turn();
  expect(all().slice(0, 9)).toEqual(Array.from({ length: 9 }, (_, i) => [`pod ${i + 1}`, 1]));
  expect(all().slice(9)).toEqual([['(combined from similar events): pod 12', 3]]);
});

test('a flood about one object is cut off, and let through again slowly', async () => {
  const { events, all, clock } = recorder();
  for (let i = 0; i < 100; i++) events.normal(about, 'Same', 'same');
  await turn();
  expect(all()).toEqual([['same', 25]]);
  clock.advance(300_000);
  for (let i = 0; i < 100; i++) events.normal(about, 'Same', 'same');
  await turn();
  expect(all()).toEqual([['same', 26]]);
});

test('an Event that has expired meanwhile is begun anew', async () => {
  const { events, stored, all } = recorder();
  events.normal(about, 'Pulled', 'pulled');
  await turn();
  stored.clear();
  events.normal(about, 'Pulled', 'pulled');
  await turn();
  expect(all()).toEqual([['pulled', 2]]);
});

test('while the server cannot be reached it is tried again; nobody waits for it', async () => {
  const { events, all, clock, failing } = recorder();
  failing.push(new Unreachable('refused'), new Unreachable('refused'));
  events.normal(about, 'Pulled', 'pulled');
  await turn();
  expect(events.pending).toBe(1);
  // the first wait is of a length of its own, for not all that lost the server to be back at once
  for (const [ms, left] of [
    [4_999, 1],
    [1, 0],
    [9_999, 0],
  ] as const) {
    clock.advance(ms);
    await turn();
    expect(failing).toHaveLength(left);
    expect(all()).toEqual([]);
  }
  clock.advance(1);
  await turn();
  expect(all()).toEqual([['pulled', 1]]);
  expect(events.pending).toBe(0);
});

test('what the server refuses is dropped', async () => {
  const { events, all, failing } = recorder();
  failing.push(notFound({ group: '', plural: 'namespaces' }, 'shop'));
  events.normal(about, 'Pulled', 'pulled');
  await turn();
  expect(all()).toEqual([]);
  expect(events.pending).toBe(0);
});
