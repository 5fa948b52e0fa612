import { expect, test } from 'vitest';
import { environment } from './environment.ts';

test('x', () => {
  const env = environment({});
  const { program, issues } = env.compile('[1,2,3].map(x, x * 2).exists(y, y == 4) && "a" + "b" == "ab"');
  expect(issues).toBeUndefined();
  expect(program?.evaluate({})).toEqual({ value: true, cost: 1 });
});
