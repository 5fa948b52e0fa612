import { describe, expect, test } from 'vitest';
import type { PersistentVolume, PersistentVolumeClaim, Pod, StorageClass } from '#api/generated/schema.ts';
import {
  BIND_COMPLETED,
  BOUND_BY_CONTROLLER,
  boundToClaim,
  claimNameOf,
  classOfClaim,
  findMatchingVolume,
  isBindingDelayed,
  isBoundTo,
  isFullyBound,
  isReachableFrom,
  type Matching,
  notMadeFor,
} from './persistent-volume-matching.ts';

const claimOf = (spec: object = {}, metadata: object = {}) =>
  ({
    metadata: { name: 'data', namespace: 'default', uid: 'u1', resourceVersion: '7', ...metadata },
    spec: {
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: '1Gi' } },
      volumeMode: 'Filesystem',
      storageClassName: 'fast',
      ...spec,
    },
  }) as unknown as PersistentVolumeClaim;

const volumeOf = (name: string, spec: object = {}, more: { metadata?: object; phase?: string } = {}) =>
  ({
    metadata: { name, ...more.metadata },
    spec: {
      capacity: { storage: '1Gi' },
      accessModes: ['ReadWriteOnce', 'ReadOnlyMany'],
      volumeMode: 'Filesystem',
      storageClassName: 'fast',
      ...spec,
    },
    status: { phase: more.phase ?? 'Available' },
  }) as unknown as PersistentVolume;

const inZone = (zone: string) => ({
  nodeAffinity: {
    required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', operator: 'In', values: [zone] }] }] },
  },
});
const refTo = (uid?: string, name = 'data') => ({ claimRef: { name, namespace: 'default', ...(uid && { uid }) } });

describe('a claim', () => {
  test.each<[string, PersistentVolume[], Matching, string | undefined, object?]>([
    ['gets a volume that is large enough', [volumeOf('a')], {}, 'a'],
    ['gets none that is too small', [volumeOf('a', { capacity: { storage: '1Mi' } })], {}, undefined],
    [
      'gets the smallest',
      [
        volumeOf('a', { capacity: { storage: '5Gi' } }),
        volumeOf('b', { capacity: { storage: '2Gi' } }),
        volumeOf('c', { capacity: { storage: '3Gi' } }),
      ],
      {},
      'b',
    ],
    ['gets the first of equal ones', [volumeOf('a'), volumeOf('b')], {}, 'a'],
    ['gets none of another class', [volumeOf('a', { storageClassName: 'slow' })], {}, undefined],
    ['gets none that is not Available', [volumeOf('a', {}, { phase: 'Released' })], {}, undefined],
    ['gets none that is going', [volumeOf('a', {}, { metadata: { deletionTimestamp: 'x' } })], {}, undefined],
    ['gets none of another mode', [volumeOf('a', { volumeMode: 'Block' })], {}, undefined],
    ['gets none of other attributes', [volumeOf('a', { volumeAttributesClassName: 'gold' })], {}, undefined],
    ['gets none of another claim', [volumeOf('a', refTo(undefined, 'other'))], {}, undefined],
    ['gets none that is kept for an older claim of its name', [volumeOf('a', refTo('u0'))], {}, undefined],
    [
      'gets the one that names it before a smaller one, whatever its phase and class',
      [
        volumeOf('a'),
        volumeOf('b', { ...refTo(), capacity: { storage: '9Gi' }, storageClassName: 'slow' }, { phase: 'Pending' }),
      ],
      {},
      'b',
    ],
    ['gets none that is taken', [volumeOf('a'), volumeOf('b')], { taken: new Set(['a']) }, 'b'],
    ['waiting for a node gets no free one', [volumeOf('a')], { isDelayed: true }, undefined],
    ['waiting for a node gets the one that names it', [volumeOf('a', refTo())], { isDelayed: true }, 'a'],
    [
      'gets one that the node reaches',
      [volumeOf('a', inZone('x')), volumeOf('b', { ...inZone('y'), capacity: { storage: '9Gi' } })],
      { nodeLabels: { zone: 'y' }, isDelayed: true },
      'b',
    ],
    [
      'gets nothing when the one that names it is out of reach',
      [volumeOf('a', { ...inZone('x'), ...refTo() }), volumeOf('b')],
      { nodeLabels: { zone: 'y' } },
      undefined,
    ],
    [
      'on a node needs its access modes',
      [volumeOf('a', { accessModes: ['ReadOnlyMany'] })],
      { nodeLabels: {} },
      undefined,
    ],
    ['without a node is not asked for access modes', [volumeOf('a', { accessModes: ['ReadOnlyMany'] })], {}, 'a'],
    [
      'gets what its selector matches',
      [volumeOf('a'), volumeOf('b', {}, { metadata: { labels: { tier: 'db' } } })],
      {},
      'b',
      { selector: { matchLabels: { tier: 'db' } } },
    ],
    [
      'of no class gets a volume of no class',
      [volumeOf('a'), volumeOf('b', { storageClassName: undefined })],
      {},
      'b',
      {
        storageClassName: '',
      },
    ],
  ])('%s', (_, volumes, options, expected, spec) => {
    expect(findMatchingVolume(claimOf(spec), volumes, options)?.metadata.name).toBe(expected);
  });

  test('takes its class from the old annotation first', () => {
    const annotations = { 'volume.beta.kubernetes.io/storage-class': 'old' };
    expect(classOfClaim(claimOf({}, { annotations }))).toBe('old');
    expect(classOfClaim(claimOf())).toBe('fast');
    expect(classOfClaim(claimOf({ storageClassName: undefined }))).toBe('');
  });

  test('waits for a node when its class says so, not when there is no such class', () => {
    const waiting = { volumeBindingMode: 'WaitForFirstConsumer' } as StorageClass;
    expect(isBindingDelayed(claimOf(), () => waiting)).toBe(true);
    expect(isBindingDelayed(claimOf(), () => ({ ...waiting, volumeBindingMode: 'Immediate' }))).toBe(false);
    expect(isBindingDelayed(claimOf(), () => undefined)).toBe(false);
    expect(isBindingDelayed(claimOf({ storageClassName: '' }), () => waiting)).toBe(false);
  });

  test('is bound when it names a volume and the binder is done', () => {
    const annotations = { [BIND_COMPLETED]: 'yes' };
    expect(isFullyBound(claimOf({ volumeName: 'a' }, { annotations }))).toBe(true);
    expect(isFullyBound(claimOf({ volumeName: 'a' }))).toBe(false);
    expect(isFullyBound(claimOf({}, { annotations }))).toBe(false);
  });
});

test('a bound volume names its claim whole, and who bound it unless a user did', () => {
  const bound = boundToClaim(volumeOf('a'), claimOf());
  expect(bound.metadata.annotations).toEqual({ [BOUND_BY_CONTROLLER]: 'yes' });
  expect(bound.spec.claimRef).toEqual({
    kind: 'PersistentVolumeClaim',
    apiVersion: 'v1',
    name: 'data',
    namespace: 'default',
    uid: 'u1',
    resourceVersion: '7',
  });
  expect(isBoundTo(bound, claimOf())).toBe(true);
  expect(boundToClaim(bound, claimOf())).toBe(bound);
  const byUser = boundToClaim(volumeOf('a', refTo()), claimOf());
  expect(byUser.metadata.annotations).toBeUndefined();
  expect(byUser.spec.claimRef?.uid).toBe('u1');
});

test('a volume is reached by labels: every requirement of one term; a term of a name by nobody', () => {
  expect(isReachableFrom(volumeOf('a'), {})).toBe(true);
  expect(isReachableFrom(volumeOf('a', inZone('x')), { zone: 'x' })).toBe(true);
  expect(isReachableFrom(volumeOf('a', inZone('x')), { zone: 'y' })).toBe(false);
  expect(isReachableFrom(volumeOf('a', inZone('x')))).toBe(false);
  const named = [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['node1'] }] }];
  expect(isReachableFrom(volumeOf('a', { nodeAffinity: { required: { nodeSelectorTerms: named } } }))).toBe(false);
});

test('an ephemeral volume is a claim named after pod and volume, and the pod must own it', () => {
  const pod = { metadata: { name: 'web', namespace: 'default', uid: 'p1' } } as Pod;
  expect(claimNameOf(pod, { name: 'scratch', ephemeral: {} })).toBe('web-scratch');
  expect(claimNameOf(pod, { name: 'v', persistentVolumeClaim: { claimName: 'data' } })).toBe('data');
  expect(claimNameOf(pod, { name: 'v', emptyDir: {} })).toBeUndefined();
  const owner = { apiVersion: 'v1', kind: 'Pod', name: 'web', uid: 'p1', controller: true };
  expect(notMadeFor(pod, claimOf({}, { ownerReferences: [owner] }))).toBeUndefined();
  expect(notMadeFor(pod, claimOf({}, { name: 'web-scratch' }))).toBe(
    'PVC default/web-scratch was not created for pod default/web (pod is not owner)',
  );
});
