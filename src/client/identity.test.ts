import { expect, test } from 'vitest';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Node } from '#api/core/v1/node.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { identitiesOf } from './identity.ts';

const identityOf = identitiesOf(ConfigMap as unknown as Kind);
const standing = { namespace: 'a', uid: 'u', resourceVersion: '7', creationTimestamp: '2026-01-01T00:00:00Z' };

test('an identity says who an object is and whose, and nothing else of it', () => {
  const ownerReferences = [{ apiVersion: 'v1', kind: 'Pod', name: 'owner', uid: 'o' }];
  const metadata = { name: 'one', ...standing, finalizers: ['x/y'], ownerReferences, labels: { a: 'b' } };
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { a: 'b' } } as unknown as KubeObject;
  expect(identityOf(object)).toEqual({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'one', namespace: 'a', uid: 'u', resourceVersion: '7', finalizers: ['x/y'], ownerReferences },
  });
});

test('an object of no namespace has none', () => {
  const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n', uid: 'u', resourceVersion: '1' } };
  const identity = identitiesOf(Node as unknown as Kind)(node as unknown as KubeObject);
  expect(Object.keys(identity.metadata)).toEqual(['name', 'uid', 'resourceVersion']);
});

test('it is frozen through', () => {
  const identity = identityOf({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'one', ...standing } } as never);
  expect(Object.isFrozen(identity) && Object.isFrozen(identity.metadata)).toBe(true);
});
