import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { KubeObject } from '#api/machinery/object.ts';
import { silentLog } from '#base/log.ts';
import { openWatchCache } from '#control-plane/apiserver/watch-cache/open-watch-cache.ts';
import { encode } from '#control-plane/apiserver/watch-cache/stored-object.ts';
import type { CacheEvent, WatchCache } from '#control-plane/apiserver/watch-cache/watch-cache.ts';
import { connectEtcdStorage } from '#control-plane/storage/etcd.ts';
import { openLmdbStorage } from '#control-plane/storage/lmdb.ts';
import type { Storage } from '#control-plane/storage/storage.ts';
import { etcdIsInstalled, startEtcd } from './etcd-server.ts';
import { machineClock } from './machine-clock.ts';

const prefix = '/registry/things/';
const cacheOver = (storage: Storage): WatchCache =>
  openWatchCache({ storage, prefix, namespaced: true, clock: machineClock, log: silentLog });
const put = async (storage: Storage, name: string, size: number) => {
  const metadata = { name, namespace: 'a', uid: name, creationTimestamp: 't', resourceVersion: '' };
  const value = encode({ apiVersion: 'v1', kind: 'Thing', metadata, size } as KubeObject);
  return (await storage.commit({ when: [], then: [{ put: `${prefix}a/${name}`, value }] })).revision;
};
const sizeOf = (object: KubeObject | undefined) => (object as { size?: number } | undefined)?.size;

async function take(cache: WatchCache, after: number, count: number): Promise<CacheEvent[]> {
  const events: CacheEvent[] = [];
  for await (const batch of cache.watch({ after, signal: new AbortController().signal })) {
    events.push(...batch);
    if (events.length >= count) return events;
  }
  throw new Error(`the watch ended after ${events.length} events`);
}

/** `open` may be called again after the store it gave was closed. */
function suite(name: string, prepare: () => Promise<() => Promise<Storage>>): void {
  describe(`a watch cache over ${name}`, () => {
    test('reads what was just written, whoever else writes elsewhere', async () => {
      const storage = await (await prepare())();
      const cache = cacheOver(storage);
      for (let size = 1; size <= 50; size++) {
        await put(storage, 'x', size);
        await storage.commit({ when: [], then: [{ put: '/registry/others/x', value: Buffer.from(`${size}`) }] });
        expect(sizeOf((await cache.get(`${prefix}a/x`, 'newest'))?.object())).toBe(size);
      }
      await cache.close();
      await storage.close();
    });

    test('lets a watch resume and a listing go on after the whole server has started again', async () => {
      const open = await prepare();
      const before = await open();
      const first = cacheOver(before);
      for (let index = 0; index < 10; index++) await put(before, `x${index}`, index);
      const page = await first.list({ freshness: 'newest', limit: 4 });
      await put(before, 'x9', 99);
      const last = await put(before, 'y', 1);
      await first.close();
      await before.close();

      const storage = await open();
      const cache = cacheOver(storage);
      const rest = await cache.list({ freshness: 'newest', continue: page.continue });
      expect(rest.revision).toBe(page.revision);
      expect(rest.items.map((item) => sizeOf(item.object()))).toEqual([4, 5, 6, 7, 8, 9]);
      const resumed = take(cache, page.revision, 3);
      await put(storage, 'z', 1);
      expect((await resumed).map(({ type, revision }) => [type, revision])).toEqual([
        ['MODIFIED', last - 1],
        ['ADDED', last],
        ['ADDED', last + 1],
      ]);
      await cache.close();
      await storage.close();
    });
  });
}

suite('LMDB', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'kedge-cache-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return () => openLmdbStorage({ directory });
});

if (etcdIsInstalled) {
  const onEtcd = async () => {
    const server = await startEtcd();
    onTestFinished(() => server.stop());
    return () => connectEtcdStorage({ endpoints: [server.endpoint], clock: machineClock, log: silentLog });
  };
  suite('etcd', onEtcd);

  test('of two servers on one etcd each reads consistently what the other has acknowledged', async () => {
    const open = await onEtcd();
    const [one, other] = [await open(), await open()];
    const cache = cacheOver(other);
    for (let size = 1; size <= 50; size++) {
      const revision = await put(one, 'x', size);
      expect((await cache.get(`${prefix}a/x`, 'newest'))?.revision).toBe(revision);
    }
    await cache.close();
    await one.close();
    await other.close();
  });
}
