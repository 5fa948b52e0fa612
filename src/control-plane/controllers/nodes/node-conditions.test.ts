/** What is said of a node, by Events, conditions and taints, and what becomes of the pods of one that is gone for good. */
import { expect, test } from 'vitest';
import { Event } from '#api/core/v1/event.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { conditionOf } from '#api/core/v1/pod-conditions.ts';
import { node, pod, startCluster, type TestCluster } from '#testing/cluster.ts';
import { nodeLifecycle } from './node-lifecycle.ts';
import { podGarbageCollector } from './pod-garbage-collector.ts';

const conditions = (cluster: TestCluster) =>
  (cluster.get(Node, 'node1')?.status?.conditions ?? [])
    .map(({ type, status, reason, message }) => `${type}=${status} ${reason}: ${message}`)
    .sort();
const taints = (cluster: TestCluster) =>
  (cluster.get(Node, 'node1')?.spec.taints ?? []).map(({ key, effect }) => `${key}:${effect}`).sort();
const told = (cluster: TestCluster) =>
  cluster.list(Event).map(({ type, reason, message, source }) => `${source?.component} ${type} ${reason}: ${message}`);
const says = (cluster: TestCluster, said: { type: string; status: string }[]) =>
  cluster.patch(Node, { name: 'node1', subresource: 'status' }, { status: { conditions: said } });

test('a node that never says anything is unknown after a minute, in all that a kubelet would say', async () => {
  await using cluster = await startCluster({ controllers: [nodeLifecycle()] });
  await cluster.create(Node, { metadata: { name: 'node1' } });
  await cluster.passes('59s');
  expect(conditions(cluster)).toEqual([]);
  await cluster.passes('2s');
  const never = 'Unknown NodeStatusNeverUpdated: Kubelet never posted node status.';
  expect(conditions(cluster)).toEqual(
    ['DiskPressure', 'MemoryPressure', 'PIDPressure', 'Ready'].map((type) => `${type}=${never}`),
  );
  expect(taints(cluster)).toContain('node.kubernetes.io/unreachable:NoSchedule');
});

test('a node that comes is greeted, one that goes is seen off', async () => {
  await using cluster = await startCluster({ controllers: [nodeLifecycle()] });
  await cluster.create(Node, node('node1'));
  await cluster.settles();
  await cluster.delete(Node, 'node1');
  await cluster.settles();
  expect(told(cluster)).toEqual([
    'node-controller Normal RegisteredNode: Node node1 event: Registered Node node1 in Controller',
    'node-controller Normal RemovingNode: Node node1 event: Removing Node node1 from Controller',
  ]);
});

test.each([
  ['MemoryPressure', 'True', ['node.kubernetes.io/memory-pressure:NoSchedule']],
  ['DiskPressure', 'True', ['node.kubernetes.io/disk-pressure:NoSchedule']],
  ['PIDPressure', 'True', ['node.kubernetes.io/pid-pressure:NoSchedule']],
  ['NetworkUnavailable', 'True', ['node.kubernetes.io/network-unavailable:NoSchedule']],
  ['MemoryPressure', 'False', []],
  ['MemoryPressure', 'Unknown', []],
])('%s=%s gives it the taints %j, as long as it is so', async (type, status, expected) => {
  await using cluster = await startCluster({ controllers: [nodeLifecycle()] });
  await cluster.create(Node, node('node1'));
  await cluster.settles();
  const ready = { type: 'Ready', status: 'True' };
  await says(cluster, [ready, { type, status }]);
  await cluster.settles();
  expect(taints(cluster)).toEqual(expected);
  await says(cluster, [ready, { type, status: 'False' }]);
  await cluster.settles();
  expect(taints(cluster)).toEqual([]);
});

const HELD = { finalizers: ['example.com/held'] };
const failure = (cluster: TestCluster) => {
  const web = cluster.get(Pod, 'default/web')!;
  const { status, reason, message } = conditionOf(web, 'DisruptionTarget') ?? {};
  return [web.status?.phase, ...(status ? [status, reason, message] : [])];
};

test('a pod whose node is gone has failed by a disruption, and says so', async () => {
  await using cluster = await startCluster({ controllers: [podGarbageCollector()] });
  await cluster.create(Node, node('node1'));
  await cluster.create(Pod, pod('web', { nodeName: 'node1' }, HELD));
  await cluster.delete(Node, 'node1');
  await cluster.passes('41s');
  expect(failure(cluster)).toEqual(['Failed', 'True', 'DeletionByPodGC', 'PodGC: node no longer exists']);
});

test.each([
  ['that is not ready and out of service', 'False', 'node.kubernetes.io/out-of-service', ['Failed']],
  ['that is out of service, but ready', 'True', 'node.kubernetes.io/out-of-service', ['Pending']],
  ['that is not ready, but not out of service', 'False', 'example.com/other', ['Pending']],
])('a pod that is going, on a node %s', async (_what, isReady, key, expected) => {
  await using cluster = await startCluster({ controllers: [podGarbageCollector()] });
  await cluster.create(Node, node('node1'));
  await cluster.create(Pod, pod('web', { nodeName: 'node1' }, HELD));
  await cluster.delete(Pod, 'default/web');
  await says(cluster, [{ type: 'Ready', status: isReady }]);
  await cluster.patch(Node, 'node1', { spec: { taints: [{ key, value: 'nodeshutdown', effect: 'NoExecute' }] } });
  await cluster.settles();
  expect(failure(cluster)).toEqual(expected);
});
