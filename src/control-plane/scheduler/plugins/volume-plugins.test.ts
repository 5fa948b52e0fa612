import { describe, expect, test } from 'vitest';
import { Node } from '#api/core/v1/node.ts';
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { BIND_COMPLETED } from '#api/core/v1/persistent-volume-matching.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { conditionOf } from '#api/core/v1/pod-conditions.ts';
import { PriorityClass } from '#api/scheduling/v1/priority-class.ts';
import { CSINode } from '#api/storage/v1/csi-node.ts';
import { StorageClass } from '#api/storage/v1/storage-class.ts';
import { VolumeAttachment } from '#api/storage/v1/volume-attachment.ts';
import type { Sent, TestCluster } from '#testing/cluster.ts';
import { node, pod, startCluster } from '#testing/cluster.ts';

const ZONE = 'topology.kubernetes.io/zone';
const DRIVER = 'disks.example.org';

async function clusterWith(nodes: Record<string, Record<string, string>>): Promise<TestCluster> {
  const cluster = await startCluster({ scheduler: true });
  for (const [name, labels] of Object.entries(nodes)) {
    await cluster.create(Node, node(name, { labels }));
    await cluster.patch(Node, name, { spec: { taints: null } });
  }
  return cluster;
}

type Modes = ('ReadWriteOnce' | 'ReadWriteOncePod')[];

/** A claim with a volume of its own, bound to it. */
async function addBound(cluster: TestCluster, name: string, options: { labels?: object; modes?: Modes } = {}) {
  const { labels = {}, modes = ['ReadWriteOnce'] } = options;
  await cluster.create(PersistentVolume, {
    metadata: { name: `v-${name}`, labels },
    spec: {
      capacity: { storage: '1Gi' },
      accessModes: modes,
      csi: { driver: DRIVER, volumeHandle: name },
    },
  } as Sent<PersistentVolume>);
  await cluster.create(PersistentVolumeClaim, {
    metadata: { namespace: 'default', name, annotations: { [BIND_COMPLETED]: 'yes' } },
    spec: {
      storageClassName: '',
      volumeName: `v-${name}`,
      accessModes: modes,
      resources: { requests: { storage: '1Gi' } },
    },
  } as Sent<PersistentVolumeClaim>);
}

const using = (name: string, claimName: string, spec: object = {}) =>
  pod(name, { volumes: [{ name: 'data', persistentVolumeClaim: { claimName } }], ...spec });

const setLimit = (cluster: TestCluster, name: string, count: number) =>
  cluster.create(CSINode, {
    metadata: { name },
    spec: { drivers: [{ name: DRIVER, nodeID: name, allocatable: { count } }] },
  } as Sent<CSINode>);

const placeOf = (cluster: TestCluster, name: string) => cluster.get(Pod, `default/${name}`)?.spec.nodeName;
const whyNot = (cluster: TestCluster, name: string) =>
  conditionOf(cluster.get(Pod, `default/${name}`)!, 'PodScheduled')?.message?.replace(/\. .*$/, '.');

describe('a claim that one pod alone may have', () => {
  test('keeps the second pod waiting until the first is gone', async () => {
    await using cluster = await clusterWith({ node1: {} });
    await addBound(cluster, 'data', { modes: ['ReadWriteOncePod'] });
    await cluster.create(Pod, using('first', 'data'));
    await cluster.settles();
    await cluster.create(Pod, using('second', 'data'));
    await cluster.settles();
    expect(placeOf(cluster, 'first')).toBe('node1');
    expect(whyNot(cluster, 'second')).toBe(
      '0/1 nodes are available: 1 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod.',
    );
    await cluster.delete(Pod, 'default/first', { gracePeriodSeconds: 0 });
    await cluster.passes(1_000);
    expect(placeOf(cluster, 'second')).toBe('node1');
  });

  test('goes to the pod of the higher priority: the other one makes way', async () => {
    await using cluster = await clusterWith({ node1: {} });
    await cluster.create(PriorityClass, { metadata: { name: 'high' }, value: 100 });
    await addBound(cluster, 'data', { modes: ['ReadWriteOncePod'] });
    await cluster.create(Pod, using('low', 'data'));
    await cluster.settles();
    await cluster.create(Pod, using('high', 'data', { priorityClassName: 'high' }));
    await cluster.settles();
    expect(cluster.get(Pod, 'default/low')?.metadata.deletionTimestamp).toBeDefined();
  });
});

describe('a disk that only one may write to', () => {
  const disk = (readOnly: boolean) => ({
    volumes: [{ name: 'd', iscsi: { targetPortal: '10.0.0.1', iqn: 'iqn.2001-04.com.example:d', lun: 0, readOnly } }],
  });
  test.each<[string, boolean, boolean, string | undefined]>([
    ['two that write do not share a node', false, false, undefined],
    ['one that writes keeps a reader away', false, true, undefined],
    ['two that read share it', true, true, 'node1'],
  ])('%s', async (_, first, second, expected) => {
    await using cluster = await clusterWith({ node1: {} });
    await cluster.create(Pod, pod('first', disk(first)));
    await cluster.settles();
    await cluster.create(Pod, pod('second', disk(second)));
    await cluster.settles();
    expect(placeOf(cluster, 'second')).toBe(expected);
    if (!expected) expect(whyNot(cluster, 'second')).toBe('0/1 nodes are available: 1 node(s) had no available disk.');
  });
});

describe('a node that takes two volumes of a driver', () => {
  test('gets no third, but a second pod of the same volume', async () => {
    await using cluster = await clusterWith({ node1: {} });
    await setLimit(cluster, 'node1', 2);
    for (const name of ['a', 'b', 'c']) await addBound(cluster, name);
    for (const name of ['a', 'b']) await cluster.create(Pod, using(name, name));
    await cluster.settles();
    await cluster.create(Pod, using('c', 'c'));
    await cluster.create(Pod, using('again', 'a'));
    await cluster.settles();
    expect(placeOf(cluster, 'again')).toBe('node1');
    expect(whyNot(cluster, 'c')).toBe('0/1 nodes are available: 1 node(s) exceed max volume count.');
    await cluster.delete(Pod, 'default/b', { gracePeriodSeconds: 0 });
    await cluster.passes(1_000);
    expect(placeOf(cluster, 'c')).toBe('node1');
  });

  test('counts what is still attached for pods that are gone', async () => {
    await using cluster = await clusterWith({ node1: {}, node2: {} });
    await setLimit(cluster, 'node1', 1);
    for (const name of ['old', 'new']) await addBound(cluster, name);
    await cluster.create(VolumeAttachment, {
      metadata: { name: 'csi-1' },
      spec: { attacher: DRIVER, nodeName: 'node1', source: { persistentVolumeName: 'v-old' } },
    });
    await cluster.create(Pod, using('new', 'new'));
    await cluster.settles();
    expect(placeOf(cluster, 'new')).toBe('node2');
  });

  test('counts claims whose volume is still to be made, by who will make it', async () => {
    await using cluster = await clusterWith({ node1: {} });
    await setLimit(cluster, 'node1', 0);
    const mode = { volumeBindingMode: 'WaitForFirstConsumer' as const };
    await cluster.create(StorageClass, { metadata: { name: 'fast' }, provisioner: DRIVER, ...mode });
    await cluster.create(PersistentVolumeClaim, {
      metadata: { namespace: 'default', name: 'data' },
      spec: { storageClassName: 'fast', accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    });
    await cluster.create(Pod, using('web', 'data'));
    await cluster.settles();
    expect(whyNot(cluster, 'web')).toBe('0/1 nodes are available: 1 node(s) exceed max volume count.');
  });
});

test('volumes of an in-tree driver count for the CSI driver that has taken its place', async () => {
  await using cluster = await clusterWith({ node1: {} });
  await cluster.create(CSINode, {
    metadata: { name: 'node1' },
    spec: { drivers: [{ name: 'ebs.csi.aws.com', nodeID: 'n', allocatable: { count: 1 } }] },
  } as Sent<CSINode>);
  const inline = (name: string, volumeID: string) =>
    pod(name, { volumes: [{ name: 'data', awsElasticBlockStore: { volumeID } }] });
  await cluster.create(Pod, inline('a', 'aws://zone/vol-1'));
  await cluster.settles();
  await cluster.create(Pod, inline('b', 'vol-2'));
  await cluster.settles();
  expect(placeOf(cluster, 'a')).toBe('node1');
  expect(whyNot(cluster, 'b')).toBe('0/1 nodes are available: 1 node(s) exceed max volume count.');
});

describe('a volume of a zone', () => {
  test.each<[string, Record<string, string>, Record<string, string>, string | undefined]>([
    ['is reached in its zone', { [ZONE]: 'a' }, { [ZONE]: 'a' }, 'node1'],
    ['is not reached in another', { [ZONE]: 'a' }, { [ZONE]: 'b' }, undefined],
    ['of several is reached in each', { [ZONE]: 'a__b' }, { [ZONE]: 'b' }, 'node1'],
    ['is reached where nothing is said of zones', { [ZONE]: 'a' }, {}, 'node1'],
    ['is found by its old label', { 'failure-domain.beta.kubernetes.io/zone': 'a' }, { [ZONE]: 'a' }, 'node1'],
    ['with an empty part says nothing', { [ZONE]: 'a____b' }, { [ZONE]: 'c' }, 'node1'],
  ])('%s', async (_, labels, of, expected) => {
    await using cluster = await clusterWith({ node1: of });
    await addBound(cluster, 'data', { labels });
    await cluster.create(Pod, using('web', 'data'));
    await cluster.settles();
    expect(placeOf(cluster, 'web')).toBe(expected);
    if (!expected)
      expect(whyNot(cluster, 'web')).toBe('0/1 nodes are available: 1 node(s) had no available volume zone.');
  });
});
