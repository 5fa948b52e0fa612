import { expect, test } from 'vitest';
import { bucketOf, Distribution, runningTotals } from './distribution.ts';

test.each([
  [-1, 0],
  [0.5, 0],
  [1, 0],
  [1.01, 1],
  [5, 1],
  [6, 2],
  [Number.POSITIVE_INFINITY, 2],
])('%d belongs to bucket %d of those up to 1 and 5: a bound is within its own', (value, bucket) => {
  expect(bucketOf(value, [1, 5])).toBe(bucket);
});

test('what was observed is counted once, and added up for those who want to know how many were no larger', () => {
  const seen = new Distribution([1, 5]);
  for (const value of [1, 2, 3, 9]) seen.observe(value);
  expect([seen.counts, seen.count, seen.sum]).toEqual([[1, 2, 1], 4, 15]);
  expect(runningTotals(seen.counts)).toEqual([1, 3, 4]);
});
