import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Node } from '#api/core/v1/node.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import type { Pod, Volume } from '#api/generated/schema.ts';
import type { CSINode } from '#api/storage/v1/csi-node.ts';
import { NODE, podOf } from '../../node/kubelet-fixture.ts';
import { TEST_IMAGE } from '../../node/private-containerd.ts';
import { isReady, pathOf, using, VolumesLab } from '../../node/volumes-lab.ts';

let lab: VolumesLab;
beforeAll(async () => {
  lab = await VolumesLab.start('10.213.7.0/24');
});
afterAll(() => lab.close());

test('what a pod writes to its folder is there for the next, and erased when the volume is released', async () => {
  const name = await lab.bound('kept', lab.localPath());
  await lab.create(using('writer', 'kept', { spec: { securityContext: { runAsUser: 1000 } } }));
  await lab.exec(await lab.until('writer', isReady), 'echo hello > /data/file');
  const folder = join(lab.root, 'local-path', name);
  expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('hello\n');
  await expect(lab.fixture.kubelet.eraseLocalPath(name)).rejects.toThrow(`${name} is in use`);
  await lab.remove('writer');
  await expect.poll(() => lab.mounts()).toEqual([]);

  await lab.create(using('reader', 'kept', { volume: { readOnly: true } }));
  const reader = await lab.until('reader', isReady);
  expect(await lab.exec(reader, 'cat /data/file; echo no > /data/file')).toContain('Read-only file system');
  expect(await lab.exec(reader, 'cat /data/file')).toBe('hello');
  await lab.remove('reader');

  const outside = join(lab.containerd.directory, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'precious'), 'x');
  symlinkSync(outside, join(folder, 'link'));
  mkdirSync(join(folder, 'deep', 'er'), { recursive: true });
  symlinkSync('/', join(folder, 'deep', 'root'));
  await lab.fixture.kubelet.eraseLocalPath(name);
  await lab.fixture.kubelet.eraseLocalPath(name);
  expect(readdirSync(join(lab.root, 'local-path'))).toEqual([]);
  expect(existsSync(join(outside, 'precious'))).toBe(true);
});

test('nothing but a volume is ever erased', async () => {
  for (const name of ['..', '.', '../pods', 'pods', '', 'pvc-x', 'pvc-00000000-0000-0000-0000-000000000001/../..'])
    await expect(lab.fixture.kubelet.eraseLocalPath(name)).rejects.toThrow('is no volume');
});

test('a volume belongs to the pod’s group', async () => {
  const name = await lab.bound('grouped', lab.localPath());
  await lab.create(using('grouped', 'grouped', { spec: { securityContext: { runAsUser: 1000, fsGroup: 2000 } } }));
  const pod = await lab.until('grouped', isReady);
  await lab.exec(pod, 'echo x > /data/file');
  expect(statSync(join(lab.root, 'local-path', name)).gid).toBe(2000);
  expect(statSync(join(lab.root, 'local-path', name, 'file')).gid).toBe(2000);
  await lab.remove('grouped');
});

test('subPath of a claim is mounted; a link that leads out of it is refused', async () => {
  const name = await lab.bound('parted', lab.localPath());
  const folder = join(lab.root, 'local-path', name);
  mkdirSync(folder, { recursive: true });
  symlinkSync('/etc', join(folder, 'evil'));
  await lab.create(using('part', 'parted', { mount: { subPath: 'a/b' } }));
  await lab.exec(await lab.until('part', isReady), 'echo part > /data/file');
  expect(readFileSync(join(folder, 'a', 'b', 'file'), 'utf8')).toBe('part\n');
  await lab.remove('part');

  await lab.create(using('escape', 'parted', { mount: { subPath: 'evil' } }));
  const pod = await lab.until(
    'escape',
    (now) => now?.status?.containerStatuses?.[0]?.state?.waiting?.message !== undefined,
  );
  expect(pod?.status?.containerStatuses?.[0]?.state?.waiting).toMatchObject({
    reason: 'CreateContainerConfigError',
    message: 'failed to prepare subPath for volumeMount "data" of container "main"',
  });
  await lab.remove('escape');
  await expect.poll(() => lab.mounts()).toEqual([]);
});

test('a kubelet that begins anew knows what is mounted, and takes it down', async () => {
  await lab.bound('lasting', lab.localPath());
  await lab.create(using('lasting', 'lasting'));
  await lab.exec(await lab.until('lasting', isReady), 'echo x > /data/file');
  await lab.fixture.restart();
  // Not even the API is needed to know it.
  await lab.fixture.client.delete(PersistentVolumeClaim, { name: 'lasting', namespace: 'default' });
  expect(await lab.exec(await lab.until('lasting', isReady), 'cat /data/file')).toBe('x');
  await lab.remove('lasting');
  await expect.poll(() => lab.mounts()).toEqual([]);
});

for (const { what, prepare, message } of [
  {
    what: 'is not there',
    prepare: async () => undefined,
    message: 'failed to fetch PVC from API server: persistentvolumeclaims "wanted" not found',
  },
  {
    what: 'is not bound',
    prepare: async () => void (await lab.bound('wanted', lab.localPath(), { claimStatus: { phase: 'Pending' } })),
    message: 'PVC is not bound',
  },
])
  test(`a pod whose claim ${what} is told so`, async () => {
    await prepare();
    const name = `hopeful-${++lab.count}`;
    await lab.create(using(name, 'wanted'));
    const text = `Warning FailedMount Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[], failed to process volumes=[data]: error processing PVC default/wanted: ${message}`;
    await lab.told(name, text);
    await lab.remove(name);
  });

test('a volume of another node is not mounted', async () => {
  const name = await lab.bound('elsewhere', {
    ...lab.localPath(),
    nodeAffinity: {
      required: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['far'] }] }],
      },
    },
  });
  await lab.create(using('far', 'elsewhere'));
  const text = `Warning FailedMount MountVolume.NodeAffinity check failed for volume "${name}" : no matching NodeSelectorTerms`;
  await lab.told('far', text);
  await lab.remove('far');
});

test('hostPath and local volumes are mounted; a folder that is missing is told', async () => {
  const there = join(lab.containerd.directory, 'disk');
  mkdirSync(there);
  await lab.bound('disk', { local: { path: there } });
  await lab.bound('host', { hostPath: { path: there, type: 'Directory' } });
  await lab.create(using('on-disk', 'disk'));
  await lab.exec(await lab.until('on-disk', isReady), 'echo disk > /data/file');
  await lab.create(using('on-host', 'host'));
  const onHost = await lab.until('on-host', isReady);
  expect(await lab.exec(onHost, 'cat /data/file')).toBe('disk');
  const [stats] = await lab.fixture.kubelet.volumeStats(onHost?.metadata.uid ?? '');
  expect(stats).toMatchObject({ name: 'data', capacityBytes: expect.any(Number), inodesFree: expect.any(Number) });
  expect(stats?.usedBytes).toBeGreaterThan(0);
  await lab.remove('on-disk');
  await lab.remove('on-host');
  expect(readFileSync(join(there, 'file'), 'utf8')).toBe('disk\n');

  const name = await lab.bound('missing', { local: { path: '/nowhere/at/all' } });
  await lab.create(using('nowhere', 'missing'));
  const text = `Warning FailedMount MountVolume.NewMounter initialization failed for volume "${name}" : path "/nowhere/at/all" does not exist`;
  await lab.told('nowhere', text);
  await lab.remove('nowhere');
  await expect.poll(() => lab.mounts()).toEqual([]);
});

test('ReadWriteOncePod is for one pod only', async () => {
  const name = await lab.bound('single', { ...lab.localPath(), accessModes: ['ReadWriteOncePod'] });
  await lab.create(using('one', 'single'));
  await lab.until('one', isReady);
  await lab.create(using('two', 'single'));
  const text = `Warning FailedMount MountVolume.SetUp failed for volume "${name}" : volume uses the ReadWriteOncePod access mode and is already in use by another pod`;
  await lab.told('two', text);
  await lab.remove('one');
  await lab.until('two', isReady);
  await lab.remove('two');
});

test('the content of an image is a volume that nobody can write to', async () => {
  await lab.create(
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
  const pod = await lab.until('pictured', isReady);
  expect(await lab.exec(pod, 'ls /content | grep -cx sh; ls /all/bin | grep -cx sh')).toBe('1\n1');
  expect(await lab.exec(pod, 'touch /all/x')).toContain('Read-only file system');
  await lab.remove('pictured');
  await expect.poll(() => lab.mounts()).toEqual([]);
});

test('an image volume whose image cannot be had is told, and the pod waits', async () => {
  const image = { reference: 'localhost:1/nothing:1', pullPolicy: 'IfNotPresent' };
  await lab.create(
    podOf('unpictured', {
      containers: [{ name: 'main', volumeMounts: [{ name: 'content', mountPath: '/content' }] }],
      volumes: [{ name: 'content', image } as Volume],
    }),
  );
  const said = (start: string) => lab.messages('unpictured').some((message) => message.startsWith(start));
  await lab.fixture.api.until<Pod>(pathOf('unpictured'), () =>
    said('Warning Failed Failed to pull image "localhost:1/nothing:1": '),
  );
  const waiting = (pod: Pod | undefined) => pod?.status?.containerStatuses?.[0]?.state?.waiting;
  const pod = await lab.until('unpictured', (there) => waiting(there)?.reason === 'ErrImagePull');
  expect(waiting(pod)?.message).toContain('localhost:1/nothing:1');
  await lab.told('unpictured', 'Warning Failed Error: ErrImagePull');
  await lab.remove('unpictured');
  await expect.poll(() => lab.mounts()).toEqual([]);
});

test('a volume is mounted in another whose files are only read', async () => {
  const items = [{ path: 'name', fieldRef: { fieldPath: 'metadata.name' } }];
  const volumeMounts = [
    { name: 'files', mountPath: '/etc/app' },
    { name: 'run', mountPath: '/etc/app/run' },
  ];
  await lab.create(
    podOf('nested', {
      containers: [{ name: 'main', volumeMounts }],
      volumes: [{ name: 'files', downwardAPI: { items } } as Volume, { name: 'run', emptyDir: {} }],
    }),
  );
  const pod = await lab.until('nested', isReady);
  expect(await lab.exec(pod, 'touch /etc/app/run/x; cat /etc/app/name')).toBe('nested');
  expect(await lab.exec(pod, 'touch /etc/app/x')).toContain('Read-only file system');
  await lab.remove('nested');
  await expect.poll(() => lab.mounts()).toEqual([]);
});

/** A device of 1 MiB that begins with a text. */
function loopDevice(name: string, text: string): string {
  const file = join(lab.containerd.directory, name);
  writeFileSync(file, Buffer.concat([Buffer.from(text), Buffer.alloc(2 ** 20 - text.length)]));
  return execFileSync('losetup', ['--find', '--show', file], { encoding: 'utf8' }).trim();
}

test('a local volume that is a device is a device in the container, and nothing else', async () => {
  const device = loopDevice('disk.img', 'hello');
  try {
    const name = await lab.bound('raw', { local: { path: device }, volumeMode: 'Block' });
    const devices = (permission: object = {}) =>
      podOf('raw', {
        containers: [{ name: 'main', volumeDevices: [{ name: 'data', devicePath: '/dev/xvda' }] }],
        volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'raw', ...permission } } as Volume],
      });
    await lab.create(devices());
    const pod = await lab.until('raw', isReady);
    expect(await lab.exec(pod, 'test -b /dev/xvda && head -c5 /dev/xvda; echo; printf HELLO > /dev/xvda')).toBe(
      'hello',
    );
    await lab.fixture.restart();
    expect(await lab.exec(await lab.until('raw', isReady), 'head -c5 /dev/xvda')).toBe('HELLO');
    await lab.remove('raw');
    await expect.poll(() => lab.mounts()).toEqual([]);

    await lab.create(devices({ readOnly: true }));
    const reader = await lab.until('raw', isReady);
    expect(await lab.exec(reader, 'head -c5 /dev/xvda; printf no > /dev/xvda')).toMatch(/^HELLO.*not permitted/s);
    await lab.remove('raw');

    await lab.create(using('mounting', 'raw'));
    const why = 'volume data has volumeMode Block, but is specified in volumeMounts';
    const text = `Warning FailedMount Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[], failed to process volumes=[data]: ${why}`;
    await lab.told('mounting', text);
    await lab.remove('mounting');
    expect(name).toMatch(/^pvc-/);
  } finally {
    execFileSync('losetup', ['--detach', device]);
  }
});

test('a file that is no device is none', async () => {
  const file = join(lab.containerd.directory, 'plain');
  writeFileSync(file, 'x');
  const name = await lab.bound('plain', { local: { path: file }, volumeMode: 'Block' });
  await lab.create(
    podOf('plain', {
      containers: [{ name: 'main', volumeDevices: [{ name: 'data', devicePath: '/dev/xvda' }] }],
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'plain' } } as Volume],
    }),
  );
  await lab.told(
    'plain',
    `Warning FailedMount MapVolume.MapPodDevice failed for volume "${name}" : path "${file}" is not a block device`,
  );
  await lab.remove('plain');
});

test('where mount.nfs is missing, the pod is told what to install', async () => {
  if (existsSync('/sbin/mount.nfs')) return;
  await lab.create(
    podOf('networked', {
      containers: [{ name: 'main', volumeMounts: [{ name: 'share', mountPath: '/share' }] }],
      volumes: [{ name: 'share', nfs: { server: '127.0.0.1', path: '/export' } } as Volume],
    }),
  );
  const said = () => lab.messages('networked').find((message) => message.includes('FailedMount')) ?? '';
  await lab.fixture.api.until<Pod>(pathOf('networked'), () => said() !== '');
  expect(said()).toContain('MountVolume.SetUp failed for volume "share" : mount failed: exit status');
  expect(said()).toContain('install nfs-common');
  await lab.remove('networked');
});

test('the node tells of its built-in driver', async () => {
  const node = await lab.fixture.api.until<CSINode>(
    `/apis/storage.k8s.io/v1/csinodes/${NODE}`,
    (there) => there !== undefined,
  );
  expect(node?.spec.drivers).toEqual([
    { name: 'local-path.kedge.dev', nodeID: NODE, topologyKeys: ['kubernetes.io/hostname'] },
  ]);
  const { metadata } = await lab.fixture.client.get(Node, { name: NODE });
  expect(metadata.annotations?.['csi.volume.kubernetes.io/nodeid']).toBe(`{"local-path.kedge.dev":"${NODE}"}`);
});
