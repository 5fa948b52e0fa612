import { expect, test } from 'vitest';
import type { Pod, Secret, ServiceAccount } from '#api/generated/schema.ts';
import { fateOf, type Surroundings } from './legacy-token-cleaner.ts';

const NOW = Date.parse('2026-06-15T12:00:00Z');
const LAST_USED = 'kubernetes.io/legacy-token-last-used';
const INVALID_SINCE = 'kubernetes.io/legacy-token-invalid-since';

const token = (labels: Record<string, string> = {}, more: object = {}) =>
  ({
    metadata: {
      name: 'old',
      namespace: 'a',
      creationTimestamp: '2020-01-01T00:00:00Z',
      annotations: { 'kubernetes.io/service-account.uid': 'robot-uid' },
      labels,
      ...more,
    },
  }) as unknown as Secret;
const robot = (more: object = {}) =>
  ({ metadata: { name: 'robot', uid: 'robot-uid' }, secrets: [{ name: 'old' }], ...more }) as unknown as ServiceAccount;
const podWith = (spec: object) => ({ metadata: { name: 'web' }, spec: { containers: [], ...spec } }) as unknown as Pod;
const around = (more: Partial<Surroundings> = {}): Surroundings => ({
  trackedSince: '2024-01-01',
  account: robot(),
  pods: () => [],
  nowMs: NOW,
  ...more,
});

test.each([
  ['that nobody ever used', token(), 'mark'],
  ['that was used a year and a day ago', token({ [LAST_USED]: '2025-06-14' }), 'mark'],
  ['that was used a year ago', token({ [LAST_USED]: '2025-06-15' }), 'keep'],
  ['whose last use cannot be read', token({ [LAST_USED]: 'long-ago' }), 'keep'],
  ['that is younger than a year', token({}, { creationTimestamp: '2025-06-16T00:00:00Z' }), 'keep'],
  ['that is marked since a year and a day', token({ [INVALID_SINCE]: '2025-06-14' }), 'delete'],
  ['that is marked since a year', token({ [INVALID_SINCE]: '2025-06-15' }), 'keep'],
  ['that is marked with no date', token({ [INVALID_SINCE]: 'yes' }), 'mark'],
  ['that is marked and was used since', token({ [INVALID_SINCE]: '2025-01-01', [LAST_USED]: '2026-06-01' }), 'keep'],
])('a token %s', (_what, secret, fate) => {
  expect(fateOf(secret, around())).toBe(fate);
});

test.each([
  ['uses are noted for a year and a day', { trackedSince: '2025-06-14' }, 'mark'],
  ['uses are noted for a year', { trackedSince: '2025-06-15' }, 'keep'],
  ['nobody knows since when uses are noted', { trackedSince: undefined }, 'keep'],
  ['its account is gone', { account: undefined }, 'keep'],
  ['its account is another by now', { account: robot({ metadata: { name: 'robot', uid: 'x' } }) }, 'keep'],
  ['somebody made it by hand', { account: robot({ secrets: [] }) }, 'keep'],
  ['a pod mounts it', { pods: () => [podWith({ volumes: [{ name: 'v', secret: { secretName: 'old' } }] })] }, 'keep'],
  ['a pod pulls images with it', { pods: () => [podWith({ imagePullSecrets: [{ name: 'old' }] })] }, 'keep'],
  ['a pod has another', { pods: () => [podWith({ imagePullSecrets: [{ name: 'new' }] })] }, 'mark'],
])('an unused token when %s', (_when, more, fate) => {
  expect(fateOf(token(), around(more as Partial<Surroundings>))).toBe(fate);
});
