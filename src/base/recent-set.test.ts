import { expect, test } from 'vitest';
import { RecentSet } from './recent-set.ts';

test('of more than so many the one that was added longest ago goes', () => {
  const recent = new RecentSet<string>(2);
  recent.add('a');
  recent.add('b');
  recent.add('a');
  recent.add('c');
  expect(['a', 'b', 'c'].map((value) => recent.has(value))).toEqual([true, false, true]);
});
