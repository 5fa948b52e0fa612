/** Which changes of volumes and devices bring back a pod that a plugin has refused for want of them. */
import { expect, test } from 'vitest';
import { CSINode } from '#api/storage/v1/csi-node.ts';
import { CSIStorageCapacity } from '#api/storage/v1/csi-storage-capacity.ts';
import { StorageClass } from '#api/storage/v1/storage-class.ts';
import { VolumeAttachment } from '#api/storage/v1/volume-attachment.ts';
import { Node } from '#api/core/v1/node.ts';
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { ResourceClaim } from '#api/resource/v1/resource-claim.ts';
import { ResourceSlice } from '#api/resource/v1/resource-slice.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { ClusterChange, Plugin } from '../define-plugin.ts';
import { dynamicResources } from './dynamic-resources/dynamic-resources.ts';
import { nodeVolumeLimits } from './node-volume-limits.ts';
import { volumeBinding } from './volume-binding.ts';
import { volumeRestrictions } from './volume-restrictions.ts';
import { volumeZone } from './volume-zone.ts';

const helps = ({ retryWhen = [] }: Plugin, change: ClusterChange, pod: Pod) =>
  retryWhen.some((hint) => (hint.concerns?.(change) ?? true) && hint(change, pod));
/** Of an object of this name; undefined: it is not there. */
const change = (kind: unknown, now: object | undefined, before?: object, name = 'x'): ClusterChange => {
  const object = (of: object | undefined) =>
    of &&
    ({
      ...of,
      metadata: { name, namespace: 'default', uid: name, ...(of as { metadata?: object }).metadata },
    } as KubeObject);
  return { kind: kind as Kind, now: object(now), before: object(before) };
};
const pod = (volumes: object[], spec: object = {}, name = 'web') =>
  ({
    metadata: { name, uid: name, namespace: 'default' },
    spec: { containers: [], volumes, ...spec },
  }) as unknown as Pod;
const gone = (volumes: object[], spec: object = {}) => change(Pod, undefined, pod(volumes, spec, 'other'), 'other');

const data = [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }];
const more = [{ name: 'v', persistentVolumeClaim: { claimName: 'more' } }];
const scratch = [{ name: 'scratch', ephemeral: {} }];
const inTree = [{ name: 'v', awsElasticBlockStore: { volumeID: 'vol-1' } }];
const disk = (iqn: string) => [{ name: 'v', iscsi: { targetPortal: 't', iqn, lun: 0 } }];
const web = pod(data);
const [zone, other] = [{ metadata: { labels: { zone: 'a' } } }, { metadata: { labels: { zone: 'b' } } }];
const capacity = (amount: string) => ({ capacity: amount });
const drivers = (count: number) => ({ spec: { drivers: [{ name: 'd', allocatable: { count } }] } });
const binding = volumeBinding();

test.each<[string, Plugin, ClusterChange, Pod, boolean]>([
  ['its own claim made', binding, change(PersistentVolumeClaim, { spec: {} }, undefined, 'data'), web, true],
  ['a claim of another', binding, change(PersistentVolumeClaim, { spec: {} }, undefined, 'more'), web, false],
  [
    'its ephemeral claim made',
    binding,
    change(PersistentVolumeClaim, {}, undefined, 'web-scratch'),
    pod(scratch),
    true,
  ],
  ['a volume made', binding, change(PersistentVolume, { spec: {} }), web, true],
  ['a class made', binding, change(StorageClass, {}), web, true],
  ['a class as it was', binding, change(StorageClass, { x: 1 }, {}), web, false],
  ['more storage', binding, change(CSIStorageCapacity, capacity('2Gi'), capacity('1Gi')), web, true],
  ['less storage', binding, change(CSIStorageCapacity, capacity('1Gi'), capacity('2Gi')), web, false],
  ['a node elsewhere', binding, change(Node, other, zone), web, true],
  ['a node that reports', binding, change(Node, { ...zone, status: {} }, zone), web, false],
  ['a pod with claims gone', binding, gone(more), web, true],
  ['a pod without gone', binding, gone([]), web, false],

  ['a volume of another zone', volumeZone, change(PersistentVolume, other, zone), web, true],
  ['a volume grown', volumeZone, change(PersistentVolume, { ...zone, spec: { x: 1 } }, zone), web, false],
  ['a class that waits', volumeZone, change(StorageClass, { volumeBindingMode: 'WaitForFirstConsumer' }), web, true],
  ['a class that does not', volumeZone, change(StorageClass, { volumeBindingMode: 'Immediate' }), web, false],
  [
    'its claim bound',
    volumeZone,
    change(PersistentVolumeClaim, { spec: { volumeName: 'v' } }, { spec: {} }, 'data'),
    web,
    true,
  ],

  ['a pod with a claim gone', nodeVolumeLimits, gone(more), web, true],
  ['a pod with an ephemeral one gone', nodeVolumeLimits, gone(scratch), web, true],
  ['a pod with a disk gone that a CSI driver has taken over', nodeVolumeLimits, gone(inTree), pod(inTree), true],
  ['a pod without volumes gone', nodeVolumeLimits, gone([{ name: 'v', emptyDir: {} }]), web, false],
  ['a volume detached', nodeVolumeLimits, change(VolumeAttachment, undefined, {}), web, true],
  ['a volume attached', nodeVolumeLimits, change(VolumeAttachment, {}), web, false],
  ['a driver that takes more', nodeVolumeLimits, change(CSINode, drivers(2), drivers(1)), web, true],
  ['its claim changed', nodeVolumeLimits, change(PersistentVolumeClaim, { x: 1 }, {}, 'data'), web, false],

  ['who had the claim gone', volumeRestrictions, gone(data), web, true],
  ['who had another one gone', volumeRestrictions, gone(more), web, false],
  ['who wrote to the disk gone', volumeRestrictions, gone(disk('a')), pod(disk('a')), true],
  ['who wrote to another one gone', volumeRestrictions, gone(disk('b')), pod(disk('a')), false],
])('%s', (_what, plugin, changed, waiting, isHelp) => {
  expect(helps(plugin, changed, waiting)).toBe(isHelp);
});

const wanting = pod([], { resourceClaims: [{ name: 'gpu', resourceClaimName: 'gpu' }] });
const allocated = { status: { allocation: {} } };
test.each<[string, ClusterChange, boolean]>([
  ['its claim made', change(ResourceClaim, { status: {} }, undefined, 'gpu'), true],
  ['a claim of another', change(ResourceClaim, { status: {} }, undefined, 'nic'), false],
  ['a claim that gave its devices back', change(ResourceClaim, { status: {} }, allocated, 'nic'), true],
  ['a claim with devices gone', change(ResourceClaim, undefined, allocated, 'nic'), true],
  ['a claim without gone', change(ResourceClaim, undefined, { status: {} }, 'nic'), false],
  ['other devices', change(ResourceSlice, { spec: { x: 1 } }, { spec: {} }), true],
  ['a node that reports', change(Node, { status: { conditions: [] } }, { status: {} }), false],
  ['a pod with devices gone', gone([], { resourceClaims: [{ name: 'gpu' }] }), true],
  ['a pod without gone', gone([]), false],
])('%s: DynamicResources says whether a pod is tried again', (_what, changed, isHelp) => {
  expect(helps(dynamicResources(), changed, wanting)).toBe(isHelp);
});
