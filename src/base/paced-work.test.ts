import { expect, test } from 'vitest';
import { ManualClock } from './manual-clock.ts';
import { PacedWork } from './paced-work.ts';

/** Work of which each is done when it is told. */
function paced({ atOnce = 2, quickMs = 10, longestWaitMs = 1000, mostWaiting = 100 } = {}) {
  const clock = new ManualClock();
  const stopping = new AbortController();
  const work = new PacedWork({ clock, atOnce, quickMs, longestWaitMs, mostWaiting, signal: stopping.signal });
  const begun: number[] = [];
  const ends = new Map<number, () => void>();
  const add = (id: number) =>
    work.run(() => {
      begun.push(id);
      return new Promise<number>((resolve) => ends.set(id, () => resolve(id)));
    });
  return { clock, work, begun, add, end: (id: number) => ends.get(id)?.(), stop: () => stopping.abort() };
}

test('a few are under way at a time; the next begins when one is done', async () => {
  const { work, begun, add, end } = paced();
  const results = [1, 2, 3, 4].map(add);
  expect(begun).toEqual([1, 2]);
  end(2);
  await results[1];
  expect(begun).toEqual([1, 2, 3]);
  for (const id of [1, 3]) end(id);
  await Promise.all([results[0], results[2]]);
  end(4);
  expect(await Promise.all(results)).toEqual([1, 2, 3, 4]);
  expect(work.underWay).toBe(0);
});

test('as long as it takes long, one is under way at a time', async () => {
  const { clock, begun, add, end } = paced();
  const results = [1, 2, 3, 4, 5, 6].map(add);
  const ends = async (id: number) => {
    end(id);
    await results[id - 1];
  };
  clock.advance(11);
  await ends(1);
  expect(begun).toEqual([1, 2]);
  await ends(2);
  expect(begun).toEqual([1, 2, 3]);
  clock.advance(10);
  await ends(3);
  expect(begun).toEqual([1, 2, 3, 4, 5]);
  for (const id of [4, 5, 6]) await ends(id);
});

test('none waits for longer than it may, whatever is under way', () => {
  const { clock, begun, add } = paced();
  for (const id of [1, 2, 3]) void add(id);
  clock.advance(400);
  void add(4);
  clock.advance(599);
  expect(begun).toEqual([1, 2]);
  clock.advance(1);
  expect(begun).toEqual([1, 2, 3]);
  clock.advance(400);
  expect(begun).toEqual([1, 2, 3, 4]);
  expect(clock.nextDueMs).toBeUndefined();
});

test('of too many that wait the first begins', () => {
  const { begun, add } = paced({ mostWaiting: 2 });
  for (const id of [1, 2, 3, 4, 5]) void add(id);
  expect(begun).toEqual([1, 2, 3]);
});

test('what fails makes room as what succeeds does', async () => {
  const { clock, work } = { ...paced({ atOnce: 1 }) };
  const failing = work.run(() => Promise.reject(new Error('refused')));
  const next = work.run(() => Promise.resolve('done'));
  await expect(failing).rejects.toThrow('refused');
  expect(await next).toBe('done');
  expect(clock.nextDueMs).toBeUndefined(); // no timer is left behind
});

test('once it is stopped nothing waits, and no timer is left', () => {
  const { clock, begun, add, stop } = paced();
  for (const id of [1, 2, 3, 4]) void add(id);
  stop();
  expect(begun).toEqual([1, 2, 3, 4]);
  void add(5);
  expect(begun).toContain(5);
  expect(clock.nextDueMs).toBeUndefined();
});
