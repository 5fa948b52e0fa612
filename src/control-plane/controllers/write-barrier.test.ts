import { expect, test } from 'vitest';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { ManualClock } from '#base/manual-clock.ts';
import type { Informer } from '#client/informer.ts';
import { ObjectCache } from '#client/object-cache.ts';
import { WriteBarrier } from './write-barrier.ts';

/** Of which one can see how many want to know how far it comes. */
class WatchedCache extends ObjectCache<KubeObject> {
  listeners = 0;

  override onProgress(listener: () => void): () => void {
    this.listeners++;
    const stop = super.onProgress(listener);
    return () => {
      this.listeners--;
      stop();
    };
  }
}

function barrierOf({ endsLongWaits = false } = {}) {
  const clock = new ManualClock();
  const pods = new WatchedCache();
  const configMaps = new WatchedCache();
  const caches = new Map<unknown, WatchedCache>([
    [Pod, pods],
    [ConfigMap, configMaps],
  ]);
  const informerOf = (kind: Kind) => caches.get(kind) as Informer<KubeObject> | undefined;
  const barrier = new WriteBarrier({ clock, informerOf, endsLongWaits });
  const resumed: string[] = [];
  const isClear = (key: string) => barrier.isClear(key, () => resumed.push(key));
  return { clock, pods, configMaps, barrier, resumed, isClear };
}

test('a key waits until every cache has seen what was written for it, and no cache is listened to before or after', () => {
  const { pods, configMaps, barrier, resumed, isClear } = barrierOf();
  expect(isClear('a')).toBe(true);
  barrier.wrote('a', Pod as unknown as Kind, '12');
  barrier.wrote('a', ConfigMap as unknown as Kind, '13');
  expect([pods.listeners, configMaps.listeners]).toEqual([0, 0]);
  expect([isClear('a'), isClear('a'), isClear('b')]).toEqual([false, false, true]);
  expect([pods.listeners, configMaps.listeners]).toEqual([1, 1]);
  pods.advance('12');
  configMaps.advance('12');
  expect([resumed, isClear('a')]).toEqual([[], false]);
  configMaps.advance('13');
  expect([resumed, isClear('a')]).toEqual([['a'], true]);
  expect([pods.listeners, configMaps.listeners]).toEqual([0, 0]);
  configMaps.advance('14');
  expect(resumed).toEqual(['a']);
});

test('a key that is found to be clear while it waits is not resumed as well', () => {
  const { clock, pods, barrier, resumed, isClear } = barrierOf();
  const gone = { key: 'default/x', uid: 'u1' };
  pods.put({ metadata: { name: 'x', namespace: 'default', uid: 'u1', resourceVersion: '1' } } as KubeObject);
  barrier.deleted('a', Pod as unknown as Kind, gone);
  expect(isClear('a')).toBe(false);
  const stop = pods.onChange(() => expect(isClear('a')).toBe(true)); // told before those who ask how far it is
  pods.remove({ metadata: { name: 'x', namespace: 'default', uid: 'u1', resourceVersion: '2' } } as KubeObject);
  stop();
  clock.advance(60_000);
  expect([resumed, barrier.longWaits, pods.listeners]).toEqual([[], 0, 0]);
});

test('a cache that does not move holds a key up as long as that lasts, and a long wait is counted', () => {
  const { clock, pods, barrier, resumed, isClear } = barrierOf();
  barrier.wrote('a', Pod as unknown as Kind, '12');
  expect(isClear('a')).toBe(false);
  clock.advance(4_999);
  expect(barrier.longWaits).toBe(0);
  clock.advance(3_600_000);
  expect([resumed, barrier.longWaits, isClear('a')]).toEqual([[], 1, false]);
  pods.advance('12');
  expect([resumed, pods.listeners, isClear('a')]).toEqual([['a'], 0, true]);
});

test('whose long waits end is held up for five seconds by a cache that does not move, by a barrier that is stopped for ever', () => {
  const { clock, pods, barrier, resumed, isClear } = barrierOf({ endsLongWaits: true });
  barrier.wrote('a', Pod as unknown as Kind, '12');
  expect(isClear('a')).toBe(false);
  clock.advance(4_999);
  expect(resumed).toEqual([]);
  clock.advance(1);
  expect([resumed, barrier.longWaits, pods.listeners, isClear('a')]).toEqual([['a'], 1, 0, true]);
  barrier.wrote('b', Pod as unknown as Kind, '13');
  expect(isClear('b')).toBe(false);
  barrier.stop();
  pods.advance('13');
  clock.advance(60_000);
  expect([resumed, barrier.longWaits, pods.listeners]).toEqual([['a'], 1, 0]);
});

test('writes of kinds that the controller does not read, and those that changed nothing, are not waited for', () => {
  const { pods, barrier, isClear } = barrierOf();
  barrier.wrote('a', {} as Kind, '12');
  barrier.wrote('a', Pod as unknown as Kind, '12', '12');
  expect([isClear('a'), pods.listeners]).toEqual([true, 0]);
});
