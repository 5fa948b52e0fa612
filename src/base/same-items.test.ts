import { expect, test } from 'vitest';
import { haveSameItems } from './same-items.ts';

const one = {};

test.each([
  { a: [], b: [], same: true },
  { a: [one, 'two'], b: [one, 'two'], same: true },
  { a: [one, 'two'], b: ['two', one], same: false },
  { a: [one], b: [one, one], same: false },
  { a: [one], b: [{}], same: false },
])('the lists $a and $b hold the same: $same', ({ a, b, same }) => {
  expect(haveSameItems(a, b)).toBe(same);
  expect(haveSameItems(a, a)).toBe(true);
});
