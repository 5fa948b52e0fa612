import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Pod, Volume } from '#api/generated/schema.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { LastingVolumes, type LastingVolumesOptions } from './lasting-volumes.ts';
import { MountFailed, type Mounter } from './mounter.ts';
import { VolumeRecords } from './volume-records.ts';

let root: string;
const calls: unknown[] = [];
let mounted: string[];
let failure: MountFailed | undefined;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'nfs-'));
  calls.length = 0;
  mounted = [];
  failure = undefined;
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** The kernel of the tests has no NFS: what would be asked of it is looked at. */
const mounter: Mounter = {
  tmpfs: async () => undefined,
  bind: async () => undefined,
  async mount(request) {
    calls.push(request);
    if (failure) throw failure;
    mounted.push(request.target);
  },
  async unmount(path) {
    calls.push({ unmount: path });
    mounted = mounted.filter((each) => each !== path);
  },
  below: async (path) => mounted.filter((each) => each === path || each.startsWith(`${path}/`)),
  hasBindOf: async () => false,
};

const volumes = () =>
  new LastingVolumes({
    clock: new ManualClock(),
    mounter,
    records: new VolumeRecords(root),
    csi: { restore: () => undefined, forget: () => undefined },
    nodeName: 'node',
    node: () => undefined,
  } as unknown as LastingVolumesOptions);

const pod = { metadata: { name: 'p', namespace: 'n', uid: 'u1' }, spec: { containers: [] } } as unknown as Pod;
const share = (readOnly = false) =>
  ({ name: 'share', nfs: { server: 'files.example.com', path: '/export/a b', readOnly } }) as Volume;
const target = () => join(root, 'pods/u1/volumes/kubernetes.io~nfs/share/mount');

test('a share of an NFS server is mounted once, found again by a later kubelet, and unmounted with its pod', async () => {
  const first = volumes();
  expect(await first.setUp(pod, share())).toBe(target());
  await first.setUp(pod, share());
  expect(await volumes().setUp(pod, share())).toBe(target());
  expect(calls).toEqual([{ type: 'nfs', source: 'files.example.com:/export/a b', target: target(), options: [] }]);
  const later = volumes();
  await later.restore();
  await later.tearDown('u1');
  expect(calls.at(-1)).toEqual({ unmount: target() });
  expect(await new VolumeRecords(root).ofPod('u1')).toEqual([]);
});

test('one that is only read is mounted so', async () => {
  await volumes().setUp(pod, share(true));
  expect(calls).toMatchObject([{ options: ['ro'] }]);
});

test('what the mount program says is told, and nothing is left behind', async () => {
  failure = new MountFailed('mount failed: exit status 32\nOutput: mount.nfs: Connection timed out\n');
  const attempt = volumes();
  await expect(attempt.setUp(pod, share())).rejects.toThrow(
    'MountVolume.SetUp failed for volume "share" : mount failed: exit status 32\nOutput: mount.nfs: Connection timed out\n',
  );
  expect(await new VolumeRecords(root).ofPod('u1')).toEqual([]);
  failure = undefined;
  expect(await attempt.setUp(pod, share())).toBe(target());
});
