/** A CSI driver as its manifests bring it: a privileged pod that registers with the kubelet, and volumes that it is asked for. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import type { CSINode, Node, PersistentVolumeClaim, VolumeAttachment } from '#api/generated/schema.ts';
import { object, playground, pod, shell, type Volume } from './conformance/playground.ts';
import { eventually, holds, type KedgeCluster } from './running-cluster.ts';

const DRIVER = 'disks.example.org';
const IMAGE = 'kedge.local/csi-driver:1';
const NODE = 'node1';
const KUBELET = '/var/lib/kubelet';
const STORAGE = '/apis/storage.k8s.io/v1';
const UNIQUE = `kubernetes.io/csi/${DRIVER}^disk-1`;

const PROGRAM = `
import { startCsiTestDriver } from ${JSON.stringify(join(import.meta.dirname, '../node/csi-test-driver.ts'))};
await startCsiTestDriver({ name: ${JSON.stringify(DRIVER)}, root: ${JSON.stringify(KUBELET)}, backing: '/backing' });
`;

async function driverImageOn(cluster: KedgeCluster): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'kedge-csi-'));
  try {
    mkdirSync(join(folder, 'bin'));
    copyFileSync('/bin/busybox', join(folder, 'bin/busybox'));
    for (const applet of ['sh', 'mount', 'umount']) symlinkSync('busybox', join(folder, 'bin', applet));
    await build({
      stdin: { contents: PROGRAM, resolveDir: import.meta.dirname },
      outfile: join(folder, 'driver.mjs'),
      bundle: true,
      platform: 'node',
      format: 'esm',
      banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
      logLevel: 'error',
    });
    await cluster.kedge('image', 'build', folder, '--name', cluster.name, '--tag', IMAGE, '--with-node');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const ground = playground('csi', async (it) => {
  await driverImageOn(it.cluster);
  await it.api.post(`${STORAGE}/csidrivers`, { metadata: { name: DRIVER }, spec: { attachRequired: true } });
  await it.api.post('/api/v1/persistentvolumes', {
    metadata: { name: 'csi-disk' },
    spec: {
      capacity: { storage: '1Gi' },
      accessModes: ['ReadWriteOnce'],
      persistentVolumeReclaimPolicy: 'Retain',
      storageClassName: 'csi-by-hand',
      csi: { driver: DRIVER, volumeHandle: 'disk-1' },
    },
  });
  const mount = { name: 'kubelet', mountPath: KUBELET, mountPropagation: 'Bidirectional' as const };
  await it.create(
    pod('driver', {
      spec: {
        nodeName: NODE,
        containers: [
          {
            name: 'driver',
            image: IMAGE,
            command: ['node', '/driver.mjs'],
            securityContext: { privileged: true },
            volumeMounts: [mount, { name: 'backing', mountPath: '/backing' }],
          },
        ],
        volumes: [
          { name: 'kubelet', hostPath: { path: KUBELET, type: 'Directory' } } as Volume,
          { name: 'backing', emptyDir: {} },
        ],
      },
    }),
    object('PersistentVolumeClaim', 'disk', {
      spec: {
        accessModes: ['ReadWriteOnce'],
        storageClassName: 'csi-by-hand',
        resources: { requests: { storage: '1Gi' } },
      },
    }),
  );
  return async () => {
    await it.api.try('DELETE', `${STORAGE}/csidrivers/${DRIVER}`);
    await it.api.try('DELETE', '/api/v1/persistentvolumes/csi-disk');
  };
});

const attachments = async () =>
  (await ground().api.get<{ items: VolumeAttachment[] }>(`${STORAGE}/volumeattachments`)).items.filter(
    ({ spec }) => spec.attacher === DRIVER,
  );
const claimPath = () => ground().path('PersistentVolumeClaim', 'v1', 'disk');
const node = () => ground().api.get<Node>(`/api/v1/nodes/${NODE}`);

test('a driver in a pod registers; its volume is attached, mounted, kept for the next pod, and detached', async () => {
  await eventually('the node has the driver', async () => {
    const { spec } = await ground().api.get<CSINode>(`${STORAGE}/csinodes/${NODE}`);
    return spec.drivers.some(({ name }) => name === DRIVER);
  });
  await eventually('the claim is bound', async () => {
    const claim = await ground().api.get<PersistentVolumeClaim>(claimPath());
    return claim.status?.phase === 'Bound';
  });
  const using = (name: string, script: string) =>
    pod(name, {
      spec: {
        nodeSelector: { 'kubernetes.io/hostname': NODE },
        containers: [shell(script, { volumeMounts: [{ name: 'disk', mountPath: '/disk' }] })],
        volumes: [{ name: 'disk', persistentVolumeClaim: { claimName: 'disk' } }],
      },
    });
  await ground().create(using('writer', 'echo from the disk > /disk/file; sleep 3600'));
  const [attachment] = await eventually('an attachment is asked for', async () => {
    const all = await attachments();
    return all.length === 1 && all;
  });
  // Here the driver's attacher acts.
  const path = `${STORAGE}/volumeattachments/${attachment?.metadata.name}/status`;
  await ground().api.patch(path, { status: { attached: true } });
  await ground().ready('writer');
  await holds('the node tells of it', async () =>
    expect((await node()).status).toMatchObject({
      volumesInUse: [UNIQUE],
      volumesAttached: [{ name: UNIQUE, devicePath: '' }],
    }),
  );
  const writer = ground().path('Pod', 'v1', 'writer');
  // Here the driver's resizer has acted: the kubelet does the rest.
  const capacity = { storage: '2Gi' };
  await ground().api.patch('/api/v1/persistentvolumes/csi-disk', { spec: { capacity } });
  const conditions = [{ type: 'FileSystemResizePending', status: 'True' }];
  await ground().api.patch(`${claimPath()}/status`, { status: { conditions } });
  await eventually(
    'the claim has grown',
    async () => {
      const claim = await ground().api.get<PersistentVolumeClaim>(claimPath());
      return claim.status?.capacity?.['storage'] === '2Gi' && claim.status.phase === 'Bound';
    },
    150_000,
  );
  await ground().api.delete(writer);
  await ground().gone(writer);
  await eventually('the volume is detached', async () => {
    const { status } = await node();
    return (await attachments()).length === 0 && !status?.volumesInUse?.length && !status?.volumesAttached?.length;
  });

  await ground().create(using('reader', 'cat /disk/file'));
  const [again] = await eventually('it is asked for again', async () => {
    const all = await attachments();
    return all.length === 1 && all;
  });
  await ground().api.patch(`${STORAGE}/volumeattachments/${again?.metadata.name}/status`, {
    status: { attached: true },
  });
  await ground().ended('reader');
  expect(await ground().log('reader')).toBe('from the disk\n');
  const reader = ground().path('Pod', 'v1', 'reader');
  await ground().api.delete(reader);
  await ground().gone(reader);
  await eventually('nothing is attached', async () => (await attachments()).length === 0);

  const driver = ground().path('Pod', 'v1', 'driver');
  await ground().api.delete(driver);
  await ground().gone(driver);
}, 400_000);
