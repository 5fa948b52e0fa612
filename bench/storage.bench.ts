/** What the store and its cache cost by themselves, without HTTP: durable commits, consistent reads, lists, fan-out. */
import { join } from 'node:path';
import { open } from 'lmdb';
import type { Clock } from '#base/clock.ts';
import { deepFreeze } from '#base/deep-freeze.ts';
import { silentLog } from '#base/log.ts';
import { openWatchCache } from '#control-plane/apiserver/watch-cache/open-watch-cache.ts';
import { encode, storageKey } from '#control-plane/apiserver/watch-cache/stored-object.ts';
import type { ServedForm, WatchCache } from '#control-plane/apiserver/watch-cache/watch-cache.ts';
import { openLmdbStorage } from '#control-plane/storage/lmdb.ts';
import { openMemoryStorage } from '#control-plane/storage/memory.ts';
import type { Storage } from '#control-plane/storage/storage.ts';
import type { Bench } from './bench.ts';
import { median, type Row, rateRow, timesRow } from './row.ts';

const CALLERS = 64;
const ROUNDS = 400;
const OBJECTS = 10_000;
const WATCHERS = 1000;
const FORM: ServedForm = { apiVersion: 'v1', kind: 'Pod' };
const KIND = { storagePrefix: 'pods', scope: 'Namespaced' } as const;
const clock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  timer(afterMs, due) {
    const timer = setTimeout(due, afterMs).unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

export async function run(bench: Bench): Promise<Row[]> {
  return [...(await commits(await bench.folder())), ...(await cacheReads())];
}

/** A pod of about 2 KB. */
const pod = (index: number, phase = 'Running') =>
  deepFreeze({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `pod-${index}`,
      namespace: `ns-${index % 20}`,
      uid: `u-${index}`,
      resourceVersion: '',
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels: { app: `app-${index % 100}` },
    },
    spec: { nodeName: `node-${index % 500}`, containers: [{ name: 'main', image: 'example', env: filler(1500) }] },
    status: { phase },
  });
const filler = (bytes: number) =>
  Array.from({ length: Math.floor(bytes / 50) }, (_, index) => ({ name: `VARIABLE_${index}`, value: 'a value of it' }));

const timesOf = async (rounds: number, once: (round: number) => unknown): Promise<number[]> => {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    await once(round);
    times.push(performance.now() - start);
  }
  return times;
};
const sum = (times: readonly number[]): number => times.reduce((total, time) => total + time, 0);

async function commits(directory: string): Promise<Row[]> {
  const value = encode(pod(1));
  const floor = open<Buffer, string>({
    path: join(directory, 'floor.mdb'),
    noSubdir: true,
    encoding: 'binary',
    cache: false,
  });
  const raw = async (count: number, round: number) => {
    await floor.batch(() => {
      for (let index = 0; index < count; index++)
        void floor.put(`/registry/pods/${round}/${index}`, Buffer.from(value));
    });
    await floor.flushed;
  };
  const storage = await openLmdbStorage({ directory: join(directory, 'store') });
  const commit = (count: number, round: number) =>
    Promise.all(
      Array.from({ length: count }, (_, index) => {
        const put = `/registry/pods/${round}/${index}`;
        return storage.commit({ when: [{ key: put, modRevision: 0 }], then: [{ put, value }] });
      }),
    );
  const note = 'the same bytes put into LMDB in one durable batch';
  const alone = await timesOf(ROUNDS, (round) => commit(1, round));
  const aloneRaw = await timesOf(ROUNDS, (round) => raw(1, round));
  const shared = await timesOf(ROUNDS, (round) => commit(CALLERS, ROUNDS + round));
  const sharedRaw = await timesOf(ROUNDS, (round) => raw(CALLERS, ROUNDS + round));
  await storage.close();
  await floor.close();
  const perSecond = (times: readonly number[]) => (CALLERS * ROUNDS * 1000) / sum(times);
  return [
    timesRow('storage/commit-1', alone, { value: median(aloneRaw), note }),
    rateRow(`storage/commit-${CALLERS}`, {
      perSecond: perSecond(shared),
      times: shared,
      floor: { value: perSecond(sharedRaw), note },
    }),
  ];
}

async function cacheReads(): Promise<Row[]> {
  const storage = openMemoryStorage();
  const put = (object: ReturnType<typeof pod>) =>
    storage.commit({ when: [], then: [{ put: storageKey(KIND, object.metadata), value: encode(object) }] });
  for (let index = 0; index < OBJECTS; index++) await put(pod(index));
  const cache = openWatchCache({ storage, prefix: '/registry/pods/', namespaced: true, clock, log: silentLog });
  await cache.ready();
  const rows = [await gets(cache, storage), await lists(cache), await fanOut(cache, put)];
  await cache.close();
  await storage.close();
  return rows;
}

async function gets(cache: WatchCache, storage: Storage): Promise<Row> {
  const keys = Array.from({ length: OBJECTS }, (_, index) => storageKey(KIND, pod(index).metadata));
  const times = await timesOf(20, async (round) => {
    for (const [index, key] of keys.entries()) {
      // Something else changes all the time, so that the cache has to ask how far it has come.
      if (index % 100 === 0)
        await storage.commit({ when: [], then: [{ put: '/registry/x', value: Buffer.from(`${round} ${index}`) }] });
      (await cache.get(key, 'newest'))!.json(FORM);
    }
  });
  return rateRow('storage/cache-get', { perSecond: (OBJECTS * 20 * 1000) / sum(times) });
}

async function lists(cache: WatchCache): Promise<Row> {
  const stored = (await cache.list({ freshness: 'any' })).items.map((item) => Buffer.from(item.stored.value));
  const floor = await timesOf(20, () => Buffer.concat(stored));
  const times = await timesOf(20, async () => {
    const { items } = await cache.list({ freshness: 'newest' });
    let size = 0;
    for (const item of items) size += item.jsonLength(FORM);
    const target = Buffer.allocUnsafe(size);
    let offset = 0;
    for (const item of items) offset = item.copyJson(target, offset, FORM);
  });
  return timesRow(`storage/cache-list-${OBJECTS}`, times, {
    value: median(floor),
    note: 'Buffer.concat of the stored bytes',
  });
}

/** From the commit to all watchers having the bytes. */
async function fanOut(cache: WatchCache, put: (object: ReturnType<typeof pod>) => Promise<unknown>): Promise<Row> {
  const stops = Array.from({ length: WATCHERS }, () => new AbortController());
  const after = await cache.freshen();
  const watches = stops.map(({ signal }) => cache.watch({ after, signal })[Symbol.asyncIterator]());
  const times = await timesOf(100, async (round) => {
    const events = watches.map((one) => one.next());
    await put(pod(0, `${round}`));
    for (const { value } of await Promise.all(events)) value[0].frame(FORM);
  });
  for (const stop of stops) stop.abort();
  return rateRow(`storage/cache-events-${WATCHERS}`, { perSecond: (WATCHERS * 100 * 1000) / sum(times), times });
}
