import { expect, test } from 'vitest';
import { ManualClock } from './manual-clock.ts';
import { WorkQueue } from './work-queue.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

function queueOf(workers: number) {
  const clock = new ManualClock();
  const worked: string[] = [];
  const open: (() => void)[] = [];
  const queue = new WorkQueue({
    clock,
    workers,
    work: (key) => {
      worked.push(key);
      return new Promise((resolve) => open.push(resolve));
    },
  });
  return { clock, queue, worked, finish: () => open.shift()?.() };
}

test('a key added several times before it is its turn is worked on once', async () => {
  const { queue, worked } = queueOf(2);
  queue.add('a');
  queue.add('a');
  queue.start();
  await turn();
  expect(worked).toEqual(['a']);
});

test('a key added while it is worked on comes again afterwards, not beside itself', async () => {
  const { queue, worked, finish } = queueOf(2);
  queue.start();
  queue.add('a');
  await turn();
  queue.add('a');
  await turn();
  expect(worked).toEqual(['a']);
  finish();
  await turn();
  expect(worked).toEqual(['a', 'a']);
});

test('no more keys are worked on at a time than there are workers', async () => {
  const { queue, worked, finish } = queueOf(2);
  queue.start();
  for (const key of ['a', 'b', 'c']) queue.add(key);
  await turn();
  expect(worked).toEqual(['a', 'b']);
  finish();
  await turn();
  expect(worked).toEqual(['a', 'b', 'c']);
});

test('a key that waits for a time can be put off, and no other', async () => {
  const { clock, queue, worked } = queueOf(1);
  queue.start();
  queue.addAfter('a', 1_000);
  queue.postpone('a', 3_000);
  queue.postpone('b', 1_000);
  clock.advance(2_999);
  await turn();
  expect(worked).toEqual([]);
  clock.advance(1);
  await turn();
  expect(worked).toEqual(['a']);
  clock.advance(10_000);
  await turn();
  expect(worked).toEqual(['a']);
});

test('of two delays of a key the earlier one counts', async () => {
  const { clock, queue, worked } = queueOf(1);
  queue.start();
  queue.addAfter('a', 5_000);
  queue.addAfter('a', 1_000);
  clock.advance(999);
  await turn();
  expect(worked).toEqual([]);
  clock.advance(1);
  await turn();
  expect(worked).toEqual(['a']);
  expect(clock.nextDueMs).toBeUndefined();
});

test('a stopped queue lets go of its timers and begins nothing', async () => {
  const { clock, queue, worked } = queueOf(1);
  queue.start();
  queue.addAfter('a', 1_000);
  queue.add('b');
  queue.stop();
  clock.advance(2_000);
  await turn();
  expect(worked).toEqual([]);
  expect(queue.busy).toBe(0);
});
