/** A CSI driver behind a socket, as one would install it. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Node } from '#api/core/v1/node.ts';
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { Secret } from '#api/core/v1/secret.ts';
import type { Volume } from '#api/generated/schema.ts';
import { attachmentName } from '#api/storage/v1/attachment-name.ts';
import { CSIDriver } from '#api/storage/v1/csi-driver.ts';
import type { CSINode } from '#api/storage/v1/csi-node.ts';
import { VolumeAttachment } from '#api/storage/v1/volume-attachment.ts';
import { type CsiTestDriver, startCsiTestDriver } from '../../node/csi-test-driver.ts';
import { NODE, podOf } from '../../node/kubelet-fixture.ts';
import { isReady, using, VolumesLab } from '../../node/volumes-lab.ts';

let lab: VolumesLab;
let loop: string;

const DRIVER = 'disks.example.org';
const csi = { csi: { driver: DRIVER, volumeHandle: 'disk-1', volumeAttributes: { colour: 'blue' } } };
const PATIENCE = { timeout: 50_000 };
let driver: CsiTestDriver;
const csiNode = (isWanted: (node: CSINode | undefined) => boolean) =>
  lab.fixture.api.until<CSINode>(`/apis/storage.k8s.io/v1/csinodes/${NODE}`, isWanted);
const names = () => driver.calls.map(({ name }) => name).filter((name) => name !== 'NodeGetCapabilities');
const requestOf = (name: string) => driver.calls.findLast((call) => call.name === name)?.request;
const hasDriver = (node: CSINode | undefined) => node?.spec.drivers?.some(({ name }) => name === DRIVER) ?? false;

beforeAll(async () => {
  lab = await VolumesLab.start('10.213.10.0/24');
  const file = join(lab.containerd.directory, 'device.img');
  writeFileSync(file, Buffer.concat([Buffer.from('device'), Buffer.alloc(2 ** 20 - 6)]));
  loop = execFileSync('losetup', ['--find', '--show', file], { encoding: 'utf8' }).trim();
  driver = await startCsiTestDriver({
    name: DRIVER,
    root: lab.root,
    capabilities: ['STAGE_UNSTAGE_VOLUME', 'EXPAND_VOLUME', 'GET_VOLUME_STATS'],
    backing: join(lab.containerd.directory, 'backing'),
    maxVolumes: 8,
    device: loop,
  });
  await csiNode(hasDriver);
});
afterAll(async () => {
  await driver.close();
  await lab.close();
  execFileSync('losetup', ['--detach', loop]);
});

test('is registered: CSINode, the node’s labels and annotation, and the driver know of it', async () => {
  const node = await csiNode(hasDriver);
  expect(node?.spec.drivers.find(({ name }) => name === DRIVER)).toEqual({
    name: DRIVER,
    nodeID: `${DRIVER}-node`,
    topologyKeys: [`topology.${DRIVER}/zone`],
    allocatable: { count: 8 },
  });
  const told = async () => {
    const { metadata } = await lab.fixture.client.get(Node, { name: NODE });
    const { labels, annotations } = metadata;
    return { labels, nodeIds: JSON.parse(annotations?.['csi.volume.kubernetes.io/nodeid'] ?? '{}') };
  };
  const labels = { [`topology.${DRIVER}/zone`]: 'a' };
  await expect.poll(told, PATIENCE).toMatchObject({ labels, nodeIds: { [DRIVER]: `${DRIVER}-node` } });
  await expect.poll(() => driver.told, PATIENCE).toEqual([expect.objectContaining({ pluginRegistered: true })]);
});

test('a volume is used when it is attached, staged once, published to each pod, and taken back', async () => {
  await lab.fixture.client.create(Secret, {
    metadata: { name: 'stage', namespace: 'default' },
    type: 'Opaque',
    data: { password: Buffer.from('hunter2').toString('base64') },
  });
  const secret = { name: 'stage', namespace: 'default' };
  const name = await lab.bound('disk-1', {
    csi: { ...csi.csi, nodeStageSecretRef: secret },
    mountOptions: ['noatime'],
  });
  driver.calls.length = 0;
  await lab.create(using('first', 'disk-1'));
  const unique = `kubernetes.io/csi/${DRIVER}^disk-1`;
  await lab.fixture.api.until<Node>(
    `/api/v1/nodes/${NODE}`,
    (node) => node?.status?.volumesInUse?.includes(unique) ?? false,
  );
  expect(names()).toEqual([]);
  await lab.fixture.client.create(VolumeAttachment, {
    metadata: { name: attachmentName({ driver: DRIVER, volumeHandle: 'disk-1' }, NODE) },
    spec: { attacher: DRIVER, nodeName: NODE, source: { persistentVolumeName: name } },
    status: { attached: true, attachmentMetadata: { device: 'sdb' } },
  });
  await lab.exec(await lab.until('first', isReady), 'echo csi > /data/file');
  await lab.create(using('second', 'disk-1', { volume: { readOnly: true } }));
  expect(await lab.exec(await lab.until('second', isReady), 'cat /data/file')).toBe('csi');
  expect(names()).toEqual(['NodeStageVolume', 'NodePublishVolume', 'NodePublishVolume']);
  expect(requestOf('NodeStageVolume')).toMatchObject({
    volumeId: 'disk-1',
    publishContext: { device: 'sdb' },
    secrets: { password: 'hunter2' },
    volumeContext: { colour: 'blue' },
    volumeCapability: { mount: { mountFlags: ['noatime'] }, accessMode: { mode: 'SINGLE_NODE_WRITER' } },
  });
  expect(requestOf('NodePublishVolume')).toMatchObject({ readonly: true, publishContext: { device: 'sdb' } });

  driver.calls.length = 0;
  await lab.remove('first');
  await expect.poll(names, PATIENCE).toEqual(['NodeUnpublishVolume']);
  await lab.fixture.restart();
  await csiNode(hasDriver);
  await lab.remove('second');
  await expect
    .poll(() => names().filter((call) => call !== 'NodeGetInfo'), PATIENCE)
    .toEqual(['NodeUnpublishVolume', 'NodeUnpublishVolume', 'NodeUnstageVolume']);
  await lab.fixture.api.until<Node>(`/api/v1/nodes/${NODE}`, (node) => !node?.status?.volumesInUse?.length);
  await expect.poll(() => lab.mounts(), PATIENCE).toEqual([]);
});

test('what it says of a failure is told to the pod, and tried again', async () => {
  await lab.aboutDriver(DRIVER, { attachRequired: false, podInfoOnMount: true });
  const name = await lab.bound('disk-2', { csi: { ...csi.csi, volumeHandle: 'disk-2' } });
  driver.failNext('NodeStageVolume', status.INVALID_ARGUMENT, 'no such disk');
  await lab.create(using('failing', 'disk-2'));
  const text = `Warning FailedMount MountVolume.MountDevice failed for volume "${name}" : rpc error: code = InvalidArgument desc = no such disk`;
  await lab.told('failing', text);
  const pod = await lab.until('failing', isReady);
  expect(requestOf('NodePublishVolume')?.['volumeContext']).toMatchObject({
    'csi.storage.k8s.io/pod.name': 'failing',
    'csi.storage.k8s.io/pod.namespace': 'default',
    'csi.storage.k8s.io/pod.uid': pod?.metadata.uid,
    'csi.storage.k8s.io/ephemeral': 'false',
  });
  await lab.remove('failing');
});

test('a volume that has grown is grown on the node, and the claim knows', async () => {
  const name = await lab.bound('disk-3', { csi: { ...csi.csi, volumeHandle: 'disk-3' } }, { capacity: '4Gi' });
  await lab.create(using('growing', 'disk-3'));
  const pod = await lab.until('growing', isReady);
  expect(await lab.fixture.kubelet.volumeStats(pod?.metadata.uid ?? '')).toEqual([
    {
      name: 'data',
      pvcRef: { name: 'disk-3', namespace: 'default' },
      capacityBytes: 4096,
      availableBytes: 1024,
      usedBytes: 3072,
      inodes: 10,
      inodesFree: 7,
      inodesUsed: 3,
    },
  ]);
  const claim = '/api/v1/namespaces/default/persistentvolumeclaims/disk-3';
  const grown = await lab.fixture.api.until<PersistentVolumeClaim>(
    claim,
    (there) => there?.status?.capacity?.['storage'] === '4Gi',
  );
  expect(grown?.status?.phase).toBe('Bound');
  expect(requestOf('NodeExpandVolume')).toMatchObject({
    volumeId: 'disk-3',
    capacityRange: { requiredBytes: String(4 * 1024 ** 3) },
  });
  const text = `Normal FileSystemResizeSuccessful MountVolume.NodeExpandVolume succeeded for volume "${name}" ${NODE}`;
  await lab.told('growing', text);
  await lab.remove('growing');
});

test('a volume grows while a pod uses it', async () => {
  const { client, api } = lab.fixture;
  const name = await lab.bound('disk-4', { csi: { ...csi.csi, volumeHandle: 'disk-4' } });
  await lab.create(using('used', 'disk-4'));
  await lab.until('used', isReady);
  const at = { name: 'disk-4', namespace: 'default' };
  await client.patch(PersistentVolume, { name }, { type: 'merge', patch: { spec: { capacity: { storage: '2Gi' } } } });
  const patch = { spec: { resources: { requests: { storage: '2Gi' } } } };
  await client.patch(PersistentVolumeClaim, at, { type: 'merge', patch });
  await api.until<PersistentVolumeClaim>(
    '/api/v1/namespaces/default/persistentvolumeclaims/disk-4',
    (there) => there?.status?.capacity?.['storage'] === '2Gi',
  );
  expect(requestOf('NodeExpandVolume')).toMatchObject({
    volumeId: 'disk-4',
    capacityRange: { requiredBytes: String(2 * 1024 ** 3) },
  });
  await lab.remove('used');
});

test('a device of a driver is staged, published as a file and seen as a device', async () => {
  await lab.bound('device', { csi: { ...csi.csi, volumeHandle: 'device' }, volumeMode: 'Block' });
  driver.calls.length = 0;
  await lab.create(
    podOf('device', {
      containers: [{ name: 'main', volumeDevices: [{ name: 'data', devicePath: '/dev/xvda' }] }],
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'device' } } as Volume],
    }),
  );
  const pod = await lab.until('device', isReady);
  expect(await lab.exec(pod, 'test -b /dev/xvda && head -c6 /dev/xvda')).toBe('device');
  for (const call of ['NodeStageVolume', 'NodePublishVolume']) {
    expect(requestOf(call)?.['volumeCapability']).toMatchObject({ block: {}, mount: null });
  }
  expect(requestOf('NodePublishVolume')?.['targetPath']).toMatch(/volumeDevices\/publish\/pvc-[\d-]+\/[\w-]+$/);
  await lab.fixture.restart();
  await csiNode(hasDriver);
  await lab.remove('device');
  const last = () =>
    names()
      .filter((call) => call !== 'NodeGetInfo')
      .slice(-2);
  await expect.poll(last, PATIENCE).toEqual(['NodeUnpublishVolume', 'NodeUnstageVolume']);
  await expect.poll(() => lab.mounts(), PATIENCE).toEqual([]);
});

test('an inline volume lives with its pod, has the pod’s tokens, and only where the driver says that it may', async () => {
  const inline = (name: string, driverName: string) =>
    podOf(name, {
      serviceAccountName: 'default',
      containers: [{ name: 'main', volumeMounts: [{ name: 'own', mountPath: '/own' }] }],
      volumes: [{ name: 'own', csi: { driver: driverName, volumeAttributes: { size: '1' } } } as Volume],
    });
  await lab.create(inline('refused', DRIVER));
  const text = `Warning FailedMount MountVolume.NewMounter initialization failed for volume "own" : volume mode "Ephemeral" not supported by driver ${DRIVER} (only supports ["Persistent"])`;
  await lab.told('refused', text);
  await lab.remove('refused');

  await lab.fixture.client.patch(
    CSIDriver,
    { name: DRIVER },
    {
      type: 'merge',
      patch: { spec: { volumeLifecycleModes: ['Persistent', 'Ephemeral'], tokenRequests: [{ audience: 'vault' }] } },
    },
  );
  await lab.create(inline('inline', DRIVER));
  await lab.exec(await lab.until('inline', isReady), 'echo own > /own/file');
  const request = requestOf('NodePublishVolume');
  expect(request?.['volumeId']).toMatch(/^csi-[0-9a-f]{64}$/);
  const context = request?.['volumeContext'] as Record<string, string>;
  expect(context['csi.storage.k8s.io/ephemeral']).toBe('true');
  expect(JSON.parse(context['csi.storage.k8s.io/serviceAccount.tokens'] ?? '')).toEqual({
    vault: { token: 'a.b.c', expirationTimestamp: expect.stringMatching(/Z$/) },
  });
  await lab.remove('inline');
  await expect.poll(() => names().at(-1), PATIENCE).toBe('NodeUnpublishVolume');
  await expect.poll(() => lab.mounts(), PATIENCE).toEqual([]);
});

test('a driver that is not there is missed by name, and one that goes is forgotten', async () => {
  const name = await lab.bound('unknown', { csi: { driver: 'other.example.org', volumeHandle: 'x' } });
  await lab.aboutDriver('other.example.org', { attachRequired: false });
  await lab.create(using('missing-driver', 'unknown'));
  const text = `Warning FailedMount MountVolume.MountDevice failed for volume "${name}" : kubernetes.io/csi: attacher.MountDevice failed to create newCsiDriverClient: driver name other.example.org not found in the list of registered CSI drivers`;
  await lab.told('missing-driver', text);
  const other = await startCsiTestDriver({
    name: 'other.example.org',
    root: lab.root,
    backing: join(lab.containerd.directory, 'backing'),
    capabilities: [],
  });
  await lab.until('missing-driver', isReady);
  await lab.remove('missing-driver');
  await other.close();
  await csiNode((node) => !node?.spec.drivers.some(({ name: each }) => each === 'other.example.org'));
});

test('a driver of an unknown version is refused', async () => {
  const old = await startCsiTestDriver({ name: 'old.example.org', root: lab.root, backing: '/', versions: ['0.3.0'] });
  await expect.poll(() => old.told.length, PATIENCE).toBe(1);
  expect(old.told[0]).toMatchObject({
    pluginRegistered: false,
    error: expect.stringContaining('none of the CSI versions'),
  });
  await old.close();
});
