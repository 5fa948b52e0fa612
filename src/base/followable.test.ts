import { expect, test } from 'vitest';
import { deferred } from './deferred.ts';
import { type Followable, follow, followOpened } from './followable.ts';

/** Gives 1, 2, 3 and waits then, until it is ended. */
function counting() {
  const left = [1, 2, 3];
  const over = deferred<void>();
  const ended = { count: 0 };
  const iterator: AsyncIterator<number> = {
    async next() {
      const value = left.shift();
      if (value !== undefined) return { done: false, value };
      await over.promise;
      return { done: true, value: undefined };
    },
    async return() {
      ended.count++;
      over.resolve();
      return { done: true, value: undefined };
    },
  };
  return { items: { [Symbol.asyncIterator]: () => iterator }, over, ended };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('who is told gets all that there is, in order, and the end', async () => {
  const { items, over } = counting();
  const taken: number[] = [];
  const { ended } = follow(items, (item) => taken.push(item));
  await turn();
  over.resolve();
  await ended;
  expect(taken).toEqual([1, 2, 3]);
});

test('nothing is taken any more once it was stopped, and what is followed is ended, also while it waits', async () => {
  const { items, ended: ends } = counting();
  const taken: number[] = [];
  const { ended, stop } = follow(items, (item) => taken.push(item));
  await turn();
  stop();
  stop();
  await ended;
  expect(taken).toEqual([1, 2, 3]);
  expect(ends.count).toBe(1);
});

test('what the taker throws is the end', async () => {
  const { items, ended: ends } = counting();
  const { ended } = follow(items, () => {
    throw new TypeError('a bug');
  });
  await expect(ended).rejects.toThrow('a bug');
  expect(ends.count).toBe(1);
});

test('what cannot be opened has ended with the reason', async () => {
  const { ended } = followOpened(Promise.reject(new RangeError('refused')), () => undefined);
  await expect(ended).rejects.toThrow('refused');
});

test('what is stopped while it is being opened is stopped when it is open', async () => {
  const opening = deferred<Followable<number>>();
  const { items, ended: ends } = counting();
  const taken: number[] = [];
  const { ended, stop } = followOpened(opening.promise, (item) => taken.push(item));
  stop();
  opening.resolve(items);
  await ended;
  expect(taken).toEqual([]);
  expect(ends.count).toBeGreaterThan(0);
});
