import { describe, expect, test } from 'vitest';
import { Event } from '#api/core/v1/event.ts';
import { Node } from '#api/core/v1/node.ts';
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { BIND_COMPLETED, SELECTED_NODE } from '#api/core/v1/persistent-volume-matching.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { conditionOf } from '#api/core/v1/pod-conditions.ts';
import { CSIDriver } from '#api/storage/v1/csi-driver.ts';
import { CSINode } from '#api/storage/v1/csi-node.ts';
import { CSIStorageCapacity } from '#api/storage/v1/csi-storage-capacity.ts';
import { StorageClass } from '#api/storage/v1/storage-class.ts';
import type { Sent, TestCluster } from '#testing/cluster.ts';
import { node, pod, startCluster } from '#testing/cluster.ts';
import { definePlugin, fits } from '../define-plugin.ts';
import { defaultProfile, type Profile } from '../profile.ts';

const ZONE = 'topology.kubernetes.io/zone';

async function clusterWith(
  nodes: Record<string, Record<string, string>>,
  scheduler: true | Profile[] = true,
): Promise<TestCluster> {
  const cluster = await startCluster({ scheduler });
  for (const [name, labels] of Object.entries(nodes)) {
    await cluster.create(Node, node(name, { labels }));
    await cluster.patch(Node, name, { spec: { taints: null } });
  }
  for (const volumeBindingMode of ['Immediate', 'WaitForFirstConsumer'])
    await cluster.create(StorageClass, storageClass(volumeBindingMode.toLowerCase(), { volumeBindingMode }));
  return cluster;
}

const storageClass = (name: string, more: object = {}): Sent<StorageClass> => ({
  metadata: { name },
  provisioner: 'disks.example.org',
  ...more,
});

const claim = (name: string, storageClassName = 'waitforfirstconsumer', more: object = {}) =>
  ({
    metadata: { namespace: 'default', name, ...more },
    spec: { storageClassName, accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  }) as Sent<PersistentVolumeClaim>;

const using = (name: string, ...claims: string[]) =>
  pod(name, {
    volumes: claims.map((claimName) => ({ name: claimName, persistentVolumeClaim: { claimName } })),
  });

async function addVolume(cluster: TestCluster, name: string, spec: object = {}): Promise<void> {
  await cluster.create(PersistentVolume, {
    metadata: { name },
    spec: {
      capacity: { storage: '1Gi' },
      accessModes: ['ReadWriteOnce'],
      storageClassName: 'waitforfirstconsumer',
      csi: { driver: 'example.org', volumeHandle: name },
      ...spec,
    },
  } as Sent<PersistentVolume>);
  await cluster.patch(PersistentVolume, { name, subresource: 'status' }, { status: { phase: 'Available' } });
}

const onlyOn = (key: string, value: string) => ({
  nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ key, operator: 'In', values: [value] }] }] } },
});

/** What the binder does when it sees what the scheduler wrote. */
async function bind(cluster: TestCluster, name: string, volumeName: string): Promise<void> {
  await cluster.patch(PersistentVolumeClaim, `default/${name}`, {
    metadata: { annotations: { [BIND_COMPLETED]: 'yes' } },
    spec: { volumeName },
  });
  await cluster.settles();
}

const placeOf = (cluster: TestCluster, name: string) => cluster.get(Pod, `default/${name}`)?.spec.nodeName;
const condition = (cluster: TestCluster, name: string) =>
  conditionOf(cluster.get(Pod, `default/${name}`)!, 'PodScheduled');
/** Without what is said of making room. */
const whyNot = (cluster: TestCluster, name: string) => condition(cluster, name)?.message?.replace(/\. .*$/, '.');

describe('a pod waits, and says in upstream’s words why', () => {
  test.each<[string, (cluster: TestCluster) => Promise<unknown>, string]>([
    [
      'whose claim is not there',
      (cluster) => cluster.settles(),
      '0/1 nodes are available: persistentvolumeclaim "data" not found.',
    ],
    [
      'whose claim is to be bound at once and is not yet',
      (cluster) => cluster.create(PersistentVolumeClaim, claim('data', 'immediate')),
      '0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.',
    ],
    [
      'whose claim names a class that is not there',
      (cluster) => cluster.create(PersistentVolumeClaim, claim('data', 'gone')),
      '0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.',
    ],
    [
      'whose claim has lost its volume',
      async (cluster) => {
        await cluster.create(PersistentVolumeClaim, claim('data'));
        await cluster.patch(PersistentVolumeClaim, 'default/data', { spec: { volumeName: 'v1' } });
        const status = { phase: 'Lost' };
        await cluster.patch(
          PersistentVolumeClaim,
          { namespace: 'default', name: 'data', subresource: 'status' },
          { status },
        );
      },
      '0/1 nodes are available: persistentvolumeclaim "data" bound to non-existent persistentvolume "v1".',
    ],
    [
      'whose claim is going',
      async (cluster) => {
        await cluster.create(PersistentVolumeClaim, claim('data', undefined, { finalizers: ['example.org/keep'] }));
        await cluster.delete(PersistentVolumeClaim, 'default/data');
      },
      '0/1 nodes are available: persistentvolumeclaim "data" is being deleted.',
    ],
    [
      'whose volume nobody makes',
      async (cluster) => {
        const more = { provisioner: 'kubernetes.io/no-provisioner', volumeBindingMode: 'WaitForFirstConsumer' };
        await cluster.create(StorageClass, storageClass('manual', more));
        await cluster.create(PersistentVolumeClaim, claim('data', 'manual'));
      },
      "0/1 nodes are available: 1 node(s) didn't find available persistent volumes to bind.",
    ],
    [
      'whose volume is made elsewhere only',
      async (cluster) => {
        const allowedTopologies = [{ matchLabelExpressions: [{ key: ZONE, values: ['b'] }] }];
        const more = { volumeBindingMode: 'WaitForFirstConsumer', allowedTopologies };
        await cluster.create(StorageClass, storageClass('there', more));
        await cluster.create(PersistentVolumeClaim, claim('data', 'there'));
      },
      "0/1 nodes are available: 1 node(s) didn't find available persistent volumes to bind.",
    ],
    [
      'whose volume is made for another node already',
      (cluster) =>
        cluster.create(PersistentVolumeClaim, claim('data', undefined, { annotations: { [SELECTED_NODE]: 'node2' } })),
      "0/1 nodes are available: 1 node(s) didn't find available persistent volumes to bind.",
    ],
    [
      'for whose volume there is too little storage',
      async (cluster) => {
        await cluster.create(CSIDriver, {
          metadata: { name: 'disks.example.org' },
          spec: { storageCapacity: true },
        } as never);
        await cluster.create(CSIStorageCapacity, {
          metadata: { namespace: 'default', name: 'a' },
          storageClassName: 'waitforfirstconsumer',
          nodeTopology: { matchLabels: { [ZONE]: 'a' } },
          capacity: '100Mi',
        });
        await cluster.create(PersistentVolumeClaim, claim('data'));
      },
      '0/1 nodes are available: 1 node(s) did not have enough free storage.',
    ],
    [
      'whose volume another node has',
      async (cluster) => {
        await addVolume(cluster, 'v1', onlyOn(ZONE, 'b'));
        await cluster.create(PersistentVolumeClaim, claim('data'));
        await bind(cluster, 'data', 'v1');
      },
      "0/1 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity.",
    ],
  ])('%s', async (_, prepare, message) => {
    await using cluster = await clusterWith({ node1: { [ZONE]: 'a' } });
    await prepare(cluster);
    await cluster.create(Pod, using('web', 'data'));
    await cluster.settles();
    expect(placeOf(cluster, 'web')).toBeUndefined();
    expect(whyNot(cluster, 'web')).toBe(message);
  });

  test('and nothing is said of making room', async () => {
    await using cluster = await clusterWith({ node1: {}, node2: {} });
    await cluster.create(PersistentVolumeClaim, claim('data', 'immediate'));
    await cluster.create(Pod, using('web', 'data'));
    await cluster.settles();
    expect(condition(cluster, 'web')?.message).toBe(
      '0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found',
    );
  });

  test('whose ephemeral volume has no claim yet', async () => {
    await using cluster = await clusterWith({ node1: {} });
    const volumes = [{ name: 'scratch', ephemeral: { volumeClaimTemplate: { spec: claim('x').spec! } } }];
    await cluster.create(Pod, pod('web', { volumes }));
    await cluster.settles();
    expect(whyNot(cluster, 'web')).toBe(
      '0/1 nodes are available: waiting for ephemeral volume controller to create the persistentvolumeclaim "web-scratch".',
    );
  });
});

test('a free volume decides where a pod goes, is kept for its claim, and the pod waits until it is bound', async () => {
  await using cluster = await clusterWith({ node1: { [ZONE]: 'a' }, node2: { [ZONE]: 'b' } });
  await cluster.create(StorageClass, {
    ...storageClass('manual', { volumeBindingMode: 'WaitForFirstConsumer' }),
    provisioner: 'kubernetes.io/no-provisioner',
  });
  await addVolume(cluster, 'v1', { ...onlyOn(ZONE, 'b'), storageClassName: 'manual' });
  await cluster.create(PersistentVolumeClaim, claim('data', 'manual'));
  await cluster.create(Pod, using('web', 'data'));
  await cluster.settles();
  expect(cluster.get(PersistentVolume, 'v1')?.spec.claimRef).toMatchObject({ namespace: 'default', name: 'data' });
  expect(cluster.get(PersistentVolume, 'v1')?.metadata.annotations).toEqual({
    'pv.kubernetes.io/bound-by-controller': 'yes',
  });
  expect(placeOf(cluster, 'web')).toBeUndefined();
  await bind(cluster, 'data', 'v1');
  expect(placeOf(cluster, 'web')).toBe('node2');
});

test('where no volume is free one is made for the node that was chosen', async () => {
  await using cluster = await clusterWith({ node1: {} });
  await cluster.create(PersistentVolumeClaim, claim('data'));
  await cluster.create(Pod, using('web', 'data'));
  await cluster.settles();
  expect(cluster.get(PersistentVolumeClaim, 'default/data')?.metadata.annotations?.[SELECTED_NODE]).toBe('node1');
  expect(placeOf(cluster, 'web')).toBeUndefined();
  await addVolume(cluster, 'made', onlyOn('kubernetes.io/hostname', 'node1'));
  await bind(cluster, 'data', 'made');
  expect(placeOf(cluster, 'web')).toBe('node1');
});

test('two claims that come at once do not get one volume', async () => {
  await using cluster = await clusterWith({ node1: {} });
  await cluster.create(StorageClass, {
    ...storageClass('manual', { volumeBindingMode: 'WaitForFirstConsumer' }),
    provisioner: 'kubernetes.io/no-provisioner',
  });
  for (const name of ['v1', 'v2']) await addVolume(cluster, name, { storageClassName: 'manual' });
  for (const name of ['a', 'b', 'c']) await cluster.create(PersistentVolumeClaim, claim(name, 'manual'));
  for (const name of ['a', 'b', 'c']) void cluster.create(Pod, using(name, name));
  await cluster.settles();
  const kept = cluster.list(PersistentVolume).map(({ spec }) => spec.claimRef?.name);
  expect(kept.sort()).toEqual(['a', 'b']);
  expect(whyNot(cluster, 'c')).toBe(
    "0/1 nodes are available: 1 node(s) didn't find available persistent volumes to bind.",
  );
});

test('a volume of a pod that is gone before it was placed is soon another’s', async () => {
  const holdsBack = definePlugin({
    name: 'HoldsBack',
    permit: ({ metadata }) => (metadata.name === 'one' ? new Promise(() => undefined) : fits),
  });
  const usual = defaultProfile();
  await using cluster = await clusterWith({ node1: {} }, [{ ...usual, plugins: [...usual.plugins, holdsBack] }]);
  const [volumeBindingMode, provisioner] = ['WaitForFirstConsumer', 'kubernetes.io/no-provisioner'];
  await cluster.create(StorageClass, storageClass('slow', { volumeBindingMode, provisioner }));
  await addVolume(cluster, 'only', { storageClassName: 'slow' });
  for (const name of ['one', 'two']) {
    await cluster.create(PersistentVolumeClaim, claim(name, 'slow'));
    await cluster.create(Pod, using(name, name));
    await cluster.settles();
  }
  expect(conditionOf(cluster.get(Pod, 'default/two')!, 'PodScheduled')?.reason).toBe('Unschedulable');
  await cluster.delete(Pod, 'default/one', { gracePeriodSeconds: 0 });
  await cluster.passes('20s');
  expect(cluster.get(PersistentVolume, 'only')?.spec.claimRef?.name).toBe('two');
});

test('binding that takes too long is given up, said, and tried again', async () => {
  await using cluster = await clusterWith({ node1: {} });
  await cluster.create(PersistentVolumeClaim, claim('data'));
  await cluster.create(Pod, using('web', 'data'));
  await cluster.settles();
  await cluster.passes(600_000);
  expect(condition(cluster, 'web')).toMatchObject({
    reason: 'SchedulerError',
    message: 'running PreBind plugin "VolumeBinding": binding volumes: context deadline exceeded',
  });
  const said = cluster.list(Event).filter(({ reason }) => reason === 'FailedScheduling');
  expect(said.map(({ message }) => message)).toEqual([condition(cluster, 'web')?.message]);
  await cluster.passes(10_000);
  await addVolume(cluster, 'made');
  await bind(cluster, 'data', 'made');
  expect(placeOf(cluster, 'web')).toBe('node1');
});

test('a provisioner that gives up sends the pod back: it is decided on anew', async () => {
  await using cluster = await clusterWith({ node1: {} });
  await cluster.create(PersistentVolumeClaim, claim('data'));
  await cluster.create(Pod, using('web', 'data'));
  await cluster.settles();
  await cluster.patch(PersistentVolumeClaim, 'default/data', {
    metadata: { annotations: { [SELECTED_NODE]: null, 'example.org/kept': 'yes' } },
  });
  await cluster.settles();
  expect(condition(cluster, 'web')?.message).toBe(
    'running PreBind plugin "VolumeBinding": binding volumes: provisioning failed for PVC "data"',
  );
  await cluster.passes(2_000);
  expect(cluster.get(PersistentVolumeClaim, 'default/data')?.metadata.annotations?.[SELECTED_NODE]).toBe('node1');
});

test('a pod that is deleted while its volume is made is no longer waited for', async () => {
  await using cluster = await clusterWith({ node1: {} });
  await cluster.create(PersistentVolumeClaim, claim('data'));
  await cluster.create(Pod, using('web', 'data'));
  await cluster.settles();
  await cluster.delete(Pod, 'default/web', { gracePeriodSeconds: 0 });
  await cluster.settles();
  await cluster.create(Pod, using('next', 'data'));
  await addVolume(cluster, 'made');
  await bind(cluster, 'data', 'made');
  expect(placeOf(cluster, 'next')).toBe('node1');
});

test('a claim that gets bound wakes the pod that waits for it', async () => {
  await using cluster = await clusterWith({ node1: {} });
  await cluster.create(PersistentVolumeClaim, claim('data', 'immediate'));
  await cluster.create(Pod, using('web', 'data'));
  await cluster.settles();
  expect(placeOf(cluster, 'web')).toBeUndefined();
  await addVolume(cluster, 'v1', { storageClassName: 'immediate' });
  await bind(cluster, 'data', 'v1');
  await cluster.passes(1_000);
  expect(placeOf(cluster, 'web')).toBe('node1');
});

test('a volume of an in-tree driver is looked for by the zones of the driver that has replaced it on a node', async () => {
  const [here, there] = [{ 'topology.gke.io/zone': 'a' }, { [ZONE]: 'a' }];
  await using cluster = await clusterWith({ node1: there, node2: here });
  await addVolume(cluster, 'v1', { csi: undefined, gcePersistentDisk: { pdName: 'data' }, ...onlyOn(ZONE, 'a') });
  await cluster.create(PersistentVolumeClaim, claim('data'));
  await bind(cluster, 'data', 'v1');
  for (const name of ['node1', 'node2'])
    await cluster.create(CSINode, {
      metadata: { name, annotations: { 'storage.alpha.kubernetes.io/migrated-plugins': 'kubernetes.io/gce-pd' } },
      spec: { drivers: [] },
    });
  await cluster.create(Pod, using('web', 'data'));
  await cluster.settles();
  expect(placeOf(cluster, 'web')).toBe('node2');
});
