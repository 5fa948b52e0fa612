import { expect, test } from 'vitest';
import type { PersistentVolume, Volume } from '#api/generated/schema.ts';
import { csiVolumeOf, driverInPlaceOf, inlineCsiVolumeOf } from './in-tree-volumes.ts';

const volume = (spec: object, labels: Record<string, string> = {}) =>
  ({ metadata: { name: 'v', labels }, spec }) as unknown as PersistentVolume;
const ZONE = 'topology.kubernetes.io/zone';
const disk = { gcePersistentDisk: { pdName: 'data' } };

test.each<[string, PersistentVolume, string | undefined]>([
  ['its own driver', volume({ csi: { driver: 'd', volumeHandle: 'h' } }), 'd/h'],
  ['EBS by id', volume({ awsElasticBlockStore: { volumeID: 'vol-12' } }), 'ebs.csi.aws.com/vol-12'],
  ['EBS by address', volume({ awsElasticBlockStore: { volumeID: 'aws://eu-1a/vol-12' } }), 'ebs.csi.aws.com/vol-12'],
  ['EBS by an address that is none', volume({ awsElasticBlockStore: { volumeID: 'aws://eu-1a/disk' } }), undefined],
  [
    'Azure',
    volume({ azureDisk: { diskName: 'd', diskURI: '/subscriptions/d' } }),
    'disk.csi.azure.com//subscriptions/d',
  ],
  ['Cinder', volume({ cinder: { volumeID: 'c' } }), 'cinder.csi.openstack.org/c'],
  ['Portworx', volume({ portworxVolume: { volumeID: 'p' } }), 'pxd.portworx.com/p'],
  ['GCE anywhere', volume(disk), 'pd.csi.storage.gke.io/projects/UNSPECIFIED/zones/UNSPECIFIED/disks/data'],
  [
    'GCE in a zone',
    volume(disk, { [ZONE]: 'europe-west1-b' }),
    'pd.csi.storage.gke.io/projects/UNSPECIFIED/zones/europe-west1-b/disks/data',
  ],
  [
    'GCE in a region',
    volume(disk, { [ZONE]: 'europe-west1-b__europe-west1-c' }),
    'pd.csi.storage.gke.io/projects/UNSPECIFIED/regions/europe-west1/disks/data',
  ],
  ['GCE in zones of two regions', volume(disk, { [ZONE]: 'europe-west1-b__us-east1-c' }), undefined],
  ['NFS by nobody', volume({ nfs: { server: 's', path: '/' } }), undefined],
])('a volume is known to a CSI driver: %s', (_, given, wanted) => {
  const found = csiVolumeOf(given);
  expect(found && `${found.driver}/${found.handle}`).toBe(wanted);
});

test('a volume that a pod names itself is known alike', () => {
  const inline = { name: 'data', awsElasticBlockStore: { volumeID: 'vol-12' } } as Volume;
  expect(inlineCsiVolumeOf(inline)).toEqual({ driver: 'ebs.csi.aws.com', handle: 'vol-12' });
  expect(inlineCsiVolumeOf({ name: 'tmp', emptyDir: {} })).toBeUndefined();
});

test.each([
  ['kubernetes.io/cinder', 'cinder.csi.openstack.org'],
  ['kubernetes.io/azure-file', undefined],
  ['disks.example.org', 'disks.example.org'],
])('volumes of the provisioner %s are made by %s', (provisioner, driver) => {
  expect(driverInPlaceOf(provisioner)).toBe(driver);
});
