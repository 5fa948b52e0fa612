import { expect, test } from 'vitest';
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { VolumeAttributesClass } from '#api/storage/v1/volume-attributes-class.ts';
import { pod, startCluster, type TestCluster } from '#testing/cluster.ts';
import { attributesClassProtection } from './attributes-class-protection.ts';
import { claimProtection } from './claim-protection.ts';
import { volumeProtection } from './volume-protection.ts';

const start = () => startCluster({ controllers: [claimProtection, volumeProtection, attributesClassProtection] });

const claim = (more: object = {}) => ({
  metadata: { name: 'data', namespace: 'default' },
  spec: { accessModes: ['ReadWriteOnce' as const], resources: { requests: { storage: '1Gi' } }, ...more },
});
const mounting = (name: string, spec: object = {}) =>
  pod(name, {
    containers: [{ name: 'main', image: 'i' }],
    volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }],
    ...spec,
  });
const claimIn = (cluster: TestCluster) => cluster.get(PersistentVolumeClaim, 'default/data');

test('a claim is born with the finalizer, and goes at once when nobody uses it', async () => {
  await using cluster = await start();
  const made = await cluster.create(PersistentVolumeClaim, claim());
  expect(made.metadata.finalizers).toEqual(['kubernetes.io/pvc-protection']);
  await cluster.create(Pod, mounting('unscheduled'));
  await cluster.delete(PersistentVolumeClaim, 'default/data');
  await cluster.settles();
  expect(claimIn(cluster)).toBeUndefined();
});

test('a claim that a pod on a node uses stays until the pod has gone', async () => {
  await using cluster = await start();
  await cluster.create(PersistentVolumeClaim, claim());
  await cluster.create(Pod, mounting('web', { nodeName: 'one' }));
  await cluster.delete(PersistentVolumeClaim, 'default/data');
  await cluster.settles();
  expect(claimIn(cluster)?.metadata.deletionTimestamp).toBeDefined();
  await cluster.delete(Pod, 'default/web', { gracePeriodSeconds: 0 });
  await cluster.settles();
  expect(claimIn(cluster)).toBeUndefined();
});

test('a volume stays as long as it is bound', async () => {
  await using cluster = await start();
  const made = await cluster.create(PersistentVolume, {
    metadata: { name: 'v' },
    spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/v' } },
  });
  expect(made.metadata.finalizers).toEqual(['kubernetes.io/pv-protection']);
  await cluster.updateStatus(PersistentVolume, { ...made, status: { phase: 'Bound' } });
  await cluster.delete(PersistentVolume, 'v');
  await cluster.settles();
  const bound = cluster.get(PersistentVolume, 'v')!;
  expect(bound.metadata.deletionTimestamp).toBeDefined();
  await cluster.updateStatus(PersistentVolume, { ...bound, status: { phase: 'Released' } });
  await cluster.settles();
  expect(cluster.get(PersistentVolume, 'v')).toBeUndefined();
});

test('a class of attributes stays as long as a claim names it', async () => {
  await using cluster = await start();
  const made = await cluster.create(VolumeAttributesClass, {
    metadata: { name: 'fast' },
    driverName: 'example.org',
    parameters: { iops: '1' },
  });
  expect(made.metadata.finalizers).toEqual(['kubernetes.io/vac-protection']);
  await cluster.create(PersistentVolumeClaim, claim({ volumeAttributesClassName: 'fast' }));
  await cluster.delete(VolumeAttributesClass, 'fast');
  await cluster.settles();
  expect(cluster.get(VolumeAttributesClass, 'fast')).toBeDefined();
  await cluster.delete(PersistentVolumeClaim, 'default/data');
  await cluster.settles();
  expect(cluster.get(VolumeAttributesClass, 'fast')).toBeUndefined();
});
