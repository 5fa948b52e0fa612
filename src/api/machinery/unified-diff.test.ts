import { expect, test } from 'vitest';
import { differenceOf, unifiedDiff } from './unified-diff.ts';

const lines = (...list: (string | number)[]) => list.join('\n');

test('texts that are the same do not differ', () => {
  expect(unifiedDiff(lines(1, 2), lines(1, 2))).toBe('');
});

test('a change is told with three lines around it', () => {
  expect(unifiedDiff(lines(1, 2, 3, 4, 5, 6, 7, 8, 9), lines(1, 2, 3, 4, 'x', 6, 7, 8, 9))).toBe(
    '@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n',
  );
});

test('changes far from one another are told apart', () => {
  const many = Array.from({ length: 20 }, (_, i) => i + 1);
  expect(unifiedDiff(lines(...many), lines(0, ...many.slice(0, 19)))).toBe(
    '@@ -1,3 +1,4 @@\n+0\n 1\n 2\n 3\n@@ -17,4 +18,3 @@\n 17\n 18\n 19\n-20\n',
  );
});

test('a line that came, and one that went', () => {
  expect(unifiedDiff(lines('a'), lines('a', 'b'))).toBe('@@ -1 +1,2 @@\n a\n+b\n');
  expect(unifiedDiff(lines('a', 'b'), lines('b'))).toBe('@@ -1,2 +1 @@\n-a\n b\n');
});

test('JSON differs where its values do, not where its keys stand', () => {
  expect(differenceOf({ a: 1, b: [2] }, { b: [2], a: 1 })).toBe('');
  expect(differenceOf({ a: 1, b: [2] }, { b: [3], a: 1 })).toBe(
    '@@ -1,6 +1,6 @@\n {\n  "a": 1,\n  "b": [\n-  2\n+  3\n  ]\n }\n',
  );
});
