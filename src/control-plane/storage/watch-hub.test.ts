import { expect, test } from 'vitest';
import { Compacted, type EventBatch, type Revision, type StoreEvent } from './storage.ts';
import { WatchHub } from './watch-hub.ts';

const event = (revision: Revision, key = '/a/1'): StoreEvent => ({ key, revision, now: undefined, before: undefined });
const all = (from: Revision, to: Revision) => Array.from({ length: to - from + 1 }, (_, index) => event(from + index));
const batches = (events: StoreEvent[], size: number): EventBatch[] =>
  Array.from({ length: Math.ceil(events.length / size) }, (_, index) => {
    const some = events.slice(index * size, (index + 1) * size);
    return { events: some, revision: some.at(-1)!.revision };
  });

test('a watcher that lets too much pile up reads the history instead, and misses nothing', async () => {
  const written = all(2, 60_001);
  let asked: [Revision, Revision] | undefined;
  const hub = new WatchHub((_, after, upTo) => {
    asked = [after, upTo];
    return written.filter(({ revision }) => revision > after && revision <= upTo);
  }, 1);
  const stop = new AbortController();
  const watched = hub.watch({ prefix: '/a/', after: 1, signal: stop.signal });
  for (const batch of batches(written, 1000)) hub.notify(batch);
  const seen: Revision[] = [];
  for await (const { events, revision } of watched) {
    seen.push(...events.map((one) => one.revision));
    if (revision === 60_001) break;
  }
  expect(asked).toEqual([1, 60_001]);
  expect(seen).toEqual(written.map(({ revision }) => revision));
});

test('what happens while history is being read comes behind it, once', async () => {
  let finish: (events: StoreEvent[]) => void = () => undefined;
  const hub = new WatchHub(() => new Promise((resolve) => (finish = resolve)), 5);
  const watched = hub.watch({ prefix: '/a/', after: 2, signal: new AbortController().signal })[Symbol.asyncIterator]();
  const first = watched.next();
  await Promise.resolve();
  hub.notify({ events: [event(6)], revision: 6 });
  finish(all(3, 5));
  expect((await first).value.events.map(({ revision }: StoreEvent) => revision)).toEqual([3, 4, 5]);
  expect((await watched.next()).value).toEqual({ events: [event(6)], revision: 6 });
  await watched.return?.();
});

test('after a gap in the source a watcher that is owed what is gone is told so', async () => {
  const hub = new WatchHub((_, after) => {
    if (after < 50) throw new Compacted(50);
    return [];
  }, 5);
  const watched = hub.watch({ prefix: '/a/', signal: new AbortController().signal })[Symbol.asyncIterator]();
  expect((await watched.next()).value).toEqual({ events: [], revision: 5 });
  hub.skipTo(60);
  await expect(watched.next()).rejects.toMatchObject({ code: 'Compacted' });
});

test('a revision from somewhere else does not keep quiet watchers awake', async () => {
  const hub = new WatchHub(() => [], 5);
  const watched = hub.watch({ prefix: '/a/', after: 5, signal: new AbortController().signal })[Symbol.asyncIterator]();
  hub.askProgress('/a/', Number.MAX_SAFE_INTEGER);
  hub.notify({ events: [event(20_000, '/b/1')], revision: 20_000 });
  expect((await watched.next()).value.revision).toBe(20_000);
  hub.notify({ events: [event(20_001, '/b/1')], revision: 20_001 });
  hub.notify({ events: [event(20_002)], revision: 20_002 });
  expect((await watched.next()).value).toEqual({ events: [event(20_002)], revision: 20_002 });
  await watched.return?.();
});
