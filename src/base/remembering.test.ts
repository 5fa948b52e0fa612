import { expect, test, vi } from 'vitest';
import { remembering } from './remembering.ts';

test('what was found is not looked for again, nothing included', () => {
  const find = vi.fn((key: string) => (key === 'none' ? undefined : key.length));
  const found = remembering(find, { most: 10 });
  expect([found('ab'), found('none'), found('ab'), found('none')]).toEqual([2, undefined, 2, undefined]);
  expect(find.mock.calls).toEqual([['ab'], ['none']]);
});

test('of more than so many all are forgotten', () => {
  const find = vi.fn((key: number) => key * 2);
  const found = remembering(find, { most: 2 });
  expect([1, 2, 3, 3, 1].map(found)).toEqual([2, 4, 6, 6, 2]);
  expect(find.mock.calls).toEqual([[1], [2], [3], [1]]);
});

test('what is not worth its room is found each time', () => {
  const find = vi.fn((key: string) => key.toUpperCase());
  const found = remembering(find, { most: 10, isKept: (key, value) => key.length < 3 && value !== 'B' });
  expect(['a', 'a', 'b', 'b', 'long', 'long'].map(found)).toEqual(['A', 'A', 'B', 'B', 'LONG', 'LONG']);
  expect(find).toHaveBeenCalledTimes(5);
});

test('what failed is not remembered', () => {
  const find = vi.fn((_key: string): string => {
    throw new Error('no');
  });
  const found = remembering(find, { most: 10 });
  expect(() => found('a')).toThrow('no');
  expect(() => found('a')).toThrow('no');
  expect(find).toHaveBeenCalledTimes(2);
});
