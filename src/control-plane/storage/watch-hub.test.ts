import fc from 'fast-check';
import { expect, test } from 'vitest';
import { deferred } from '#base/deferred.ts';
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

test('who follows has heard of a batch when notify returns; what others wrote costs it nothing', () => {
  const hub = new WatchHub(() => [], 5);
  const heard: EventBatch[] = [];
  hub.watch({ prefix: '/a/', after: 5, signal: new AbortController().signal }).follow!((batch) => heard.push(batch));
  hub.notify({ events: [event(6), event(7, '/b/1')], revision: 7 });
  expect(heard).toEqual([{ events: [event(6)], revision: 7 }]);
  hub.notify({ events: [event(8, '/b/1')], revision: 8 });
  expect(heard).toHaveLength(1);
  hub.askProgress('/a/', 8);
  expect(heard.at(-1)).toEqual({ events: [], revision: 8 });
  hub.askProgress('/a/', 9);
  hub.notify({ events: [event(9, '/b/1')], revision: 9 });
  hub.notify({ events: [event(10, '/b/1')], revision: 10 });
  expect(heard.slice(2)).toEqual([{ events: [], revision: 9 }]);
});

test('who throws is the end of its own following, and of nothing else', async () => {
  const hub = new WatchHub(() => [], 5);
  const { signal } = new AbortController();
  const bug = new Error('bug');
  const failing = hub.watch({ prefix: '/a/', after: 5, signal }).follow!(() => {
    throw bug;
  });
  const heard: Revision[] = [];
  hub.watch({ prefix: '/a/', after: 5, signal }).follow!(({ revision }) => heard.push(revision));
  hub.notify({ events: [event(6)], revision: 6 });
  hub.notify({ events: [event(7)], revision: 7 });
  expect(heard).toEqual([6, 7]);
  await expect(failing.ended).rejects.toBe(bug);
});

test('who follows is told of nothing before it has begun, and of nothing after it has stopped', async () => {
  const read = deferred<StoreEvent[]>();
  const hub = new WatchHub(() => read.promise, 5);
  const { signal } = new AbortController();
  const heard: Revision[] = [];
  const fromNow = hub.watch({ prefix: '/a/', signal }).follow!(({ revision }) => heard.push(revision));
  expect(heard).toEqual([]);
  hub.notify({ events: [event(6)], revision: 6 });
  expect(heard).toEqual([6]);
  const fromBefore = hub.watch({ prefix: '/a/', after: 3, signal }).follow!(({ revision }) => heard.push(revision));
  fromBefore.stop();
  read.resolve([event(4)]);
  await fromBefore.ended;
  fromNow.stop();
  await fromNow.ended;
  expect(heard).toEqual([6]);
});

/** By all ways to watch, begun anywhere, over keys below one another and beside. */
test('whoever watches, in whatever way and from wherever, gets every event of its keys once and in order', async () => {
  const prefixes = ['', '/', '/a', '/a/', '/a/b/', '/b/'];
  const keys = ['/a/1', '/a/b/1', '/ab', '/b/2', 'c'];
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.constantFrom(...keys), { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 12 }),
      fc.array(
        fc.record({
          prefix: fc.constantFrom(...prefixes),
          after: fc.nat(40),
          begins: fc.nat(12),
          follows: fc.boolean(),
        }),
        { minLength: 1, maxLength: 6 },
      ),
      fc.nat(12),
      async (transactions, watches, cutAt) => {
        const written: StoreEvent[] = [];
        const read = async (prefix: string, after: Revision, upTo: Revision) => {
          await Promise.resolve();
          return written.filter(({ key, revision }) => key.startsWith(prefix) && revision > after && revision <= upTo);
        };
        const hub = new WatchHub(read, 1);
        const stop = new AbortController();
        const running: {
          prefix: string;
          from: Revision;
          seen: StoreEvent[];
          reached: Revision;
          ended: Promise<void>;
        }[] = [];
        const begin = ({ prefix, after, follows }: (typeof watches)[number]) => {
          const from = Math.min(Math.max(1, after), hub.revision);
          const one = { prefix, from, seen: [] as StoreEvent[], reached: from, ended: Promise.resolve() };
          const take = ({ events, revision }: EventBatch) => {
            one.seen.push(...events);
            expect(revision).toBeGreaterThanOrEqual(one.reached);
            one.reached = revision;
          };
          const watched = hub.watch({ prefix, after: from, signal: stop.signal });
          const asked = async () => {
            for await (const batch of watched) take(batch);
          };
          one.ended = follows ? watched.follow!(take).ended : asked();
          running.push(one);
        };
        for (const [turn, changed] of transactions.entries()) {
          for (const watch of watches) if (watch.begins === turn) begin(watch);
          const events = changed.map((key, index) => event(written.length + 2 + index, key));
          written.push(...events);
          const { revision } = events.at(-1)!;
          if (turn === cutAt) hub.skipTo(revision);
          else hub.notify({ events, revision });
          if (turn % 3 === 0) await Promise.resolve();
        }
        for (const { prefix } of running) hub.askProgress(prefix, hub.revision);
        await turnOfLoop();
        for (const { prefix, from, seen, reached } of running) {
          expect(seen).toEqual(written.filter(({ key, revision }) => key.startsWith(prefix) && revision > from));
          expect(reached).toBe(hub.revision);
        }
        stop.abort();
        await Promise.all(running.map(({ ended }) => ended));
      },
    ),
    { numRuns: 300 },
  );
});

const turnOfLoop = () => new Promise<void>((resolve) => setImmediate(resolve));
