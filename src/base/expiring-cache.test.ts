import { expect, test } from 'vitest';
import { ExpiringCache } from './expiring-cache.ts';
import { ManualClock } from './manual-clock.ts';

test('a value is there until its time is over', () => {
  const clock = new ManualClock();
  const cache = new ExpiringCache<number>({ max: 10, clock });
  cache.set('a', 1, 1000);
  cache.set('never', 2, 0);
  clock.advance(999);
  expect([cache.get('a'), cache.get('never')]).toEqual([1, undefined]);
  clock.advance(1);
  expect(cache.get('a')).toBeUndefined();
});

test('beyond its size the one that nobody asked for longest goes', () => {
  const cache = new ExpiringCache<number>({ max: 2, clock: new ManualClock() });
  cache.set('a', 1, 1000);
  cache.set('b', 2, 1000);
  cache.get('a');
  cache.set('c', 3, 1000);
  expect([cache.get('a'), cache.get('b'), cache.get('c')]).toEqual([1, undefined, 3]);
});
