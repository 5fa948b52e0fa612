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

test('a long text is found each time: who chooses it does not choose how much memory it takes', () => {
  const lengthOf = vi.fn((key: string) => key.length);
  const [long, longer] = ['x'.repeat(1_000), 'x'.repeat(1_001)];
  expect([long, long, longer, longer].map(remembering(lengthOf, { most: 10 }))).toEqual([1_000, 1_000, 1_001, 1_001]);
  expect(lengthOf).toHaveBeenCalledTimes(3);
  lengthOf.mockClear();
  expect([longer, longer].map(remembering(lengthOf, { most: 10, longest: 2_000 }))).toEqual([1_001, 1_001]);
  expect(lengthOf).toHaveBeenCalledTimes(1);
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
