import { expect, test } from 'vitest';
import { atOnce, inTurns, piecewise } from './turns.ts';

function* work(done: string[]) {
  yield* piecewise(['a', 'b', 'c', 'd', 'e'], 2, (item) => void done.push(item));
  return done.length;
}

test('others have their turn between two pieces', async () => {
  const done: string[] = [];
  const seen: number[] = [];
  const ended = inTurns(work(done));
  for (let turn = 0; turn < 3; turn++) {
    seen.push(done.length);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await ended).toBe(5);
  expect(seen).toEqual([2, 4, 5]);
});

test('what is little is done at once', () => expect(atOnce(work([]))).toBe(5));
