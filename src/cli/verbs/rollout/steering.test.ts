import { expect, test } from 'vitest';
import { refuseSecondRestart } from './steering.ts';

const restartedAt = (time: string) => ({
  spec: { template: { metadata: { annotations: { 'kubectl.kubernetes.io/restartedAt': time } } } },
});

test('a restart that its second has seen is refused, as it would change nothing', () => {
  const restart = (before: object) =>
    refuseSecondRestart({ object: before, name: 'web' }, restartedAt('2026-01-01T00:00:01Z'));
  expect(() => restart(restartedAt('2026-01-01T00:00:01Z'))).toThrow(
    'failed to create patch for web: if restart has already been triggered within the past second',
  );
  expect(() => restart(restartedAt('2026-01-01T00:00:00Z'))).not.toThrow();
  expect(() => restart({ spec: { template: {} } })).not.toThrow();
});
