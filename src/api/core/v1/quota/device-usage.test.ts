import { expect, test } from 'vitest';
import type { ResourceClaim } from '#api/resource/v1/resource-claim.ts';
import { deviceClaimEvaluator, ownerOf } from './device-usage.ts';

const owned = (annotations?: Record<string, string>) =>
  ({
    metadata: {
      name: 'a',
      namespace: 'default',
      annotations,
      ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: '1', controller: true }],
    },
    spec: {},
  }) as unknown as ResourceClaim;

test('for a claim that a template has made nobody looks for its pod, nor for the claims beside it', () => {
  const fail = () => expect.fail('this costs the more, the more claims there are');
  const evaluator = deviceClaimEvaluator({ classes: () => [], podOf: fail, claimsBeside: fail });
  expect(evaluator.usage(owned(), 0)).toEqual({ 'count/resourceclaims.resource.k8s.io': '1' });
  expect(ownerOf(owned())).toBeUndefined();
});

test('for one that stands for extended resources its pod is looked for', () => {
  expect(ownerOf(owned({ 'resource.kubernetes.io/extended-resource-claim': 'true' }))?.name).toBe('p');
});
