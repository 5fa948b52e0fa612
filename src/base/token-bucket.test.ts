import { expect, test } from 'vitest';
import { TokenBucket } from './token-bucket.ts';

test('so many at once, then as many as come back in time, and never more than fit', () => {
  const bucket = new TokenBucket({ perSecond: 100, burst: 2 }, 0);
  const taken = [0, 0, 0, 5, 10, 10, 10_000, 10_000, 10_000].map((nowMs) => bucket.take(nowMs));
  expect(taken).toEqual([true, true, false, false, true, false, true, true, false]);
});
