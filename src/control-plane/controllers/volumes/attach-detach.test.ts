import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { Event } from '#api/core/v1/event.ts';
import { Node } from '#api/core/v1/node.ts';
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { CSIDriver } from '#api/storage/v1/csi-driver.ts';
import { VolumeAttachment } from '#api/storage/v1/volume-attachment.ts';
import { node, pod, startCluster, type TestCluster } from '#testing/cluster.ts';
import { claim, eventsAbout, volume } from '#testing/volumes-fixture.ts';
import { attachDetach } from './attach-detach.ts';
import { claimBinder } from './claim-binder.ts';
import { volumeReclaimer } from './volume-reclaimer.ts';

const UNIQUE = 'kubernetes.io/csi/disks.example.org^disk-1';

async function start({ attachRequired = true } = {}) {
  const cluster = await startCluster({ rbac: true, controllers: [attachDetach, claimBinder, volumeReclaimer] });
  await cluster.create(Node, node('n1'));
  await cluster.create(Node, node('n2'));
  if (!attachRequired)
    await cluster.create(CSIDriver, { metadata: { name: 'disks.example.org' }, spec: { attachRequired } });
  const csi = { driver: 'disks.example.org', volumeHandle: 'disk-1' };
  await cluster.create(PersistentVolume, volume('v', { hostPath: undefined, csi }));
  await cluster.create(PersistentVolumeClaim, claim('data', { storageClassName: '' }));
  await cluster.settles();
  return cluster;
}
const mounting = (name: string, nodeName: string) =>
  pod(name, {
    nodeName,
    containers: [{ name: 'main', image: 'i' }],
    volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }],
  });
const attachments = (cluster: TestCluster) => cluster.list(VolumeAttachment);
async function driverAttaches(cluster: TestCluster): Promise<void> {
  const [attachment] = attachments(cluster) as [VolumeAttachment];
  await cluster.updateStatus(VolumeAttachment, { ...attachment, status: { attached: true } });
  await cluster.settles();
}
const statusOf = (cluster: TestCluster, name = 'n1') => cluster.get(Node, name)!.status!;

/** With a pod `web` on n1 that has its volume. */
async function startAttached() {
  const cluster = await start();
  await cluster.create(Pod, mounting('web', 'n1'));
  await cluster.settles();
  await driverAttaches(cluster);
  return cluster;
}

/** n1 says more of itself. */
async function nodeSays(cluster: TestCluster, status: Partial<NonNullable<Node['status']>>): Promise<void> {
  await cluster.updateStatus(Node, { ...cluster.get(Node, 'n1')!, status: { ...statusOf(cluster), ...status } });
}

/** n1 has gone silent while its volume is mounted. */
const nodeIsLost = (cluster: TestCluster): Promise<void> =>
  nodeSays(cluster, {
    conditions: [{ type: 'Ready', status: 'Unknown', lastTransitionTime: new Date(cluster.clock.now()).toISOString() }],
    volumesInUse: [UNIQUE],
  });

test('a volume of a pod is attached to its node, the node is told, and then the pod', async () => {
  await using cluster = await start();
  await cluster.create(Pod, mounting('web', 'n1'));
  await cluster.settles();
  expect(attachments(cluster).map(({ metadata, spec }) => ({ name: metadata.name, spec }))).toEqual([
    {
      name: `csi-${createHash('sha256').update('disk-1disks.example.orgn1').digest('hex')}`,
      spec: { attacher: 'disks.example.org', nodeName: 'n1', source: { persistentVolumeName: 'v' } },
    },
  ]);
  expect(statusOf(cluster).volumesAttached).toBeUndefined();
  await driverAttaches(cluster);
  expect(statusOf(cluster).volumesAttached).toEqual([{ name: UNIQUE, devicePath: '' }]);
  expect(eventsAbout(cluster, 'web')).toEqual([
    'Normal SuccessfulAttachVolume AttachVolume.Attach succeeded for volume "v" ',
  ]);
});

test('a volume is detached when no pod needs it and the kubelet has let go of it', async () => {
  await using cluster = await startAttached();
  await nodeSays(cluster, { volumesInUse: [UNIQUE] });
  await cluster.delete(Pod, 'default/web', { gracePeriodSeconds: 0 });
  await cluster.settles();
  expect(attachments(cluster)).toHaveLength(1);
  const { volumesInUse: _, ...free } = statusOf(cluster);
  await cluster.updateStatus(Node, { ...cluster.get(Node, 'n1')!, status: free });
  await cluster.settles();
  expect(attachments(cluster)).toEqual([]);
  expect(statusOf(cluster).volumesAttached).toBeUndefined();
});

test('a node that does not answer keeps its volumes for six minutes', async () => {
  await using cluster = await startAttached();
  await nodeIsLost(cluster);
  await cluster.delete(Pod, 'default/web', { gracePeriodSeconds: 0 });
  await cluster.settles();
  await cluster.clock.advance(350_000);
  await cluster.settles();
  expect(attachments(cluster)).toHaveLength(1);
  await cluster.clock.advance(15_000);
  await cluster.settles();
  expect(attachments(cluster)).toEqual([]);
});

test('a volume of one node waits until the other has let go of it, and who waits is told once who has it', async () => {
  await using cluster = await startAttached();
  await cluster.create(Pod, mounting('second', 'n2'));
  await cluster.settles();
  await cluster.passes(10_000);
  expect(attachments(cluster)).toHaveLength(1);
  const used = 'Warning FailedAttachVolume Multi-Attach error for volume "v" Volume is already used by pod(s) web';
  expect(eventsAbout(cluster, 'second')).toEqual([used]);
  const told = cluster.list(Event).find(({ involvedObject }) => involvedObject.name === 'second');
  expect([told?.count ?? 1, told?.series]).toEqual([1, undefined]);
  await cluster.delete(Pod, 'default/web', { gracePeriodSeconds: 0 });
  await cluster.settles();
  await cluster.clock.advance(5_000);
  await cluster.settles();
  expect(attachments(cluster).map(({ spec }) => spec.nodeName)).toEqual(['n2']);
});

test('who waits for a volume, goes and comes back is told again', async () => {
  await using cluster = await startAttached();
  for (const name of ['second', 'third']) {
    await cluster.create(Pod, mounting(name, 'n2'));
    await cluster.passes(10_000);
    expect(eventsAbout(cluster, name)).toHaveLength(1);
    await cluster.delete(Pod, `default/${name}`, { gracePeriodSeconds: 0 });
    await cluster.passes(10_000);
  }
});

test('a volume that no pod uses any more and a node still has says so to who waits for it', async () => {
  await using cluster = await startAttached();
  await nodeSays(cluster, { volumesInUse: [UNIQUE] });
  await cluster.delete(Pod, 'default/web', { gracePeriodSeconds: 0 });
  await cluster.create(Pod, mounting('second', 'n2'));
  await cluster.settles();
  expect(eventsAbout(cluster, 'second')).toEqual([
    'Warning FailedAttachVolume Multi-Attach error for volume "v" Volume is already exclusively attached to one node and can\'t be attached to another',
  ]);
});

test('the six minutes begin when nobody needs the volume any more, however long the node has been away', async () => {
  await using cluster = await startAttached();
  await nodeIsLost(cluster);
  await cluster.passes(20 * 60_000);
  await cluster.delete(Pod, 'default/web', { gracePeriodSeconds: 0 });
  await cluster.passes(350_000);
  expect(attachments(cluster)).toHaveLength(1);
  await cluster.passes(15_000);
  expect(attachments(cluster)).toEqual([]);
});

test('a pod that is being deleted and of which nothing runs keeps no volume', async () => {
  await using cluster = await startAttached();
  await cluster.patch(Pod, 'default/web', { metadata: { finalizers: ['example.com/held'] } });
  await cluster.delete(Pod, 'default/web');
  await cluster.settles();
  expect(attachments(cluster)).toEqual([]);
});

test('what the driver says of a failure is told to the pod', async () => {
  await using cluster = await start();
  await cluster.create(Pod, mounting('web', 'n1'));
  await cluster.settles();
  const [attachment] = attachments(cluster) as [VolumeAttachment];
  const status = { attached: false, attachError: { message: 'disk is broken' } };
  await cluster.updateStatus(VolumeAttachment, { ...attachment, status });
  await cluster.settles();
  expect(eventsAbout(cluster, 'web')).toEqual([
    'Warning FailedAttachVolume AttachVolume.Attach failed for volume "v" : disk is broken',
  ]);
});

test('a driver that needs no attaching is not asked', async () => {
  await using cluster = await start({ attachRequired: false });
  await cluster.create(Pod, mounting('web', 'n1'));
  await cluster.settles();
  expect(attachments(cluster)).toEqual([]);
});

test('the attachments of a node that has left the cluster go with its pods', async () => {
  await using cluster = await start();
  await cluster.create(Pod, mounting('web', 'n1'));
  await cluster.settles();
  await cluster.delete(Node, 'n1');
  await cluster.settles();
  expect(attachments(cluster)).toHaveLength(1);
  await cluster.delete(Pod, 'default/web', { gracePeriodSeconds: 0 });
  await cluster.settles();
  expect(attachments(cluster)).toEqual([]);
});

test('an attachment that somebody else has made is left alone', async () => {
  await using cluster = await start();
  for (const nodeName of ['n1', 'of-another-world'])
    await cluster.create(VolumeAttachment, {
      metadata: { name: `by-hand-${nodeName}` },
      spec: { attacher: 'disks.example.org', nodeName, source: { persistentVolumeName: 'v' } },
    });
  await cluster.settles();
  expect(attachments(cluster)).toHaveLength(2);
});
