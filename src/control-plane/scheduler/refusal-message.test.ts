import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Refusal } from './cycle.ts';
import { histogram, refusalMessage } from './refusal-message.ts';
import { unresolvable, unschedulable } from './verdict.ts';

const saidOf = (all: readonly (readonly string[])[]): string => {
  const verdicts = new Map(
    all.map((reasons, at) => [at, at % 2 ? unresolvable(...reasons) : unschedulable(...reasons)]),
  );
  return refusalMessage({ nodeCount: all.length, verdicts, general: undefined } as unknown as Refusal, '');
};

test('what nodes say in turns is counted together', () => {
  const all = [['b', 'a'], ['a'], ['b'], ['b', 'a'], ['c']];
  expect(saidOf(all)).toBe('0/5 nodes are available: 1 c, 3 a, 3 b.');
});

test('each reason of each node counts, in whatever order they are told', () => {
  const reasons = fc.array(fc.constantFrom('Insufficient cpu', 'Too many pods', 'x'), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(fc.array(reasons, { minLength: 1 }), (all) => {
      expect(saidOf(all)).toBe(`0/${all.length} nodes are available: ${histogram(all.flat())}.`);
    }),
  );
});
