import { expect, test } from 'vitest';
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { StorageClass } from '#api/storage/v1/storage-class.ts';
import { pod, startCluster } from '#testing/cluster.ts';
import { claim, eventsAbout, storageClass, volume } from '#testing/volumes-fixture.ts';
import { claimBinder } from './claim-binder.ts';
import { ephemeralVolumes } from './ephemeral-volumes.ts';
import { volumeExpander } from './volume-expander.ts';

const template = {
  metadata: { labels: { of: 'scratch' } },
  spec: { accessModes: ['ReadWriteOnce' as const], resources: { requests: { storage: '1Gi' } } },
};
const withScratch = () =>
  pod('web', {
    containers: [{ name: 'main', image: 'i' }],
    volumes: [{ name: 'scratch', ephemeral: { volumeClaimTemplate: template } }],
  });

test('a pod gets a claim for its ephemeral volume, and again when that has gone', async () => {
  await using cluster = await startCluster({ rbac: true, controllers: [ephemeralVolumes] });
  const { metadata } = await cluster.create(Pod, withScratch());
  await cluster.settles();
  const made = cluster.get(PersistentVolumeClaim, 'default/web-scratch')!;
  expect(made.metadata.labels).toEqual({ of: 'scratch' });
  expect(made.metadata.ownerReferences).toEqual([
    {
      apiVersion: 'v1',
      kind: 'Pod',
      name: 'web',
      uid: metadata.uid,
      controller: true,
      blockOwnerDeletion: true,
    },
  ]);
  await cluster.patch(PersistentVolumeClaim, 'default/web-scratch', { metadata: { finalizers: null } });
  await cluster.delete(PersistentVolumeClaim, 'default/web-scratch');
  await cluster.settles();
  expect(cluster.get(PersistentVolumeClaim, 'default/web-scratch')?.metadata.uid).not.toBe(made.metadata.uid);
});

test('a claim of that name that is somebody else’s is not taken', async () => {
  await using cluster = await startCluster({ controllers: [ephemeralVolumes] });
  await cluster.create(PersistentVolumeClaim, claim('web-scratch'));
  await cluster.create(Pod, withScratch());
  await cluster.settles();
  expect(eventsAbout(cluster, 'web')).toEqual([
    'Warning FailedBinding ephemeral volume scratch: PVC default/web-scratch was not created for pod default/web (pod is not owner)',
  ]);
});

test('who asks for more is told who makes it so', async () => {
  await using cluster = await startCluster({ rbac: true, controllers: [claimBinder, volumeExpander] });
  await cluster.create(StorageClass, storageClass('disks', { allowVolumeExpansion: true }));
  await cluster.create(PersistentVolume, volume('v', { storageClassName: 'disks' }));
  await cluster.settles();
  const made = cluster.get(PersistentVolume, 'v')!;
  await cluster.updateStatus(PersistentVolume, { ...made, status: { phase: 'Available' } });
  await cluster.create(PersistentVolumeClaim, claim('data', { storageClassName: 'disks' }));
  await cluster.settles();
  expect(eventsAbout(cluster, 'data')).toEqual([]);
  await cluster.patch(PersistentVolumeClaim, 'default/data', { spec: { resources: { requests: { storage: '2Gi' } } } });
  await cluster.settles();
  expect(eventsAbout(cluster, 'data')).toEqual([
    'Normal ExternalExpanding waiting for an external controller to expand this PVC',
  ]);
  expect(cluster.get(PersistentVolumeClaim, 'default/data')?.status?.capacity).toEqual({ storage: '1Gi' });
});
