import { expect, test } from 'vitest';
import type { PodSpec } from '#api/generated/schema.ts';
import { withoutDisabledFields } from './disabled-fields.ts';

const spec = (containers: object[]): PodSpec => ({ containers }) as unknown as PodSpec;

test('a stop signal is dropped without a word, as long as ContainerStopSignals is alpha; hooks beside it stay', () => {
  const preStop = { sleep: { seconds: 1 } };
  const given = spec([
    { name: 'a', lifecycle: { stopSignal: 'SIGUSR1' } },
    { name: 'b', lifecycle: { stopSignal: 'SIGUSR1', preStop } },
  ]);
  expect(withoutDisabledFields(given)).toEqual(spec([{ name: 'a' }, { name: 'b', lifecycle: { preStop } }]));
});

test('a pod that uses nothing of it stays the very same', () => {
  const given = spec([{ name: 'a', lifecycle: { preStop: { sleep: { seconds: 1 } } } }]);
  expect(withoutDisabledFields(given)).toBe(given);
});
