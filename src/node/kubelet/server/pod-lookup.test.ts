import { expect, test } from 'vitest';
import { findRunning } from './pod-lookup.ts';

test('of a container that does not run only that is said: clients put in front what they could not do', () => {
  const pod = { metadata: { name: 'p', uid: 'u' }, spec: { containers: [{ name: 'c' }] } };
  const found = { pod, now: { containers: [] } } as unknown as Parameters<typeof findRunning>[0];
  expect(() => findRunning(found, 'c')).toThrow(/^container not found \("c"\)$/);
});
