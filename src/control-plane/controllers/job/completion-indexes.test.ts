import { expect, test } from 'vitest';
import { CompletionIndexes } from './completion-indexes.ts';

test.each([
  [[], ''],
  [[3], '3'],
  [[1, 2], '1,2'],
  [[5, 3, 4, 0, 7, 8], '0,3-5,7,8'],
  [[0, 0, 1, 2, 3], '0-3'],
])('%j is written as "%s" and read back', (indexes, text) => {
  const set = CompletionIndexes.of(indexes);
  expect(`${set}`).toBe(text);
  expect(`${CompletionIndexes.parse(text, 100)}`).toBe(text);
  expect(set.size).toBe(new Set(indexes).size);
  for (const index of indexes) expect(set.has(index)).toBe(true);
});

test('what is at or above the completions is not read, nor what is no number', () => {
  expect(`${CompletionIndexes.parse('1-9,12', 5)}`).toBe('1-4');
  expect(`${CompletionIndexes.parse('x,-1,2-,3', 5)}`).toBe('3');
});

test('sets are united, and know how much they share', () => {
  const [a, b] = [CompletionIndexes.parse('0-3,8', 10), CompletionIndexes.parse('2-5,8,9', 10)];
  expect(`${a.with(b)}`).toBe('0-5,8,9');
  expect(a.overlap(b)).toBe(3);
});
