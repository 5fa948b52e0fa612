import { expect, test } from 'vitest';
import { Lease } from '#api/coordination/v1/lease.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { SimulatedNodePool } from '#api/kedge/v1alpha1/simulated-node-pool.ts';
import type { NodeLifecycleOptions } from '#control-plane/controllers/nodes/node-lifecycle.ts';
import { nodeLifecycle } from '#control-plane/controllers/nodes/node-lifecycle.ts';
import { taintEviction } from '#control-plane/controllers/nodes/taint-eviction.ts';
import { pod, startCluster, type TestCluster } from '#testing/cluster.ts';

const pool = (name: string, spec: object) => ({
  apiVersion: 'kedge.dev/v1alpha1',
  kind: 'SimulatedNodePool',
  metadata: { name },
  spec,
});

const statusOf = (cluster: TestCluster, name: string) => cluster.get(SimulatedNodePool, name)?.status;
const nodeNames = (cluster: TestCluster) => cluster.list(Node).map(({ metadata }) => metadata.name);
const start = () => startCluster({ simulatedNodePools: true });

test('a pool has as many nodes as it says, like its template, and tells how many are ready', async () => {
  await using cluster = await start();
  const taint = { key: 'gpu', value: 'yes', effect: 'NoSchedule' };
  const template = { labels: { zone: 'a' }, taints: [taint], capacity: { cpu: 2, 'example.com/gpu': '4' } };
  await cluster.apply(pool('gpu', { count: 3, template }));
  await cluster.settles();
  expect(nodeNames(cluster)).toEqual(['gpu-1', 'gpu-2', 'gpu-3']);
  const [first] = cluster.list(Node);
  expect(first?.metadata.labels).toMatchObject({ zone: 'a', 'kubernetes.io/hostname': 'gpu-1' });
  expect(first?.spec?.taints).toContainEqual(taint);
  expect(first?.status?.allocatable).toMatchObject({ cpu: '2', memory: '32Gi', 'example.com/gpu': '4' });
  expect(statusOf(cluster, 'gpu')).toEqual({
    observedGeneration: 1,
    count: 3,
    ready: 3,
    selector: 'kedge.dev/simulated-node-pool=gpu',
  });
});

test('nodes follow the capacity of their pool at once, also where it names less', async () => {
  await using cluster = await start();
  const capacity = { cpu: 2, 'example.com/gpu': '4', 'hugepages-2Mi': '64Mi' };
  await cluster.apply(pool('a', { count: 1, template: { capacity } }));
  await cluster.settles();
  await cluster.patch(SimulatedNodePool, 'a', {
    spec: { template: { capacity: { cpu: 3, 'example.com/gpu': null, 'hugepages-2Mi': null } } },
  });
  await cluster.settles();
  const amounts = { cpu: '3', memory: '32Gi', pods: '110', 'ephemeral-storage': '100Gi' };
  expect(cluster.get(Node, 'a-1')?.status).toMatchObject({ capacity: amounts, allocatable: amounts });
  expect(Object.keys(cluster.get(Node, 'a-1')?.status?.capacity ?? {}).sort()).toEqual(Object.keys(amounts).sort());
  expect(Object.keys(cluster.get(Node, 'a-1')?.status?.allocatable ?? {}).sort()).toEqual(Object.keys(amounts).sort());
});

test('what somebody advertises by the capacity of a node may be given away at once, until it is withdrawn', async () => {
  await using cluster = await start();
  await cluster.apply(pool('a', { count: 1, template: { capacity: { 'example.com/gpu': '4' } } }));
  await cluster.settles();
  const advertise = async (amount: string | null) => {
    const patch = { status: { capacity: { 'example.com/dongle': amount } } };
    await cluster.client.patch(Node, { name: 'a-1', subresource: 'status' }, { type: 'merge', patch });
    await cluster.settles();
    return cluster.get(Node, 'a-1')?.status?.allocatable?.['example.com/dongle'];
  };
  expect(await advertise('2')).toBe('2');
  await cluster.patch(SimulatedNodePool, 'a', { spec: { template: { capacity: { 'example.com/gpu': null } } } });
  await cluster.settles();
  expect(cluster.get(Node, 'a-1')?.status?.capacity).toMatchObject({ 'example.com/dongle': '2' });
  expect(cluster.get(Node, 'a-1')?.status?.allocatable?.['example.com/gpu']).toBeUndefined();
  expect(await advertise(null)).toBeUndefined();
});

test('a pool is scaled up and down: the last nodes go, with their leases', async () => {
  await using cluster = await start();
  await cluster.apply([pool('a', { count: 2 }), pool('a-1', { count: 1 })]);
  await cluster.settles();
  const ranges = () => cluster.list(Node).map(({ metadata, spec }) => `${metadata.name} ${spec?.podCIDR}`);
  const before = ranges();
  await cluster.patch(SimulatedNodePool, 'a', { spec: { count: 12 } });
  await cluster.settles();
  expect(nodeNames(cluster)).toHaveLength(13);
  expect(ranges()).toEqual(expect.arrayContaining(before));
  await cluster.client.patch(SimulatedNodePool, { name: 'a', subresource: 'scale' } as never, {
    type: 'merge',
    patch: { spec: { replicas: 1 } },
  });
  await cluster.settles();
  expect(nodeNames(cluster)).toEqual(['a-1', 'a-1-1']);
  expect(cluster.list(Lease, { namespace: 'kube-node-lease' }).map(({ metadata }) => metadata.name)).toEqual([
    'a-1',
    'a-1-1',
  ]);
  await cluster.delete(SimulatedNodePool, 'a');
  await cluster.settles();
  expect(nodeNames(cluster)).toEqual(['a-1-1']);
});

test('a node whose object somebody deletes comes back', async () => {
  await using cluster = await start();
  await cluster.apply(pool('a', { count: 2 }));
  await cluster.settles();
  await cluster.delete(Node, 'a-2');
  await cluster.settles();
  expect(nodeNames(cluster)).toEqual(['a-1', 'a-2']);
  expect(statusOf(cluster, 'a')).toMatchObject({ count: 2, ready: 2 });
});

test('the rules of a pool say what its pods do, from the moment they are changed', async () => {
  await using cluster = await start();
  await cluster.apply(pool('a', { count: 1, pods: [{ startSeconds: 60 }] }));
  await cluster.create(Pod, pod('slow', { nodeName: 'a-1', restartPolicy: 'Never' }));
  await cluster.clock.advance('59s');
  const phase = () => cluster.get(Pod, 'default/slow')?.status?.phase;
  expect(phase()).toBe('Pending');
  await cluster.clock.advance('2s');
  expect(phase()).toBe('Running');
  await cluster.patch(SimulatedNodePool, 'a', { spec: { pods: [{ runSeconds: 10, exitCode: 2 }] } });
  await cluster.clock.advance('11s');
  expect(phase()).toBe('Failed');
});

test('a node that is stopped becomes NotReady, its pods are evicted, and it comes back', async () => {
  const options: NodeLifecycleOptions = {};
  await using cluster = await startCluster({
    simulatedNodePools: true,
    controllers: [nodeLifecycle(options), taintEviction],
  });
  await cluster.apply(pool('a', { count: 2 }));
  const tolerations = [
    {
      key: 'node.kubernetes.io/unreachable',
      operator: 'Exists' as const,
      effect: 'NoExecute' as const,
      tolerationSeconds: 60,
    },
  ];
  for (const nodeName of ['a-1', 'a-2']) await cluster.create(Pod, pod(`on-${nodeName}`, { nodeName, tolerations }));
  await cluster.clock.advance('1m');
  await cluster.faults.stopNode('a-2');
  await cluster.clock.advance('2m');
  expect(statusOf(cluster, 'a')).toMatchObject({ count: 2, ready: 1 });
  await cluster.clock.advance('2m');
  const deleted = () =>
    cluster
      .list(Pod)
      .filter(({ metadata }) => metadata.deletionTimestamp)
      .map(({ metadata }) => metadata.name);
  expect(deleted()).toEqual(['on-a-2']); // nobody is there who could end it
  await cluster.faults.startNode('a-2');
  await cluster.clock.advance('1m');
  expect(statusOf(cluster, 'a')).toMatchObject({ ready: 2 });
  expect(cluster.list(Pod).map(({ metadata }) => metadata.name)).toEqual(['on-a-1']);
});

test('a pool that makes no sense is refused', async () => {
  await using cluster = await start();
  for (const spec of [{}, { count: -1 }, { count: 16_385 }, { count: 1, pods: [{ exitCode: 256 }] }])
    await expect(cluster.apply(pool('a', spec))).rejects.toThrow('SimulatedNodePool.kedge.dev "a" is invalid');
});

test('without the switch there is no such kind', async () => {
  await using cluster = await startCluster();
  await expect(cluster.apply(pool('a', { count: 1 }))).rejects.toThrow(
    'no kind SimulatedNodePool of kedge.dev/v1alpha1 is served',
  );
});
