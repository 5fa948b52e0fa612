import { expect, test } from 'vitest';
import type { Json } from './json-value.ts';
import { applyMergePatch } from './merge-patch.ts';

test.each<[Json, Json, Json]>([
  [
    { a: 1, b: 2 },
    { a: null, c: 3 },
    { b: 2, c: 3 },
  ],
  [{ a: { b: 1, c: 2 } }, { a: { b: null } }, { a: { c: 2 } }],
  [{ a: [1, 2] }, { a: [3] }, { a: [3] }],
  [{ a: 'x' }, { a: { b: { c: null, d: 1 } } }, { a: { b: { d: 1 } } }],
])('a merge patch turns %j by %j into %j', (document, patch, expected) => {
  expect(applyMergePatch(document, patch)).toEqual(expected);
});
