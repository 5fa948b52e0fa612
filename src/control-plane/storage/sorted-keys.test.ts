import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SortedKeys } from './sorted-keys.ts';

const key = fc.stringMatching(/^[ab/]{0,6}$/);

test('it holds what a sorted set holds', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.boolean(), key), { maxLength: 300 }),
      key,
      fc.option(key),
      (steps, prefix, after) => {
        const keys = new SortedKeys();
        const expected = new Set<string>();
        for (const [add, one] of steps) {
          expect(add ? keys.add(one) : keys.delete(one)).toBe(add ? !expected.has(one) : expected.has(one));
          if (add) expected.add(one);
          else expected.delete(one);
        }
        const behind = after ?? undefined;
        const found = [...keys.under(prefix, behind)];
        expect(found).toEqual(
          [...expected].filter((one) => one.startsWith(prefix) && (behind === undefined || one > behind)).sort(),
        );
        expect(keys.countUnder(prefix, behind)).toBe(found.length);
        expect(keys.size).toBe(expected.size);
      },
    ),
  );
});

test('many keys keep their order through splits and removals', () => {
  const keys = new SortedKeys();
  const all = Array.from({ length: 5000 }, (_, index) => `/a/${String((index * 7919) % 5000).padStart(4, '0')}`);
  for (const one of all) keys.add(one);
  for (const one of all.filter((_, index) => index % 3 === 0)) keys.delete(one);
  const expected = all.filter((_, index) => index % 3 !== 0).sort();
  expect([...keys.under('/a/')]).toEqual(expected);
  expect(keys.countUnder('/a/', expected[1000])).toBe(expected.length - 1001);
});
