import { expect, test } from 'vitest';
import { Node } from '#api/core/v1/node.ts';
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { StatusError } from '#api/machinery/status.ts';
import { StorageClass } from '#api/storage/v1/storage-class.ts';
import { node, startCluster } from '#testing/cluster.ts';
import { claim, eventsAbout, storageClass } from '#testing/volumes-fixture.ts';
import { claimProtection } from '../storage-protection/claim-protection.ts';
import { volumeProtection } from '../storage-protection/volume-protection.ts';
import { claimBinder } from './claim-binder.ts';
import { localPathEraser } from './local-path-eraser.ts';
import { localPathProvisioner } from './local-path-provisioner.ts';
import { volumeReclaimer } from './volume-reclaimer.ts';

const SELECTED = { annotations: { 'volume.kubernetes.io/selected-node': 'n1' } };

async function start(more: object = {}) {
  const erased: string[] = [];
  const failures: Error[] = [];
  const folders = {
    async erase({ metadata }: Node, folder: string) {
      const failure = failures.shift();
      if (failure) throw failure;
      erased.push(`${metadata.name} ${folder}`);
    },
  };
  const cluster = await startCluster({
    rbac: true,
    controllers: [
      claimBinder,
      volumeReclaimer,
      claimProtection,
      volumeProtection,
      localPathProvisioner,
      localPathEraser(folders),
    ],
  });
  await cluster.create(Node, node('n1'));
  await cluster.create(
    StorageClass,
    storageClass('local-path', {
      provisioner: 'local-path.kedge.dev',
      volumeBindingMode: 'WaitForFirstConsumer',
      allowVolumeExpansion: true,
      ...more,
    }),
  );
  return Object.assign(cluster, { erased, failures });
}
const wanting = (spec: object = {}) => claim('data', { storageClassName: 'local-path', ...spec }, SELECTED);

test('a claim gets a folder of the node that was selected for its first pod', async () => {
  await using cluster = await start();
  await cluster.create(PersistentVolumeClaim, claim('data', { storageClassName: 'local-path' }));
  await cluster.settles();
  expect(cluster.list(PersistentVolume)).toEqual([]);

  await cluster.patch(PersistentVolumeClaim, 'default/data', { metadata: SELECTED });
  await cluster.settles();
  const bound = cluster.get(PersistentVolumeClaim, 'default/data')!;
  const name = `pvc-${bound.metadata.uid}`;
  expect(bound.status).toMatchObject({ phase: 'Bound', capacity: { storage: '1Gi' } });
  expect(bound.spec.volumeName).toBe(name);
  expect(cluster.get(PersistentVolume, name)?.spec).toMatchObject({
    csi: { driver: 'local-path.kedge.dev', volumeHandle: name },
    persistentVolumeReclaimPolicy: 'Delete',
    storageClassName: 'local-path',
    nodeAffinity: {
      required: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['n1'] }] }],
      },
    },
  });
  expect(eventsAbout(cluster, 'data')).toEqual(
    expect.arrayContaining([
      'Normal Provisioning External provisioner is provisioning volume for claim "default/data"',
      `Normal ProvisioningSucceeded Successfully provisioned volume ${name}`,
    ]),
  );
});

test('the folder is erased before its volume goes, and tried again when its node cannot', async () => {
  await using cluster = await start();
  await cluster.create(PersistentVolumeClaim, wanting());
  await cluster.settles();
  const [{ metadata }] = cluster.list(PersistentVolume) as [PersistentVolume];
  cluster.failures.push(new StatusError('ServiceUnavailable', 'error trying to reach service: no route to host'));
  await cluster.delete(PersistentVolumeClaim, 'default/data');
  await cluster.settles();
  expect(cluster.erased).toEqual([]);
  expect(cluster.list(PersistentVolume).map(({ status }) => status?.phase)).toEqual(['Released']);
  expect(eventsAbout(cluster, metadata.name)).toEqual([
    'Warning VolumeFailedDelete error trying to reach service: no route to host',
  ]);
  await cluster.clock.advance(10_000);
  await cluster.settles();
  expect(new Set(cluster.erased)).toEqual(new Set([`n1 ${metadata.name}`]));
  expect(cluster.list(PersistentVolume)).toEqual([]);
});

test('the folder of a node that has left the cluster holds nothing up', async () => {
  await using cluster = await start();
  await cluster.create(PersistentVolumeClaim, wanting());
  await cluster.settles();
  await cluster.delete(Node, 'n1');
  await cluster.delete(PersistentVolumeClaim, 'default/data');
  await cluster.settles();
  expect(cluster.list(PersistentVolume)).toEqual([]);
  expect(cluster.erased).toEqual([]);
});

test('with the policy Retain the volume and its folder stay', async () => {
  await using cluster = await start({ reclaimPolicy: 'Retain' });
  await cluster.create(PersistentVolumeClaim, wanting());
  await cluster.settles();
  await cluster.delete(PersistentVolumeClaim, 'default/data');
  await cluster.settles();
  expect(cluster.erased).toEqual([]);
  const [left] = cluster.list(PersistentVolume) as [PersistentVolume];
  expect(left.status?.phase).toBe('Released');
  await cluster.delete(PersistentVolume, left.metadata.name);
  await cluster.settles();
  expect(cluster.list(PersistentVolume)).toEqual([]);
});

test('a claim grows with its volume', async () => {
  await using cluster = await start();
  await cluster.create(PersistentVolumeClaim, wanting());
  await cluster.settles();
  await cluster.patch(PersistentVolumeClaim, 'default/data', { spec: { resources: { requests: { storage: '3Gi' } } } });
  await cluster.settles();
  expect(cluster.get(PersistentVolumeClaim, 'default/data')?.status?.capacity).toEqual({ storage: '3Gi' });
  expect(cluster.list(PersistentVolume)[0]?.spec.capacity).toEqual({ storage: '3Gi' });
  expect(eventsAbout(cluster, 'data')).toContain('Normal VolumeResizeSuccessful Resize volume succeeded');
});

for (const { what, spec, why } of [
  {
    what: 'for many nodes',
    spec: { accessModes: ['ReadWriteMany'] },
    why: 'a folder of one node can only have the access modes ReadWriteOnce and ReadWriteOncePod, not ReadWriteMany',
  },
  {
    what: 'as a block device',
    spec: { volumeMode: 'Block' },
    why: 'a folder is no block device: volumeMode must be Filesystem',
  },
])
  test(`a folder cannot be had ${what}`, async () => {
    await using cluster = await start();
    await cluster.create(PersistentVolumeClaim, wanting(spec));
    await cluster.settles();
    expect(cluster.list(PersistentVolume)).toEqual([]);
    expect(eventsAbout(cluster, 'data')).toContain(
      `Warning ProvisioningFailed failed to provision volume with StorageClass "local-path": ${why}`,
    );
  });

test('when the selected node is gone the scheduler is to choose again', async () => {
  await using cluster = await start();
  await cluster.delete(Node, 'n1');
  await cluster.create(PersistentVolumeClaim, wanting());
  await cluster.settles();
  expect(cluster.get(PersistentVolumeClaim, 'default/data')?.metadata.annotations).not.toHaveProperty([
    'volume.kubernetes.io/selected-node',
  ]);
});
