import { expect, test } from 'vitest';
import { canaryOf, takesCanary } from './canary.ts';
import { rewritePath } from './rewrite-path.ts';
import { holds } from './route-conditions.ts';

/** Each character may be looked at in each of thousands of steps: minutes for the longest that can be asked. */
const SLOW = '(.?){1000}'.repeat(5);
const [short, long] = ['a'.repeat(100), 'a'.repeat(30_000)];

test('an expression that would take a process long does not match', () => {
  const condition = { headers: [{ name: 'x-try', value: `${SLOW}.*`, isRegex: true }], query: [] };
  const holdsFor = (said: string) => holds(condition, { method: 'GET', headers: { 'x-try': said }, query: '' });
  expect([holdsFor(short), holdsFor(long)]).toEqual([true, false]);

  const canary = canaryOf('next', {
    'nginx.ingress.kubernetes.io/canary-by-header': 'x-try',
    'nginx.ingress.kubernetes.io/canary-by-header-pattern': SLOW,
  });
  const takes = (said: string) => takesCanary(canary, { header: () => said, cookie: () => undefined }, () => 0.5);
  expect([takes(short), takes(long)]).toEqual([true, false]);

  expect([rewritePath(SLOW, short, undefined), rewritePath(SLOW, long, undefined)]).toEqual([true, undefined]);
});

test('one that many write takes the longest path and header', () => {
  expect(rewritePath('/api(/|$)(.*)', `/api/${long}`, '/$2')).toBe(`/${long}`);
  const condition = { headers: [{ name: 'x-try', value: '^(a|b)[a-z]+$', isRegex: true }], query: [] };
  expect(holds(condition, { method: 'GET', headers: { 'x-try': long }, query: '' })).toBe(true);
});
