import { expect, test } from 'vitest';
import { inBatches, inParallel } from './concurrency.ts';

test('batches double, and stop after the first one with a failure', async () => {
  let calls = 0;
  const { succeeded, error } = await inBatches(100, async (index) => {
    calls++;
    if (index === 4) throw new Error('quota');
  });
  expect(calls).toBe(7); // 1 + 2 + 4
  expect(succeeded).toBe(6);
  expect(error).toEqual(new Error('quota'));
});

test('in parallel, a failure does not keep the others from being done', async () => {
  const done: number[] = [];
  const work = async (item: number) => {
    if (item === 1) throw new Error('one');
    done.push(item);
  };
  await expect(inParallel([1, 2, 3], work, 1)).rejects.toThrow('one');
  expect(done).toEqual([2, 3]);
});
