import { describe, expect, test } from 'vitest';
import { Event } from '#api/core/v1/event.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { DeviceTaint, DeviceToleration } from '#api/generated/schema.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import { ResourceClaim } from '#api/resource/v1/resource-claim.ts';
import { ResourceSlice } from '#api/resource/v1/resource-slice.ts';
import type { Sent, TestCluster } from '#testing/cluster.ts';
import { pod, startCluster } from '#testing/cluster.ts';
import { deviceTaintEviction, evictionMs } from './device-taint-eviction.ts';

const AT_MS = Date.UTC(2026, 0, 1);
const taint = (more: Partial<DeviceTaint> = {}): DeviceTaint => ({
  key: 'broken',
  effect: 'NoExecute',
  timeAdded: timestampOf(AT_MS) ?? '',
  ...more,
});
const tolerates = (more: Partial<DeviceToleration> = {}): DeviceToleration => ({
  key: 'broken',
  operator: 'Exists',
  effect: 'NoExecute',
  ...more,
});
const slice = (taints: DeviceTaint[], generation = 1, device = 'gpu-0') =>
  ({
    metadata: { name: `s${generation}` },
    spec: {
      driver: 'example.org',
      pool: { name: 'node1', generation, resourceSliceCount: 1 },
      nodeName: 'node1',
      devices: [{ name: device, taints }],
    },
  }) as ResourceSlice;
const allocation = (tolerations: DeviceToleration[]) => ({
  devices: { results: [{ request: 'r', driver: 'example.org', pool: 'node1', device: 'gpu-0', tolerations }] },
});

describe('whoever uses a device has to go', () => {
  test.each<[string, ResourceSlice[], DeviceToleration[], number | undefined]>([
    ['not, when it has no taint', [slice([])], [], undefined],
    ['not, when the taint only keeps others away', [slice([taint({ effect: 'NoSchedule' })])], [], undefined],
    ['at once, when it is tainted', [slice([taint()])], [], 0],
    ['not, when that is tolerated', [slice([taint()])], [tolerates()], undefined],
    ['at once, when another taint is tolerated', [slice([taint()])], [tolerates({ key: 'other' })], 0],
    [
      'at once, when it is tolerated for no effect of its own',
      [slice([taint()])],
      [{ key: 'broken', operator: 'Exists' }],
      0,
    ],
    ['when its time is up', [slice([taint()])], [tolerates({ tolerationSeconds: 30 })], 30_000],
    ['at once, when its time is negative', [slice([taint()])], [tolerates({ tolerationSeconds: -1 })], 0],
    [
      'after the shortest time that it tolerates',
      [slice([taint()])],
      [tolerates({ tolerationSeconds: 30 }), tolerates({ key: '', tolerationSeconds: 10 })],
      10_000,
    ],
    [
      'when the first of its taints is up',
      [slice([taint(), taint({ key: 'hot' })])],
      [tolerates({ tolerationSeconds: 30 }), tolerates({ key: 'hot', tolerationSeconds: 20 })],
      20_000,
    ],
    ['not, when a newer generation of the pool says so', [slice([taint()]), slice([], 2)], [], undefined],
    ['not, when another device is tainted', [slice([taint()], 1, 'gpu-1')], [], undefined],
  ])('%s', (_when, slices, tolerations, afterMs) => {
    const claim = { metadata: { name: 'c' }, spec: {}, status: { allocation: allocation(tolerations) } };
    const atMs = evictionMs(claim as ResourceClaim, slices, AT_MS + 5_000);
    expect(atMs === undefined ? undefined : atMs - AT_MS).toBe(afterMs);
  });
});

const start = () => startCluster({ rbac: true, controllers: [deviceTaintEviction] });
const said = (cluster: TestCluster) =>
  cluster
    .list(Event)
    .filter(({ reason }) => reason === 'DeviceTaintManagerEviction')
    .map(({ message, source }) => [message, source?.component]);
const setTaints = (cluster: TestCluster, taints: object[]) =>
  cluster.patch(ResourceSlice, 's1', { spec: { devices: [{ name: 'gpu-0', taints }] } });

/** Pods that share a claim for gpu-0. */
async function withUsers(cluster: TestCluster, tolerations: DeviceToleration[], names = ['web']) {
  await cluster.create(ResourceSlice, slice([]) as Sent<ResourceSlice>);
  const spec = { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'gpu' } }] } };
  const claim = { metadata: { name: 'gpu', namespace: 'default' }, spec } as Sent<ResourceClaim>;
  const made = await cluster.create(ResourceClaim, claim);
  const reservedFor: { resource: string; name: string; uid: string }[] = [];
  for (const name of names) {
    const spec = {
      nodeName: 'node1',
      terminationGracePeriodSeconds: 30,
      resourceClaims: [{ name: 'gpu', resourceClaimName: 'gpu' }],
    };
    const { metadata } = await cluster.create(Pod, pod(name, spec));
    reservedFor.push({ resource: 'pods', name, uid: metadata.uid });
  }
  const status = { allocation: allocation(tolerations), reservedFor };
  await cluster.updateStatus(ResourceClaim, { ...made, status } as ResourceClaim);
  await cluster.settles();
}

test('a pod leaves a device that is tainted: its condition and an Event say why', async () => {
  await using cluster = await start();
  await withUsers(cluster, []);
  expect(cluster.get(Pod, 'default/web')?.metadata.deletionTimestamp).toBeUndefined();
  await setTaints(cluster, [{ key: 'broken', effect: 'NoExecute' }]);
  await cluster.settles();
  const gone = cluster.get(Pod, 'default/web');
  expect(gone?.metadata.deletionTimestamp).toBeDefined();
  expect(gone?.status?.conditions?.find(({ type }) => type === 'DisruptionTarget')).toMatchObject({
    status: 'True',
    reason: 'DeletionByDeviceTaintManager',
    message: 'Device Taint manager: deleting due to NoExecute taint',
  });
  expect(said(cluster)).toEqual([['Marking for deletion', 'device-taint-eviction-controller']]);
});

test('a pod stays as long as its claim tolerates the taint, and for good when the taint goes', async () => {
  await using cluster = await start();
  await withUsers(cluster, [tolerates({ tolerationSeconds: 60 })]);
  await setTaints(cluster, [{ key: 'broken', effect: 'NoExecute' }]);
  await cluster.passes(30_000);
  expect(cluster.get(Pod, 'default/web')?.metadata.deletionTimestamp).toBeUndefined();
  await setTaints(cluster, []);
  await cluster.passes(60_000);
  expect(cluster.get(Pod, 'default/web')?.metadata.deletionTimestamp).toBeUndefined();
  expect(said(cluster)).toEqual([['Cancelling deletion', 'device-taint-eviction-controller']]);

  await setTaints(cluster, [{ key: 'broken', effect: 'NoExecute' }]);
  await cluster.passes(59_000);
  expect(cluster.get(Pod, 'default/web')?.metadata.deletionTimestamp).toBeUndefined();
  await cluster.passes(1_000);
  expect(cluster.get(Pod, 'default/web')?.metadata.deletionTimestamp).toBeDefined();
});

test('a pod that cannot be sent away does not keep those that share its claim', async () => {
  await using cluster = await start();
  await withUsers(cluster, [], ['first', 'second']);
  cluster.faults.fail({ verb: 'update', resource: 'pods/status', name: 'first' }, { reason: 'Forbidden' });
  await setTaints(cluster, [{ key: 'broken', effect: 'NoExecute' }]);
  await cluster.settles();
  const isLeaving = ['first', 'second'].map((name) => cluster.get(Pod, `default/${name}`)?.metadata.deletionTimestamp);
  expect(isLeaving.map(Boolean)).toEqual([false, true]);
});
