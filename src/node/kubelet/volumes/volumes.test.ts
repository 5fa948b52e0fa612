import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import type { CSIDriver as CSIDriverObject, Node, Pod } from '#api/generated/schema.ts';
import { attachmentName } from '#api/storage/v1/attachment-name.ts';
import { CSIDriver } from '#api/storage/v1/csi-driver.ts';
import { VolumeAttachment } from '#api/storage/v1/volume-attachment.ts';
import { deepFreeze } from '#base/deep-freeze.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { type DriverCapability, DriverFailed, type NodeDriver } from '#node/runtime/csi/node-driver.ts';
import { startCluster, type TestCluster } from '#testing/cluster.ts';
import { accessModeOf, givesToGroup } from './csi-request.ts';
import { CsiVolumes } from './csi-volumes.ts';
import { Drivers } from './drivers.ts';
import { eraseFolder } from './erase-folder.ts';
import { LastingVolumes } from './lasting-volumes.ts';
import { isMountedElsewhere, type Mounter } from './mounter.ts';
import { PodVolumes } from './pod-volumes.ts';
import { ServiceAccountTokens } from './service-account-tokens.ts';
import { VolumeRecords } from './volume-records.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'kedge-volumes-'));
});
afterEach(() => rmSync(root, { recursive: true }));

test('a folder is erased with its links, and nothing that they lead to', async () => {
  mkdirSync(join(root, 'gone/deep'), { recursive: true });
  mkdirSync(join(root, 'stays'));
  writeFileSync(join(root, 'stays/file'), 'x');
  symlinkSync(join(root, 'stays'), join(root, 'gone/deep/link'));
  await eraseFolder(root, 'gone');
  expect(readdirSync(root)).toEqual(['stays']);
  expect(readdirSync(join(root, 'stays'))).toEqual(['file']);
  symlinkSync(join(root, 'stays'), join(root, 'link'));
  await eraseFolder(root, 'link');
  await eraseFolder(root, 'was-never-there');
  expect(readdirSync(join(root, 'stays'))).toEqual(['file']);
  for (const name of ['..', '.', '', 'a/b']) await expect(eraseFolder(root, name)).rejects.toThrow('not a name');
});

for (const { what, mounts, is } of [
  { what: 'nothing of it', mounts: ['1 0 8:1 / / rw - ext4 sda rw'], is: false },
  { what: 'itself', mounts: ['1 0 8:1 / / rw - x', '2 1 8:1 /data/vol /pods/a/mount rw - x'], is: true },
  { what: 'a part of it', mounts: ['1 0 8:1 / / rw - x', '2 1 8:1 /data/vol/sub /pods/a/mount rw - x'], is: true },
  { what: 'a namesake', mounts: ['1 0 8:1 / / rw - x', '2 1 8:1 /data/volume /pods/a/mount rw - x'], is: false },
  {
    what: 'itself, as the file system below /data calls it',
    mounts: ['1 0 8:1 / / rw - x', '2 1 8:2 / /data rw - x', '3 1 8:2 /vol /pods/a/mount rw - x'],
    is: true,
  },
  {
    what: 'something of its name on another device',
    mounts: ['1 0 8:1 / / rw - x', '2 1 8:2 / /data rw - x', '3 1 8:1 /data/vol /pods/a/mount rw - x'],
    is: false,
  },
])
  test(`a folder is ${is ? '' : 'not '}in use when ${what} is mounted elsewhere`, () =>
    expect(isMountedElsewhere(mounts.join('\n'), '/data/vol')).toBe(is));

for (const { modes, knows, is } of [
  { modes: ['ReadWriteOnce'], knows: false, is: 'SINGLE_NODE_WRITER' },
  { modes: ['ReadWriteOnce'], knows: true, is: 'SINGLE_NODE_MULTI_WRITER' },
  { modes: ['ReadWriteOncePod'], knows: false, is: 'SINGLE_NODE_WRITER' },
  { modes: ['ReadWriteOncePod'], knows: true, is: 'SINGLE_NODE_SINGLE_WRITER' },
  { modes: ['ReadOnlyMany'], knows: true, is: 'MULTI_NODE_READER_ONLY' },
  { modes: ['ReadWriteMany'], knows: false, is: 'MULTI_NODE_MULTI_WRITER' },
])
  test(`${modes} is ${is} to a driver that ${knows ? 'tells writers apart' : 'does not'}`, () => {
    const capabilities = new Set<DriverCapability>(knows ? ['SINGLE_NODE_MULTI_WRITER'] : []);
    expect(accessModeOf(modes as never, capabilities)).toBe(is);
  });

for (const { policy, fsType, mode, is } of [
  { policy: 'File', fsType: '', mode: 'ReadWriteMany', is: true },
  { policy: 'None', fsType: 'ext4', mode: 'ReadWriteOnce', is: false },
  { policy: 'ReadWriteOnceWithFSType', fsType: 'ext4', mode: 'ReadWriteOnce', is: true },
  { policy: 'ReadWriteOnceWithFSType', fsType: '', mode: 'ReadWriteOnce', is: false },
  { policy: 'ReadWriteOnceWithFSType', fsType: 'ext4', mode: 'ReadWriteMany', is: false },
])
  test(`with the policy ${policy} a volume ${fsType || 'without a type'} for ${mode} is ${is ? '' : 'not '}given to the group`, () => {
    const driver = { spec: { fsGroupPolicy: policy } } as CSIDriverObject;
    expect(givesToGroup(driver, { spec: { accessModes: [mode], csi: { fsType } } } as never)).toBe(is);
  });

describe('a volume of a driver', () => {
  const DRIVER = 'disks.example.org';
  const CSI = { driver: DRIVER, volumeHandle: 'disk-1' };
  const pod = deepFreeze({
    metadata: { name: 'web', namespace: 'default', uid: 'pod-1' },
    spec: { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }], containers: [] },
  }) as unknown as Pod;

  /** A node on paper: mounts are a list, the driver notes what it is asked. */
  async function onNode(
    about: object,
    body: (parts: {
      cluster: TestCluster;
      clock: ManualClock;
      volumes: PodVolumes;
      calls: string[];
      mounted: ReadonlySet<string>;
      inUse(): string[];
      tell(volumesInUse: string[]): void;
      events: string[];
      drivers: Drivers;
      driver: NodeDriver;
    }) => Promise<void>,
  ): Promise<void> {
    await using cluster = await startCluster();
    const clock = new ManualClock();
    const mounted = new Set<string>();
    const calls: string[] = [];
    const mounter: Mounter = {
      tmpfs: async () => undefined,
      bind: async (_, target) => {
        calls.push('bind');
        await new Promise((resolve) => setTimeout(resolve, 50)); // who would mount it beside this one finds it not mounted
        mounted.add(target);
      },
      mount: async () => undefined,
      unmount: async (path) => void mounted.delete(path),
      below: async (path) => [...mounted].filter((point) => point === path || point.startsWith(`${path}/`)),
      hasBindOf: async () => false,
    };
    const driver: NodeDriver = {
      name: DRIVER,
      info: async () => ({ nodeId: 'n1', maxVolumes: 0, topology: {} }),
      capabilities: async () => new Set<DriverCapability>(['STAGE_UNSTAGE_VOLUME']),
      stage: async () => void calls.push('stage'),
      unstage: async () => void calls.push('unstage'),
      publish: async ({ targetPath }) => {
        calls.push('publish');
        mounted.add(targetPath);
      },
      unpublish: async ({ targetPath }) => {
        calls.push('unpublish');
        mounted.delete(targetPath);
      },
      expand: async () => undefined,
      usage: async () => [],
      close: () => undefined,
    };
    let node = { metadata: { name: 'n1' }, status: {} } as unknown as Node;
    const events: string[] = [];
    const note = (_pod: Pod, _container: unknown, reason: string, message: string) =>
      events.push(`${reason} ${message}`);
    const drivers = new Drivers({ client: cluster.client, nodeName: 'n1' });
    const options = {
      root,
      nodeName: 'n1',
      client: cluster.client,
      clock,
      log: silentLog,
      mounter,
      drivers,
      events: { normal: note, warning: note },
      records: new VolumeRecords(root),
      tokens: new ServiceAccountTokens(cluster.client, clock),
      node: () => node,
      reportNode: () => undefined,
    };
    const { Node: NodeKind } = await import('#api/core/v1/node.ts');
    await cluster.create(NodeKind, { metadata: { name: 'n1' } });
    await drivers.register(driver);
    const csi = new CsiVolumes(options);
    const lasting = new LastingVolumes({
      ...options,
      csi,
      images: { mount: async () => undefined, unmount: async () => undefined },
    });
    const volumes = new PodVolumes({ ...options, lasting, sources: {} as never });
    await cluster.create(CSIDriver, { metadata: { name: DRIVER }, spec: about as never });
    const claim = await cluster.create(PersistentVolumeClaim, {
      metadata: { name: 'data', namespace: 'default' },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, volumeName: 'v' },
    });
    await cluster.updateStatus(PersistentVolumeClaim, {
      ...claim,
      status: { phase: 'Bound', capacity: { storage: '1Gi' } },
    });
    const claimRef = { namespace: 'default', name: 'data', uid: claim.metadata.uid };
    await cluster.create(PersistentVolume, {
      metadata: { name: 'v' },
      spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, csi: CSI, claimRef },
    });
    const tell = (volumesInUse: string[]) => {
      node = { ...node, status: { ...node.status, volumesInUse } } as Node;
    };
    await body({
      cluster,
      clock,
      volumes,
      calls,
      mounted,
      inUse: () => csi.volumesInUse(),
      tell,
      events,
      drivers,
      driver,
    });
  }
  const UNIQUE = `kubernetes.io/csi/${DRIVER}^disk-1`;

  test('is said to be in use before it is waited for, and waited for before it is used', () =>
    onNode({ attachRequired: true }, async ({ cluster, clock, volumes, calls, inUse, tell }) => {
      await expect(volumes.setUp(pod, [])).rejects.toThrow('the node has not yet said that it uses the volume');
      expect(inUse()).toEqual([UNIQUE]);
      tell([UNIQUE]);
      await expect(volumes.setUp(pod, [])).rejects.toThrow('the volume is not attached');
      expect(calls).toEqual([]);
      await clock.advance(124_000);
      await expect(volumes.setUp(pod, [])).rejects.toThrow(
        'Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[data], failed to process volumes=[]: context deadline exceeded',
      );
      await cluster.create(VolumeAttachment, {
        metadata: { name: attachmentName(CSI, 'n1') },
        spec: { attacher: DRIVER, nodeName: 'n1', source: { persistentVolumeName: 'v' } },
      });
      const made = await cluster.client.get(VolumeAttachment, { name: attachmentName(CSI, 'n1') });
      await cluster.updateStatus(VolumeAttachment, { ...made, status: { attached: true } });
      await volumes.setUp(pod, []);
      expect(calls).toEqual(['stage', 'publish']);
      await volumes.tearDown('pod-1');
      expect(calls).toEqual(['stage', 'publish', 'unpublish', 'unstage']);
      expect(inUse()).toEqual([]);
    }));

  test('is let go of by a pod that never got it', () =>
    onNode({ attachRequired: true }, async ({ volumes, inUse }) => {
      await expect(volumes.setUp(pod, [])).rejects.toThrow('uses the volume');
      await volumes.tearDown('pod-1');
      expect(inUse()).toEqual([]);
    }));

  test('is published again and again only where the driver wants that', async () => {
    for (const requiresRepublish of [true, false])
      await onNode({ attachRequired: false, requiresRepublish }, async ({ clock, volumes, calls }) => {
        await volumes.setUp(pod, []);
        await volumes.setUp(pod, []);
        expect(calls).toEqual(['stage', 'publish']);
        await clock.advance(11_000);
        await volumes.setUp(pod, []);
        expect(calls.slice(2)).toEqual(requiresRepublish ? ['publish'] : []);
        await volumes.tearDown('pod-1');
      });
  });

  test('is not forgotten when its driver is away while its pod ends', () =>
    onNode({ attachRequired: false }, async ({ volumes, calls, drivers, driver }) => {
      await volumes.setUp(pod, []);
      await drivers.unregister(driver);
      await expect(volumes.tearDown('pod-1')).rejects.toThrow(DriverFailed);
      expect(await volumes.known()).toEqual(['pod-1']);
      await drivers.register(driver);
      await volumes.tearDown('pod-1');
      expect(calls).toEqual(['stage', 'publish', 'unpublish', 'unstage']);
      expect(await volumes.known()).toEqual([]);
    }));

  test('of the node itself that a pod has under two names is mounted once, and taken down once', () =>
    onNode({ attachRequired: false }, async ({ cluster, volumes, calls, mounted }) => {
      const local = { path: root };
      const onThisNode = { matchExpressions: [{ key: 'kubernetes.io/os', operator: 'DoesNotExist' as const }] };
      const claim = await cluster.create(PersistentVolumeClaim, {
        metadata: { name: 'local', namespace: 'default' },
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, volumeName: 'here' },
      });
      await cluster.updateStatus(PersistentVolumeClaim, { ...claim, status: { phase: 'Bound' } });
      await cluster.create(PersistentVolume, {
        metadata: { name: 'here' },
        spec: {
          accessModes: ['ReadWriteOnce'],
          capacity: { storage: '1Gi' },
          local,
          nodeAffinity: { required: { nodeSelectorTerms: [onThisNode] } },
          claimRef: { namespace: 'default', name: 'local', uid: claim.metadata.uid },
        },
      });
      const named = (name: string) => ({ name, persistentVolumeClaim: { claimName: 'local' } });
      const both = { ...pod, spec: { ...pod.spec, volumes: [named('one'), named('other')] } };
      const { paths } = await volumes.setUp(both, []);
      expect([calls, paths.get('one')]).toEqual([['bind'], paths.get('other')]);
      await volumes.tearDown('pod-1');
      expect([...mounted]).toEqual([]);
      await volumes.setUp(both, []);
      expect(calls).toEqual(['bind', 'bind']);
    }));
});
