import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { KubeObject } from '#api/machinery/object.ts';
import { deepFreeze } from '#base/deep-freeze.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { firstOf } from '#base/plain-signal.ts';
import { openMemoryStorage } from '#control-plane/storage/memory.ts';
import type { Revision, Storage } from '#control-plane/storage/storage.ts';
import { openWatchCache } from './open-watch-cache.ts';
import { encode } from './stored-object.ts';
import type { CacheEvent, ServedForm, WatchCache, WatchCacheOptions, WatchOptions } from './watch-cache.ts';

interface Thing extends KubeObject {
  spec: { node?: string; size?: number };
}
const V1: ServedForm = { apiVersion: 'v1', kind: 'Thing' };
const V2: ServedForm = {
  apiVersion: 'v2',
  kind: 'Thing',
  convert: (hub) => ({ ...hub, apiVersion: 'v2', moved: (hub as Thing).spec }) as KubeObject,
};
const prefix = '/registry/things/';
const parse = (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).toString());
const thing = (path: string, spec: Thing['spec'] = {}, labels?: Record<string, string>): Thing => {
  const [namespace, name] = path.split('/') as [string, string];
  const metadata = { name, namespace, uid: path, creationTimestamp: 't', resourceVersion: '', labels };
  return deepFreeze({ apiVersion: 'v1', kind: 'Thing', metadata, spec });
};
const labelled = (name: string) => (object: { object(): KubeObject }) =>
  object.object().metadata.labels?.[name] === 'yes';

let storage: Storage;
let clock: ManualClock;
let cache: WatchCache;
let stop: AbortController;

const open = (options: Partial<WatchCacheOptions> = {}): WatchCache =>
  openWatchCache({
    storage,
    prefix,
    namespaced: true,
    fields: { 'spec.node': (object) => (object as Thing).spec.node ?? '' },
    clock,
    log: silentLog,
    ...options,
  });
const put = async (object: Thing): Promise<Revision> => {
  const key = `${prefix}${object.metadata.namespace}/${object.metadata.name}`;
  return (await storage.commit({ when: [], then: [{ put: key, value: encode(object) }] })).revision;
};
const remove = async (path: string): Promise<Revision> =>
  (await storage.commit({ when: [], then: [{ delete: prefix + path }] })).revision;
const elsewhere = async (value: string): Promise<Revision> =>
  (await storage.commit({ when: [], then: [{ put: '/registry/others/x', value: Buffer.from(value) }] })).revision;

const shown = ({ type, object, revision, initialEventsEnd }: CacheEvent): string =>
  `${revision} ${type}${object ? ` ${object.namespace}/${object.name}` : ''}${initialEventsEnd ? ' end' : ''}`;

/** The next `count` events of a watch. */
async function take(watched: AsyncIterator<readonly CacheEvent[]>, count: number): Promise<CacheEvent[]> {
  const events: CacheEvent[] = [];
  while (events.length < count) {
    const { done, value } = await watched.next();
    if (done) throw new Error(`the watch ended after ${events.map(shown)}`);
    events.push(...value);
  }
  return events;
}
/** Turns of the event loop until it holds. */
async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1000 && !holds(); turn++) await setImmediate();
  expect(holds()).toBe(true);
}
const watch = (options: Partial<WatchOptions> = {}, on = cache) =>
  on.watch({ signal: stop.signal, ...options })[Symbol.asyncIterator]();
const names = async (options: Partial<Parameters<WatchCache['list']>[0]> = {}) =>
  (await cache.list({ freshness: 'newest', ...options })).items.map(({ namespace, name }) => `${namespace}/${name}`);

beforeEach(() => {
  storage = openMemoryStorage();
  clock = new ManualClock();
  stop = new AbortController();
  cache = open();
});
afterEach(async () => {
  stop.abort();
  await cache.close();
  await storage.close();
});

test('what is acknowledged by a store of this process is in the cache, and nobody has to wait for it', async () => {
  await cache.ready();
  for (const spec of [{ size: 1 }, { size: 2 }]) {
    const revision = await put(thing('a/one', spec));
    expect(cache.revision).toBe(revision);
    expect(cache.peek(`${prefix}a/one`)?.object()).toMatchObject({ spec });
  }
  await remove('a/one');
  expect(cache.peek(`${prefix}a/one`)).toBeUndefined();
});

describe('reading', () => {
  test('an acknowledged write is in the next consistent read', async () => {
    for (let size = 0; size < 20; size++) {
      const revision = await put(thing('a/x', { size }));
      const read = await cache.get(`${prefix}a/x`, 'newest');
      expect(read?.revision).toBe(revision);
      expect(read?.object()).toMatchObject({ metadata: { resourceVersion: String(revision) }, spec: { size } });
    }
  });

  test('what was deleted is gone, what never was is undefined', async () => {
    await put(thing('a/x'));
    await remove('a/x');
    expect(await cache.get(`${prefix}a/x`, 'newest')).toBeUndefined();
    expect(await cache.get(`${prefix}a/y`, 'any')).toBeUndefined();
  });

  test('objects are frozen and one and the same for every reader', async () => {
    await put(thing('a/x', { size: 1 }));
    const first = (await cache.get(`${prefix}a/x`, 'newest'))!;
    expect(first.object()).toBe((await cache.get(`${prefix}a/x`, 'any'))!.object());
    expect(Object.isFrozen((first.object() as Thing).spec) && Object.isFrozen(first.object().metadata)).toBe(true);
  });

  test('bytes, converted versions and derived values fit the object', async () => {
    const revision = await put(thing('a/x', { size: 1 }));
    const read = (await cache.get(`${prefix}a/x`, 'newest'))!;
    expect(parse(read.json(V1))).toEqual(JSON.parse(JSON.stringify(read.object())));
    expect(read.json(V1)).toHaveLength(read.jsonLength(V1));
    expect(parse(read.json(V2))).toMatchObject({
      apiVersion: 'v2',
      moved: { size: 1 },
      metadata: { resourceVersion: `${revision}` },
    });
    expect(read.object(V2)).toBe(read.object(V2));
    const target = Buffer.alloc(2 + read.jsonLength(V2));
    expect(read.copyJson(target, 2, V2)).toBe(target.length);
    let made = 0;
    expect([read.memo(V1, 'cells', () => ++made), read.memo(V1, 'cells', () => ++made)]).toEqual([1, 1]);
    expect(read.memo(V2, 'cells', () => ++made)).toBe(2);
  });

  test('bytes that somebody else has written are served all the same', async () => {
    const value = Buffer.from('{ "metadata" : {"name":"x"}, "kind":"Thing","apiVersion":"v1" }');
    await storage.commit({ when: [], then: [{ put: `${prefix}a/x`, value }] });
    const read = (await cache.get(`${prefix}a/x`, 'newest'))!;
    expect(parse(read.json(V1))).toEqual({
      kind: 'Thing',
      apiVersion: 'v1',
      metadata: { name: 'x', resourceVersion: '2' },
    });
  });

  test('a parsed form that was dropped comes back from the bytes', async () => {
    await cache.close();
    cache = open({ limits: { parsedObjects: 2 } });
    for (const name of ['1', '2', '3', '4']) await put(thing(`a/${name}`, { size: Number(name) }));
    const { items } = await cache.list({ freshness: 'newest' });
    expect(items.map((item) => (item.object() as Thing).spec.size)).toEqual([1, 2, 3, 4]);
    expect(items.map((item) => (item.object() as Thing).spec.size)).toEqual([1, 2, 3, 4]);
  });

  test('a revision that does not come is refused after three seconds', async () => {
    await cache.ready();
    const refused = cache.list({ freshness: { notOlderThan: 50 } }).then(undefined, (error: unknown) => error);
    while (clock.nextDueMs === undefined) await Promise.resolve();
    clock.advance(2999);
    clock.advance(1);
    expect(await refused).toMatchObject({
      code: 504,
      message: 'Timeout: Too large resource version: 50, current: 1',
      details: {
        causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
        retryAfterSeconds: 1,
      },
    });
  });

  test('a read that must not be older waits for the revision, also when only other prefixes change', async () => {
    await cache.ready();
    const waiting = cache.list({ freshness: { notOlderThan: 3 } });
    await elsewhere('1');
    await elsewhere('2');
    expect((await waiting).revision).toBe(3);
  });
});

describe('listing', () => {
  beforeEach(async () => {
    await put(thing('b/1', { node: 'n1' }));
    await put(thing('a/2', { node: 'n2' }, { app: 'yes' }));
    await put(thing('a/1', { node: 'n1' }, { app: 'yes' }));
    await put(thing('a/3', { node: 'n1' }));
  });

  test('is in key order, and narrowed by namespace, name, field and predicate', async () => {
    expect(await names()).toEqual(['a/1', 'a/2', 'a/3', 'b/1']);
    expect(await names({ namespace: 'a' })).toEqual(['a/1', 'a/2', 'a/3']);
    expect(await names({ name: '1' })).toEqual(['a/1', 'b/1']);
    expect(await names({ name: '1', namespace: 'b' })).toEqual(['b/1']);
    expect(await names({ where: { field: 'spec.node', equals: 'n1' } })).toEqual(['a/1', 'a/3', 'b/1']);
    expect(
      await names({ where: { field: 'spec.node', equals: 'n1' }, namespace: 'a', match: labelled('app') }),
    ).toEqual(['a/1']);
    expect(await names({ where: { field: 'spec.node', equals: 'none' } })).toEqual([]);
  });

  test('follows an index through changes and deletions', async () => {
    const onN1 = { where: { field: 'spec.node', equals: 'n1' } };
    expect(await names(onN1)).toHaveLength(3);
    await put(thing('a/1', { node: 'n2' }));
    await put(thing('a/2', { node: 'n1' }));
    await remove('b/1');
    expect(await names(onN1)).toEqual(['a/2', 'a/3']);
  });

  test('in pages shows one snapshot, whatever happens in between', async () => {
    const first = await cache.list({ freshness: 'newest', limit: 2 });
    expect(first).toMatchObject({ revision: 5, remainingItemCount: 2 });
    await put(thing('a/25'));
    await put(thing('a/3', { size: 99 }));
    await remove('b/1');
    const second = await cache.list({ freshness: 'newest', limit: 1, continue: first.continue });
    expect(second.items.map(({ name, revision }) => [name, revision])).toEqual([['3', 5]]);
    expect(second).toMatchObject({ revision: 5, remainingItemCount: 1 });
    const third = await cache.list({ freshness: 'newest', limit: 5, continue: second.continue });
    expect(third.items.map(({ namespace, name }) => `${namespace}/${name}`)).toEqual(['b/1']);
    expect(third.continue).toBeUndefined();
    expect(third.revision).toBe(5);
  });

  test('in pages of a selection counts nothing it would have to compute', async () => {
    const page = await cache.list({ freshness: 'newest', limit: 1, match: labelled('app') });
    expect(page.continue).toBeDefined();
    expect(page.remainingItemCount).toBeUndefined();
    const rest = await cache.list({ freshness: 'any', match: labelled('app'), continue: page.continue });
    expect(rest.items.map(({ name }) => name)).toEqual(['2']);
  });

  test('goes on by the history of the store where recent changes no longer reach, and by a new cache', async () => {
    const first = await cache.list({ freshness: 'newest', limit: 2 });
    await remove('b/1');
    await cache.close();
    cache = open({ limits: { eventBytes: 1 } });
    const rest = await cache.list({ freshness: 'newest', continue: first.continue });
    expect(rest.items.map(({ namespace, name }) => `${namespace}/${name}`)).toEqual(['a/3', 'b/1']);
  });

  test.each([
    ['at hand', async () => undefined],
    [
      'gone',
      async () => {
        await cache.close();
        cache = open();
      },
    ],
  ])(
    'whose history is compacted away, its snapshot %s, is told 410 with a token that goes on',
    async (_, meanwhile) => {
      const first = await cache.list({ freshness: 'newest', limit: 2 });
      await put(thing('a/0'));
      await put(thing('a/9'));
      await storage.compact(prefix, 7);
      await meanwhile();
      const gone = await cache
        .list({ freshness: 'newest', continue: first.continue })
        .then(undefined, (error) => error);
      expect(gone).toMatchObject({ code: 410, reason: 'Expired' });
      expect(gone.message).toMatch(/^The provided continue parameter is too old to display a consistent list result\./);
      const rest = await cache.list({ freshness: 'newest', continue: gone.continueToken, limit: 2 });
      expect(rest.items.map(({ name }) => name)).toEqual(['3', '9']);
      expect(rest.revision).toBe(7);
      expect((await cache.list({ freshness: 'newest', continue: rest.continue })).items).toHaveLength(1);
    },
  );

  test.each(['x', '', Buffer.from('{"v":"other","rv":1,"start":"a"}').toString('base64url'), '!!'].filter(Boolean))(
    'refuses the continue token %s',
    async (token) => {
      await expect(cache.list({ freshness: 'any', continue: token })).rejects.toMatchObject({
        code: 400,
        message: expect.stringMatching(/^invalid continue token: /),
      });
    },
  );

  test('of an exact revision shows that one, or says that it is gone', async () => {
    await remove('a/1');
    const then = await cache.list({ freshness: { exact: 4 } });
    expect(then.revision).toBe(4);
    expect(then.items.map(({ namespace, name }) => `${namespace}/${name}`)).toEqual(['a/1', 'a/2', 'b/1']);
    expect((await cache.get(`${prefix}a/1`, { exact: 5 }))?.revision).toBe(4);
    await cache.close();
    await storage.compact(prefix, 6);
    cache = open();
    await expect(cache.list({ freshness: { exact: 4 } })).rejects.toMatchObject({
      code: 410,
      message: 'The resourceVersion for the provided list is too old.',
    });
  });
});

describe('watching', () => {
  test('begins with what is there, then a bookmark that ends it, then changes', async () => {
    await put(thing('a/1'));
    await put(thing('b/1'));
    await cache.freshen();
    const watched = watch({ initialEventsEnd: true });
    const initial = await take(watched, 3);
    expect(initial.map(shown)).toEqual(['2 ADDED a/1', '3 ADDED b/1', '3 BOOKMARK end']);
    expect(parse(initial[2]!.frame(V1))).toEqual({
      type: 'BOOKMARK',
      object: {
        kind: 'Thing',
        apiVersion: 'v1',
        metadata: { resourceVersion: '3', annotations: { 'k8s.io/initial-events-end': 'true' } },
      },
    });
    await put(thing('a/1', { size: 2 }));
    await remove('b/1');
    const events = await take(watched, 2);
    expect(events.map(shown)).toEqual(['4 MODIFIED a/1', '5 DELETED b/1']);
    expect(parse(events[1]!.frame(V1))).toMatchObject({
      type: 'DELETED',
      object: { metadata: { resourceVersion: '5' } },
    });
  });

  test('after a revision gets exactly what came behind it', async () => {
    for (let size = 0; size < 10; size++) await put(thing('a/1', { size }));
    await cache.freshen();
    const watched = watch({ after: 6 });
    await put(thing('a/2'));
    expect((await take(watched, 6)).map(({ revision }) => revision)).toEqual([7, 8, 9, 10, 11, 12]);
  });

  test('frames are lines of JSON, encoded once for all watchers of a version', async () => {
    const watched = [watch({ after: 1 }), watch({ after: 1, namespace: 'a' }), watch({ after: 1 })];
    const taken = watched.map((one) => take(one, 1));
    await put(thing('a/1', { size: 7 }));
    const events = (await Promise.all(taken)).map(([event]) => event!);
    expect(new Set(events.map((event) => event.frame(V1))).size).toBe(1);
    expect(new Set(events.map((event) => event.frame(V2))).size).toBe(1);
    const frame = Buffer.from(events[0]!.frame(V1)).toString();
    expect(frame.endsWith('}\n')).toBe(true);
    expect(JSON.parse(frame)).toMatchObject({ type: 'ADDED', object: { apiVersion: 'v1', spec: { size: 7 } } });
    expect(parse(events[0]!.frame(V2))).toMatchObject({
      type: 'ADDED',
      object: { apiVersion: 'v2', moved: { size: 7 } },
    });
  });

  test('of a selection: entering it is ADDED, leaving it DELETED with the last state that matched', async () => {
    const watched = watch({ after: 1, match: labelled('app') });
    await put(thing('a/1', { size: 1 }));
    await put(thing('a/1', { size: 2 }, { app: 'yes' }));
    await put(thing('a/1', { size: 3 }, { app: 'yes' }));
    await put(thing('a/1', { size: 4 }));
    await put(thing('a/1', { size: 5 }));
    await put(thing('a/1', { size: 6 }, { app: 'yes' }));
    await remove('a/1');
    const events = await take(watched, 5);
    expect(events.map(shown)).toEqual([
      '3 ADDED a/1',
      '4 MODIFIED a/1',
      '5 DELETED a/1',
      '7 ADDED a/1',
      '8 DELETED a/1',
    ]);
    expect(events[2]!.object!.object()).toMatchObject({ metadata: { resourceVersion: '5' }, spec: { size: 3 } });
    expect(parse(events[2]!.frame(V1)).object).toMatchObject({ metadata: { resourceVersion: '5' }, spec: { size: 3 } });
    expect(events[4]!.object!.object()).toMatchObject({ metadata: { resourceVersion: '8' }, spec: { size: 6 } });
  });

  test('of a field and of a namespace sees only its own', async () => {
    const onN1 = watch({ after: 1, where: { field: 'spec.node', equals: 'n1' } });
    const inB = watch({ after: 1, namespace: 'b' });
    await put(thing('a/1', { node: 'n1' }));
    await put(thing('b/1', { node: 'n2' }));
    await put(thing('a/1', { node: 'n2' }));
    await put(thing('b/1', { node: 'n1' }));
    expect((await take(onN1, 3)).map(shown)).toEqual(['2 ADDED a/1', '4 DELETED a/1', '5 ADDED b/1']);
    expect((await take(inB, 2)).map(shown)).toEqual(['3 ADDED b/1', '5 MODIFIED b/1']);
  });

  test('resumes by the history of the store, across a restart of the cache', async () => {
    for (let size = 0; size < 6; size++) await put(thing('a/1', { size }));
    await remove('a/1');
    await cache.close();
    cache = open();
    const watched = watch({ after: 4 });
    await put(thing('a/2'));
    const events = await take(watched, 5);
    expect(events.map(shown)).toEqual([
      '5 MODIFIED a/1',
      '6 MODIFIED a/1',
      '7 MODIFIED a/1',
      '8 DELETED a/1',
      '9 ADDED a/2',
    ]);
    expect(events[3]!.object!.object()).toMatchObject({ metadata: { resourceVersion: '8' }, spec: { size: 5 } });
  });

  test('that joins while the cache starts again is ended rather than left with a gap', async () => {
    await cache.close();
    const broken = new AbortController();
    const breaking: Storage = {
      currentRevision: () => storage.currentRevision(),
      newestUnder: (...given) => storage.newestUnder(...given),
      get: (...given) => storage.get(...given),
      range: (options) => storage.range(options),
      commit: (txn) => storage.commit(txn),
      requestProgress: (...given) => storage.requestProgress(...given),
      compact: (...given) => storage.compact(...given),
      compactedRevision: (of) => storage.compactedRevision(of),
      sizeBytes: () => storage.sizeBytes(),
      close: () => storage.close(),
      // The first watch breaks when it is told to.
      watch: ({ signal, ...options }) =>
        storage.watch({
          ...options,
          signal: broken.signal.aborted ? signal : firstOf(signal, broken.signal).signal,
        }),
    };
    cache = open({ storage: breaking });
    await put(thing('a/1'));
    await cache.freshen();
    broken.abort();
    await until(() => clock.nextDueMs !== undefined);
    const watched = watch({ after: 2 });
    const next = watched.next();
    await until(() => cache.watchers === 1);
    await put(thing('a/2'));
    clock.advance(1000);
    await until(() => cache.revision === 3);
    expect(await next).toMatchObject({ done: true });
    expect((await take(watch({ after: 2 }), 1)).map(shown)).toEqual(['3 ADDED a/2']);
  });

  test('with little room for recent changes still misses nothing', async () => {
    await cache.close();
    cache = open({ limits: { eventBytes: 1 } });
    for (let size = 0; size < 50; size++) await put(thing(`a/${size % 7}`, { size }));
    await cache.freshen();
    const watched = await Promise.all([5, 20, 48].map((after) => take(watch({ after }), 51 - after)));
    expect(watched.map((events) => events.map(({ revision }) => revision))).toEqual(
      [5, 20, 48].map((after) => Array.from({ length: 51 - after }, (_, index) => after + 1 + index)),
    );
  });

  test('from what is compacted away is refused with 410', async () => {
    for (let size = 0; size < 6; size++) await put(thing('a/1', { size }));
    await cache.close();
    await storage.compact(prefix, 5);
    cache = open();
    await expect(watch({ after: 3 }).next()).rejects.toMatchObject({
      code: 410,
      reason: 'Expired',
      message: 'too old resource version: 3 (7)',
    });
    expect((await take(watch({ after: 5 }), 2)).map(({ revision }) => revision)).toEqual([6, 7]);
  });

  test('that reads too slowly is ended, and others go on', async () => {
    await cache.close();
    cache = open({ limits: { watcherEvents: 5 } });
    const slow = watch({ after: 1 });
    const quick = watch({ after: 1 });
    const first = slow.next();
    for (let size = 0; size < 10; size++) {
      await put(thing('a/1', { size }));
      await take(quick, 1);
    }
    expect((await first).done).toBe(false);
    expect((await slow.next()).done).toBe(true);
    expect(cache.watchers).toBe(1);
  });

  test('gets a bookmark a minute, up to the newest revision, when it asks for them', async () => {
    const watched = watch({ after: 1, bookmarks: true });
    const next = take(watched, 1);
    while (clock.nextDueMs === undefined) await Promise.resolve();
    await elsewhere('x');
    clock.advance(60_000);
    expect((await next).map(shown)).toEqual(['2 BOOKMARK']);
    expect(parse(cache.bookmark().frame(V1)).object.metadata).toEqual({ resourceVersion: '2' });
  });

  test('ends without an error when it is aborted or the cache closes, and is forgotten', async () => {
    const watched = watch({ after: 1 });
    const next = watched.next();
    await cache.ready();
    stop.abort();
    expect((await next).done).toBe(true);
    expect(cache.watchers).toBe(0);
    const other = cache.watch({ after: 1, signal: new AbortController().signal })[Symbol.asyncIterator]();
    const ended = other.next();
    await cache.freshen();
    await cache.close();
    expect((await ended).done).toBe(true);
  });

  test('with a selection that throws ends with that error, and harms nobody else', async () => {
    const bad = watch({
      after: 1,
      match: () => {
        throw new Error('cannot tell');
      },
    });
    const good = watch({ after: 1 });
    const failed = expect(bad.next()).rejects.toThrow('cannot tell');
    await put(thing('a/1'));
    await failed;
    expect((await take(good, 1)).map(shown)).toEqual(['2 ADDED a/1']);
  });
});
