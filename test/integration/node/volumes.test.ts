import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Node } from '#api/core/v1/node.ts';
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { Secret } from '#api/core/v1/secret.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { Event, Volume } from '#api/generated/schema.ts';
import type { Draft } from '#client/client.ts';
import { attachmentName } from '#api/storage/v1/attachment-name.ts';
import { CSIDriver } from '#api/storage/v1/csi-driver.ts';
import type { CSINode } from '#api/storage/v1/csi-node.ts';
import { VolumeAttachment } from '#api/storage/v1/volume-attachment.ts';
import { type CsiTestDriver, startCsiTestDriver } from '../../node/csi-test-driver.ts';
import { type KubeletFixture, NODE, podOf, startKubeletFixture } from '../../node/kubelet-fixture.ts';
import { type PrivateContainerd, startPrivateContainerd, TEST_IMAGE } from '../../node/private-containerd.ts';

let containerd: PrivateContainerd;
let fixture: KubeletFixture;
let root: string;
beforeAll(async () => {
  containerd = await startPrivateContainerd('10.213.7.0/24');
  root = join(containerd.directory, 'kubelet');
  fixture = await startKubeletFixture(containerd);
  await aboutDriver('local-path.kedge.dev', { attachRequired: false, fsGroupPolicy: 'File' });
});
afterAll(async () => {
  await fixture.close();
  await containerd.close();
});

const aboutDriver = (name: string, spec: object) =>
  fixture.client.create(CSIDriver, {
    metadata: { name },
    spec: { volumeLifecycleModes: ['Persistent'], podInfoOnMount: false, requiresRepublish: false, ...spec },
  } as unknown as Draft<CSIDriver>);
const pathOf = (name: string) => `/api/v1/namespaces/default/pods/${name}`;
const until = (name: string, isWanted: (pod: Pod | undefined) => boolean) =>
  fixture.api.until<Pod>(pathOf(name), isWanted);
const isReady = (pod: Pod | undefined) =>
  pod?.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';
const messages = (name: string) =>
  fixture.api
    .all<Event>('/api/v1/events')
    .filter(({ involvedObject }) => involvedObject.name === name)
    .map(({ type, reason, message }) => `${type} ${reason} ${message}`);
const exec = async (pod: Pod | undefined, script: string) => {
  const id = pod?.status?.containerStatuses?.[0]?.containerID?.replace('containerd://', '') ?? '';
  const { stdout, stderr } = await containerd.runtime.execSync(id, ['/bin/sh', '-c', script], 20);
  return Buffer.concat([stdout, stderr]).toString('utf8').trim();
};
const remove = async (name: string) => {
  await fixture.client.delete(Pod, { name, namespace: 'default' }, { gracePeriodSeconds: 1 });
  await until(name, (gone) => gone === undefined);
};
const mounts = () =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(root));

let count = 0;
/** A claim and its volume, bound to each other. @returns the volume's name */
async function bound(claim: string, spec: object, more: { claimStatus?: object; capacity?: string } = {}) {
  const name = `pvc-00000000-0000-0000-0000-${String(++count).padStart(12, '0')}`;
  const made = await fixture.client.create(PersistentVolumeClaim, {
    metadata: { name: claim, namespace: 'default' },
    spec: { accessModes: ['ReadWriteOnce'], volumeName: name, resources: { requests: { storage: '1Gi' } } },
    status: { phase: 'Bound', capacity: { storage: '1Gi' }, ...more.claimStatus },
  } as unknown as Draft<PersistentVolumeClaim>);
  await fixture.client.create(PersistentVolume, {
    metadata: { name },
    spec: {
      accessModes: ['ReadWriteOnce'],
      capacity: { storage: more.capacity ?? '1Gi' },
      claimRef: { namespace: 'default', name: claim, uid: made.metadata.uid },
      ...spec,
    },
  } as unknown as Draft<PersistentVolume>);
  return name;
}
const localPath = (name = `pvc-00000000-0000-0000-0000-${String(count + 1).padStart(12, '0')}`) => ({
  csi: { driver: 'local-path.kedge.dev', volumeHandle: name },
});
const using = (name: string, claimName: string, more: { volume?: object; mount?: object; spec?: object } = {}) =>
  podOf(name, {
    containers: [{ name: 'main', volumeMounts: [{ name: 'data', mountPath: '/data', ...more.mount }] }],
    volumes: [{ name: 'data', persistentVolumeClaim: { claimName, ...more.volume } } as Volume],
    ...more.spec,
  });
const create = (pod: Pod) => fixture.client.create(Pod, pod);

test('what a pod writes to its folder is there for the next, and erased when the volume is released', async () => {
  const name = await bound('kept', localPath());
  await create(using('writer', 'kept', { spec: { securityContext: { runAsUser: 1000 } } }));
  await exec(await until('writer', isReady), 'echo hello > /data/file');
  const folder = join(root, 'local-path', name);
  expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('hello\n');
  await expect(fixture.kubelet.eraseLocalPath(name)).rejects.toThrow(`${name} is in use`);
  await remove('writer');
  expect(mounts()).toEqual([]);

  await create(using('reader', 'kept', { volume: { readOnly: true } }));
  const reader = await until('reader', isReady);
  expect(await exec(reader, 'cat /data/file; echo no > /data/file')).toContain('Read-only file system');
  expect(await exec(reader, 'cat /data/file')).toBe('hello');
  await remove('reader');

  const outside = join(containerd.directory, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'precious'), 'x');
  symlinkSync(outside, join(folder, 'link'));
  mkdirSync(join(folder, 'deep', 'er'), { recursive: true });
  symlinkSync('/', join(folder, 'deep', 'root'));
  await fixture.kubelet.eraseLocalPath(name);
  await fixture.kubelet.eraseLocalPath(name);
  expect(readdirSync(join(root, 'local-path'))).toEqual([]);
  expect(existsSync(join(outside, 'precious'))).toBe(true);
});

test('nothing but a volume is ever erased', async () => {
  for (const name of ['..', '.', '../pods', 'pods', '', 'pvc-x', 'pvc-00000000-0000-0000-0000-000000000001/../..'])
    await expect(fixture.kubelet.eraseLocalPath(name)).rejects.toThrow('is no volume');
});

test('a volume belongs to the pod’s group', async () => {
  const name = await bound('grouped', localPath());
  await create(using('grouped', 'grouped', { spec: { securityContext: { runAsUser: 1000, fsGroup: 2000 } } }));
  const pod = await until('grouped', isReady);
  await exec(pod, 'echo x > /data/file');
  expect(statSync(join(root, 'local-path', name)).gid).toBe(2000);
  expect(statSync(join(root, 'local-path', name, 'file')).gid).toBe(2000);
  await remove('grouped');
});

test('subPath of a claim is mounted; a link that leads out of it is refused', async () => {
  const name = await bound('parted', localPath());
  const folder = join(root, 'local-path', name);
  mkdirSync(folder, { recursive: true });
  symlinkSync('/etc', join(folder, 'evil'));
  await create(using('part', 'parted', { mount: { subPath: 'a/b' } }));
  await exec(await until('part', isReady), 'echo part > /data/file');
  expect(readFileSync(join(folder, 'a', 'b', 'file'), 'utf8')).toBe('part\n');
  await remove('part');

  await create(using('escape', 'parted', { mount: { subPath: 'evil' } }));
  const pod = await until(
    'escape',
    (now) => now?.status?.containerStatuses?.[0]?.state?.waiting?.message !== undefined,
  );
  expect(pod?.status?.containerStatuses?.[0]?.state?.waiting).toMatchObject({
    reason: 'CreateContainerConfigError',
    message: 'failed to prepare subPath for volumeMount "data" of container "main"',
  });
  await remove('escape');
  expect(mounts()).toEqual([]);
});

test('a kubelet that begins anew knows what is mounted, and takes it down', async () => {
  await bound('lasting', localPath());
  await create(using('lasting', 'lasting'));
  await exec(await until('lasting', isReady), 'echo x > /data/file');
  await fixture.restart();
  // Not even the API is needed to know it.
  await fixture.client.delete(PersistentVolumeClaim, { name: 'lasting', namespace: 'default' });
  expect(await exec(await until('lasting', isReady), 'cat /data/file')).toBe('x');
  await remove('lasting');
  expect(mounts()).toEqual([]);
});

for (const { what, prepare, message } of [
  {
    what: 'is not there',
    prepare: async () => undefined,
    message: 'failed to fetch PVC from API server: persistentvolumeclaims "wanted" not found',
  },
  {
    what: 'is not bound',
    prepare: async () => void (await bound('wanted', localPath(), { claimStatus: { phase: 'Pending' } })),
    message: 'PVC is not bound',
  },
])
  test(`a pod whose claim ${what} is told so`, async () => {
    await prepare();
    const name = `hopeful-${++count}`;
    await create(using(name, 'wanted'));
    const text = `Warning FailedMount Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[], failed to process volumes=[data]: error processing PVC default/wanted: ${message}`;
    await fixture.api.until<Pod>(pathOf(name), () => messages(name).includes(text));
    await remove(name);
  });

test('a volume of another node is not mounted', async () => {
  const name = await bound('elsewhere', {
    ...localPath(),
    nodeAffinity: {
      required: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['far'] }] }],
      },
    },
  });
  await create(using('far', 'elsewhere'));
  const text = `Warning FailedMount MountVolume.NodeAffinity check failed for volume "${name}" : no matching NodeSelectorTerms`;
  await fixture.api.until<Pod>(pathOf('far'), () => messages('far').includes(text));
  await remove('far');
});

test('hostPath and local volumes are mounted; a folder that is missing is told', async () => {
  const there = join(containerd.directory, 'disk');
  mkdirSync(there);
  await bound('disk', { local: { path: there } });
  await bound('host', { hostPath: { path: there, type: 'Directory' } });
  await create(using('on-disk', 'disk'));
  await exec(await until('on-disk', isReady), 'echo disk > /data/file');
  await create(using('on-host', 'host'));
  const onHost = await until('on-host', isReady);
  expect(await exec(onHost, 'cat /data/file')).toBe('disk');
  const [stats] = await fixture.kubelet.volumeStats(onHost?.metadata.uid ?? '');
  expect(stats).toMatchObject({ name: 'data', capacityBytes: expect.any(Number), inodesFree: expect.any(Number) });
  expect(stats?.usedBytes).toBeGreaterThan(0);
  await remove('on-disk');
  await remove('on-host');
  expect(readFileSync(join(there, 'file'), 'utf8')).toBe('disk\n');

  const name = await bound('missing', { local: { path: '/nowhere/at/all' } });
  await create(using('nowhere', 'missing'));
  const text = `Warning FailedMount MountVolume.NewMounter initialization failed for volume "${name}" : path "/nowhere/at/all" does not exist`;
  await fixture.api.until<Pod>(pathOf('nowhere'), () => messages('nowhere').includes(text));
  await remove('nowhere');
  expect(mounts()).toEqual([]);
});

test('ReadWriteOncePod is for one pod only', async () => {
  const name = await bound('single', { ...localPath(), accessModes: ['ReadWriteOncePod'] });
  await create(using('one', 'single'));
  await until('one', isReady);
  await create(using('two', 'single'));
  const text = `Warning FailedMount MountVolume.SetUp failed for volume "${name}" : volume uses the ReadWriteOncePod access mode and is already in use by another pod`;
  await fixture.api.until<Pod>(pathOf('two'), () => messages('two').includes(text));
  await remove('one');
  await until('two', isReady);
  await remove('two');
});

test('the content of an image is a volume that nobody can write to', async () => {
  await create(
    podOf('pictured', {
      containers: [
        {
          name: 'main',
          volumeMounts: [
            { name: 'content', mountPath: '/content', subPath: 'bin' },
            { name: 'content', mountPath: '/all' },
          ],
        },
      ],
      volumes: [{ name: 'content', image: { reference: TEST_IMAGE, pullPolicy: 'IfNotPresent' } } as Volume],
    }),
  );
  const pod = await until('pictured', isReady);
  expect(await exec(pod, 'ls /content | grep -cx sh; ls /all/bin | grep -cx sh')).toBe('1\n1');
  expect(await exec(pod, 'touch /all/x')).toContain('Read-only file system');
  await remove('pictured');
  expect(mounts()).toEqual([]);
});

test('where mount.nfs is missing, the pod is told what to install', async () => {
  if (existsSync('/sbin/mount.nfs')) return;
  await create(
    podOf('networked', {
      containers: [{ name: 'main', volumeMounts: [{ name: 'share', mountPath: '/share' }] }],
      volumes: [{ name: 'share', nfs: { server: '127.0.0.1', path: '/export' } } as Volume],
    }),
  );
  const said = () => messages('networked').find((message) => message.includes('FailedMount')) ?? '';
  await fixture.api.until<Pod>(pathOf('networked'), () => said() !== '');
  expect(said()).toContain('MountVolume.SetUp failed for volume "share" : mount failed: exit status');
  expect(said()).toContain('install nfs-common');
  await remove('networked');
});

test('the node tells of its built-in driver', async () => {
  const node = await fixture.api.until<CSINode>(
    `/apis/storage.k8s.io/v1/csinodes/${NODE}`,
    (there) => there !== undefined,
  );
  expect(node?.spec.drivers).toEqual([
    { name: 'local-path.kedge.dev', nodeID: NODE, topologyKeys: ['kubernetes.io/hostname'] },
  ]);
  const { metadata } = await fixture.client.get(Node, { name: NODE });
  expect(metadata.annotations?.['csi.volume.kubernetes.io/nodeid']).toBe(`{"local-path.kedge.dev":"${NODE}"}`);
});

describe('a driver behind a socket', () => {
  const DRIVER = 'disks.example.org';
  const csi = { csi: { driver: DRIVER, volumeHandle: 'disk-1', volumeAttributes: { colour: 'blue' } } };
  const PATIENCE = { timeout: 50_000 };
  let driver: CsiTestDriver;
  const csiNode = (isWanted: (node: CSINode | undefined) => boolean) =>
    fixture.api.until<CSINode>(`/apis/storage.k8s.io/v1/csinodes/${NODE}`, isWanted);
  const names = () => driver.calls.map(({ name }) => name).filter((name) => name !== 'NodeGetCapabilities');
  const requestOf = (name: string) => driver.calls.findLast((call) => call.name === name)?.request;
  const hasDriver = (node: CSINode | undefined) => node?.spec.drivers?.some(({ name }) => name === DRIVER) ?? false;

  beforeAll(async () => {
    driver = await startCsiTestDriver({
      name: DRIVER,
      root,
      capabilities: ['STAGE_UNSTAGE_VOLUME', 'EXPAND_VOLUME', 'GET_VOLUME_STATS'],
      backing: join(containerd.directory, 'backing'),
      maxVolumes: 8,
    });
    await csiNode(hasDriver);
  });
  afterAll(() => driver.close());

  test('is registered: CSINode, the node’s labels and annotation, and the driver know of it', async () => {
    const node = await csiNode(hasDriver);
    expect(node?.spec.drivers.find(({ name }) => name === DRIVER)).toEqual({
      name: DRIVER,
      nodeID: `${DRIVER}-node`,
      topologyKeys: [`topology.${DRIVER}/zone`],
      allocatable: { count: 8 },
    });
    const { metadata } = await fixture.client.get(Node, { name: NODE });
    expect(metadata.labels).toMatchObject({ [`topology.${DRIVER}/zone`]: 'a' });
    expect(JSON.parse(metadata.annotations?.['csi.volume.kubernetes.io/nodeid'] ?? '')).toMatchObject({
      [DRIVER]: `${DRIVER}-node`,
    });
    await expect.poll(() => driver.told, PATIENCE).toEqual([expect.objectContaining({ pluginRegistered: true })]);
  });

  test('a volume is used when it is attached, staged once, published to each pod, and taken back', async () => {
    await fixture.client.create(Secret, {
      metadata: { name: 'stage', namespace: 'default' },
      type: 'Opaque',
      data: { password: Buffer.from('hunter2').toString('base64') },
    });
    const secret = { name: 'stage', namespace: 'default' };
    const name = await bound('disk-1', { csi: { ...csi.csi, nodeStageSecretRef: secret }, mountOptions: ['noatime'] });
    driver.calls.length = 0;
    await create(using('first', 'disk-1'));
    const unique = `kubernetes.io/csi/${DRIVER}^disk-1`;
    await fixture.api.until<Node>(
      `/api/v1/nodes/${NODE}`,
      (node) => node?.status?.volumesInUse?.includes(unique) ?? false,
    );
    expect(names()).toEqual([]);
    await fixture.client.create(VolumeAttachment, {
      metadata: { name: attachmentName({ driver: DRIVER, volumeHandle: 'disk-1' }, NODE) },
      spec: { attacher: DRIVER, nodeName: NODE, source: { persistentVolumeName: name } },
      status: { attached: true, attachmentMetadata: { device: 'sdb' } },
    });
    await exec(await until('first', isReady), 'echo csi > /data/file');
    await create(using('second', 'disk-1', { volume: { readOnly: true } }));
    expect(await exec(await until('second', isReady), 'cat /data/file')).toBe('csi');
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
    await remove('first');
    expect(names()).toEqual(['NodeUnpublishVolume']);
    await fixture.restart();
    await csiNode(hasDriver);
    await remove('second');
    expect(names().filter((call) => call !== 'NodeGetInfo')).toEqual([
      'NodeUnpublishVolume',
      'NodeUnpublishVolume',
      'NodeUnstageVolume',
    ]);
    await fixture.api.until<Node>(`/api/v1/nodes/${NODE}`, (node) => !node?.status?.volumesInUse?.length);
    expect(mounts()).toEqual([]);
  });

  test('what it says of a failure is told to the pod, and tried again', async () => {
    await aboutDriver(DRIVER, { attachRequired: false, podInfoOnMount: true });
    const name = await bound('disk-2', { csi: { ...csi.csi, volumeHandle: 'disk-2' } });
    driver.failNext('NodeStageVolume', status.INVALID_ARGUMENT, 'no such disk');
    await create(using('failing', 'disk-2'));
    const text = `Warning FailedMount MountVolume.MountDevice failed for volume "${name}" : rpc error: code = InvalidArgument desc = no such disk`;
    await fixture.api.until<Pod>(pathOf('failing'), () => messages('failing').includes(text));
    const pod = await until('failing', isReady);
    expect(requestOf('NodePublishVolume')?.['volumeContext']).toMatchObject({
      'csi.storage.k8s.io/pod.name': 'failing',
      'csi.storage.k8s.io/pod.namespace': 'default',
      'csi.storage.k8s.io/pod.uid': pod?.metadata.uid,
      'csi.storage.k8s.io/ephemeral': 'false',
    });
    await remove('failing');
  });

  test('a volume that has grown is grown on the node, and the claim knows', async () => {
    const name = await bound('disk-3', { csi: { ...csi.csi, volumeHandle: 'disk-3' } }, { capacity: '4Gi' });
    await create(using('growing', 'disk-3'));
    const pod = await until('growing', isReady);
    expect(await fixture.kubelet.volumeStats(pod?.metadata.uid ?? '')).toEqual([
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
    const grown = await fixture.api.until<PersistentVolumeClaim>(
      claim,
      (there) => there?.status?.capacity?.['storage'] === '4Gi',
    );
    expect(grown?.status?.phase).toBe('Bound');
    expect(requestOf('NodeExpandVolume')).toMatchObject({
      volumeId: 'disk-3',
      capacityRange: { requiredBytes: String(4 * 1024 ** 3) },
    });
    const text = `Normal FileSystemResizeSuccessful MountVolume.NodeExpandVolume succeeded for volume "${name}" ${NODE}`;
    await fixture.api.until<Pod>(pathOf('growing'), () => messages('growing').includes(text));
    await remove('growing');
  });

  test('an inline volume lives with its pod, has the pod’s tokens, and only where the driver says that it may', async () => {
    const inline = (name: string, driverName: string) =>
      podOf(name, {
        serviceAccountName: 'default',
        containers: [{ name: 'main', volumeMounts: [{ name: 'own', mountPath: '/own' }] }],
        volumes: [{ name: 'own', csi: { driver: driverName, volumeAttributes: { size: '1' } } } as Volume],
      });
    await create(inline('refused', DRIVER));
    const text = `Warning FailedMount MountVolume.NewMounter initialization failed for volume "own" : volume mode "Ephemeral" not supported by driver ${DRIVER} (only supports ["Persistent"])`;
    await fixture.api.until<Pod>(pathOf('refused'), () => messages('refused').includes(text));
    await remove('refused');

    await fixture.client.patch(
      CSIDriver,
      { name: DRIVER },
      {
        type: 'merge',
        patch: { spec: { volumeLifecycleModes: ['Persistent', 'Ephemeral'], tokenRequests: [{ audience: 'vault' }] } },
      },
    );
    await create(inline('inline', DRIVER));
    await exec(await until('inline', isReady), 'echo own > /own/file');
    const request = requestOf('NodePublishVolume');
    expect(request?.['volumeId']).toMatch(/^csi-[0-9a-f]{64}$/);
    const context = request?.['volumeContext'] as Record<string, string>;
    expect(context['csi.storage.k8s.io/ephemeral']).toBe('true');
    expect(JSON.parse(context['csi.storage.k8s.io/serviceAccount.tokens'] ?? '')).toEqual({
      vault: { token: 'a.b.c', expirationTimestamp: expect.stringMatching(/Z$/) },
    });
    await remove('inline');
    expect(names().at(-1)).toBe('NodeUnpublishVolume');
    expect(mounts()).toEqual([]);
  });

  test('a driver that is not there is missed by name, and one that goes is forgotten', async () => {
    const name = await bound('unknown', { csi: { driver: 'other.example.org', volumeHandle: 'x' } });
    await aboutDriver('other.example.org', { attachRequired: false });
    await create(using('missing-driver', 'unknown'));
    const text = `Warning FailedMount MountVolume.MountDevice failed for volume "${name}" : kubernetes.io/csi: attacher.MountDevice failed to create newCsiDriverClient: driver name other.example.org not found in the list of registered CSI drivers`;
    await fixture.api.until<Pod>(pathOf('missing-driver'), () => messages('missing-driver').includes(text));
    const other = await startCsiTestDriver({
      name: 'other.example.org',
      root,
      backing: join(containerd.directory, 'backing'),
      capabilities: [],
    });
    await until('missing-driver', isReady);
    await remove('missing-driver');
    await other.close();
    await csiNode((node) => !node?.spec.drivers.some(({ name: each }) => each === 'other.example.org'));
  });

  test('a driver of an unknown version is refused', async () => {
    const old = await startCsiTestDriver({ name: 'old.example.org', root, backing: '/', versions: ['0.3.0'] });
    await expect.poll(() => old.told.length, PATIENCE).toBe(1);
    expect(old.told[0]).toMatchObject({
      pluginRegistered: false,
      error: expect.stringContaining('none of the CSI versions'),
    });
    await old.close();
  });
});
