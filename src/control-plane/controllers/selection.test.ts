import { expect, test } from 'vitest';
import { controllersFor } from './index.ts';
import { complaintsAbout, isSelected } from './selection.ts';

const names = controllersFor({ rootCa: 'PEM' }).map(({ name }) => name);

test.each([
  [['*'], 'job-controller', true],
  [['*'], 'token-cleaner-controller', false],
  [['*', 'token-cleaner-controller'], 'token-cleaner-controller', true],
  [['*', 'tokencleaner'], 'token-cleaner-controller', true],
  [['*', '-job-controller'], 'job-controller', false],
  [['*', '-job'], 'job-controller', false],
  [['-job', '*', 'job'], 'job-controller', false],
  [['deployment'], 'deployment-controller', true],
  [['deployment'], 'job-controller', false],
  [[], 'job-controller', false],
])('of %j %s runs: %s', (list, name, runs) => {
  expect(isSelected(name, list)).toBe(runs);
});

test('names that nobody knows are refused with upstream’s words, each by itself', () => {
  expect(
    complaintsAbout(['*', '-foo', 'job', '-ttl', 'constructor', 'bar', '-selinux-warning-controller'], names),
  ).toEqual([
    '"foo" is not in the list of known controllers',
    '"constructor" is not in the list of known controllers',
    '"bar" is not in the list of known controllers',
  ]);
});

test('every controller can be switched off by its name', () => {
  for (const name of names) expect(complaintsAbout([`-${name}`], names)).toEqual([]);
  expect(names).toContain('endpointslice-mirroring-controller');
});
