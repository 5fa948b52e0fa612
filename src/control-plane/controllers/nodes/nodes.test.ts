import { describe, expect, test } from 'vitest';
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { Lease } from '#api/coordination/v1/lease.ts';
import { Event } from '#api/core/v1/event.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { conditionOf, isReady } from '#api/core/v1/pod-conditions.ts';
import { microTimestampOf, timestampOf } from '#api/machinery/timestamp.ts';
import type { TestCluster } from '#testing/cluster.ts';
import { node, pod, replicaSet, startCluster } from '#testing/cluster.ts';
import { podsThatRun } from '#testing/pods-that-run.ts';
import { replicaSetController } from '../replica-set.ts';
import { type RunningControllers, startControllers } from '../start-controllers.ts';
import { nodeIpam } from './node-ipam.ts';
import { nodeLifecycle } from './node-lifecycle.ts';
import { podGarbageCollector } from './pod-garbage-collector.ts';
import { taintEviction } from './taint-eviction.ts';

const LEASES = 'kube-node-lease';

async function join(cluster: TestCluster, name: string) {
  await cluster.create(Node, node(name));
  await cluster.create(Lease, {
    metadata: { name, namespace: LEASES },
    spec: { holderIdentity: name, renewTime: microTimestampOf(cluster.clock.now()) },
  });
}

/** The nodes named renew their leases every ten seconds for so long. */
async function live(cluster: TestCluster, names: string[], ms: number) {
  for (let left = ms; left > 0; left -= 10_000) {
    for (const name of names)
      await cluster.patch(Lease, `${LEASES}/${name}`, { spec: { renewTime: microTimestampOf(cluster.clock.now()) } });
    await cluster.passes(Math.min(left, 10_000));
  }
}

const taints = (cluster: TestCluster, name: string) =>
  (cluster.get(Node, name)?.spec.taints ?? []).map(({ key, effect }) => `${key}:${effect}`).sort();
const said = (cluster: TestCluster, reason: string) =>
  cluster
    .list(Event)
    .filter((event) => event.reason === reason)
    .map(({ message }) => message);

const start = () => startCluster({ controllers: [nodeLifecycle(), taintEviction, podsThatRun({ neverEnd: true })] });

describe('a node that is not heard of', () => {
  test('is unknown after the grace period; its pods are not ready and, when their time is up, deleted', async () => {
    await using cluster = await start();
    await join(cluster, 'node1');
    await join(cluster, 'node2');
    await cluster.create(Pod, pod('web', { nodeName: 'node2' }));
    await live(cluster, ['node1', 'node2'], 60_000);
    expect(taints(cluster, 'node2')).toEqual([]);

    await live(cluster, ['node1'], 30_000);
    expect(taints(cluster, 'node2')).toEqual([]);
    await live(cluster, ['node1'], 30_000);
    expect(taints(cluster, 'node1')).toEqual([]);
    expect(taints(cluster, 'node2')).toEqual([
      'node.kubernetes.io/unreachable:NoExecute',
      'node.kubernetes.io/unreachable:NoSchedule',
    ]);
    const ready = cluster.get(Node, 'node2')?.status?.conditions?.find(({ type }) => type === 'Ready');
    expect(ready).toMatchObject({
      status: 'Unknown',
      reason: 'NodeStatusUnknown',
      message: 'Kubelet stopped posting node status.',
    });
    expect(isReady(cluster.get(Pod, 'default/web')!)).toBe(false);
    expect(said(cluster, 'NodeNotReady')).toEqual(['Node node2 status is now: NodeNotReady', 'Node is not ready']);

    await live(cluster, ['node1'], 270_000);
    expect(cluster.get(Pod, 'default/web')?.metadata.deletionTimestamp).toBeUndefined();
    await live(cluster, ['node1'], 30_000);
    const leaving = cluster.get(Pod, 'default/web')!;
    expect(leaving.metadata.deletionTimestamp).toBeDefined();
    expect(conditionOf(leaving, 'DisruptionTarget')).toMatchObject({
      status: 'True',
      reason: 'DeletionByTaintManager',
    });
    expect(said(cluster, 'TaintManagerEviction')).toEqual(['Marking for deletion Pod default/web']);
  });

  test('is not heard of because somebody deletes its lease', async () => {
    await using cluster = await start();
    await join(cluster, 'node1');
    await live(cluster, ['node1'], 60_000);
    await cluster.passes(30_000);
    await cluster.delete(Lease, `${LEASES}/node1`);
    await cluster.passes(10_000);
    expect(taints(cluster, 'node1')).toEqual(['node.kubernetes.io/unreachable:NoSchedule']);
  });

  test('is not heard of by a lease that tells of an earlier time, or that is put back as it was', async () => {
    await using cluster = await start();
    for (const name of ['node1', 'node2', 'node3']) await join(cluster, name);
    await live(cluster, ['node1', 'node2', 'node3'], 60_000);
    await cluster.passes(30_000);
    const { metadata, spec } = cluster.get(Lease, `${LEASES}/node2`)!;
    await cluster.delete(Lease, `${LEASES}/node2`);
    const earlier = { spec: { renewTime: microTimestampOf(cluster.clock.now() - 60_000) } };
    await cluster.patch(Lease, `${LEASES}/node1`, earlier);
    await cluster.patch(Node, 'node3', { metadata: { labels: { seen: 'again' } } }); // it is looked at by itself
    await cluster.patch(Lease, `${LEASES}/node3`, earlier);
    await cluster.passes(5_000);
    await cluster.create(Lease, { metadata: { name: metadata.name, namespace: LEASES }, spec });
    await cluster.passes(5_000);
    for (const name of ['node1', 'node2', 'node3'])
      expect(taints(cluster, name)).toContain('node.kubernetes.io/unreachable:NoSchedule');
  });

  test('that comes back in time keeps its pods', async () => {
    await using cluster = await start();
    await join(cluster, 'node1');
    await join(cluster, 'node2');
    await cluster.create(Pod, pod('web', { nodeName: 'node2' }));
    await live(cluster, ['node1'], 100_000);
    expect(taints(cluster, 'node2')).toHaveLength(2);
    const { metadata, status, ...rest } = cluster.get(Node, 'node2')!;
    const conditions = status?.conditions?.map((condition) => ({
      ...condition,
      status: condition.type === 'Ready' ? 'True' : 'False',
      lastHeartbeatTime: timestampOf(cluster.clock.now()),
    }));
    await cluster.updateStatus(Node, { ...rest, metadata, status: { ...status, conditions } });
    await live(cluster, ['node1', 'node2'], 400_000);
    expect(taints(cluster, 'node2')).toEqual([]);
    expect(cluster.get(Pod, 'default/web')?.metadata.deletionTimestamp).toBeUndefined();
    expect(said(cluster, 'TaintManagerEviction')).toEqual(['Cancelling deletion of Pod default/web']);
  });

  test('sends no pods away when no node at all is heard of', async () => {
    await using cluster = await start();
    await join(cluster, 'node1');
    await join(cluster, 'node2');
    await cluster.create(Pod, pod('web', { nodeName: 'node2' }));
    await cluster.passes(1_000_000);
    expect(taints(cluster, 'node2')).toEqual(['node.kubernetes.io/unreachable:NoSchedule']);
    expect(cluster.get(Pod, 'default/web')?.metadata.deletionTimestamp).toBeUndefined();
  });

  test('sends its pods away once another is heard of again', async () => {
    await using cluster = await start();
    await join(cluster, 'node1');
    await join(cluster, 'node2');
    await live(cluster, ['node1', 'node2'], 60_000);
    await cluster.passes(120_000);
    expect(taints(cluster, 'node2')).toEqual(['node.kubernetes.io/unreachable:NoSchedule']);

    await live(cluster, ['node1'], 10_000);
    const lost = cluster.get(Node, 'node1')!;
    const conditions = lost.status?.conditions?.map((condition) => ({ ...condition, status: 'True' }));
    await cluster.updateStatus(Node, { ...lost, status: { ...lost.status, conditions } } as Node);
    await live(cluster, ['node1'], 30_000);
    expect(taints(cluster, 'node2')).toContain('node.kubernetes.io/unreachable:NoExecute');
  });

  test('has its pods replaced by their ReplicaSet, though nobody ends the old ones', async () => {
    await using cluster = await startCluster({
      controllers: [nodeLifecycle(), taintEviction, replicaSetController, podsThatRun({ neverEnd: true })],
    });
    await join(cluster, 'node1');
    await join(cluster, 'node2');
    const spec = replicaSet('web', { replicas: 1 }).spec;
    const template = { ...spec?.template, spec: { ...spec?.template?.spec, nodeName: 'node2' } };
    await cluster.create(ReplicaSet, replicaSet('web', { replicas: 1, template }));
    await live(cluster, ['node1'], 120_000);
    expect(cluster.list(Pod)).toHaveLength(1);
    await cluster.patch(ReplicaSet, 'default/web', { spec: { template: { spec: { nodeName: 'node1' } } } });
    await live(cluster, ['node1'], 300_000);
    const where = cluster.list(Pod).map((each) => [each.spec.nodeName, each.metadata.deletionTimestamp !== undefined]);
    expect(where.sort()).toEqual([
      ['node1', false],
      ['node2', true],
    ]);
  });
});

test('a cordoned node carries the taint that says so', async () => {
  await using cluster = await start();
  await join(cluster, 'node1');
  await cluster.patch(Node, 'node1', { spec: { unschedulable: true } });
  await cluster.settles();
  expect(taints(cluster, 'node1')).toEqual(['node.kubernetes.io/unschedulable:NoSchedule']);
  await cluster.patch(Node, 'node1', { spec: { unschedulable: null } });
  await cluster.settles();
  expect(taints(cluster, 'node1')).toEqual([]);
});

test('while a node is well its leases are only noted down, and it is looked at when its time is up', async () => {
  await using cluster = await startCluster();
  let running: RunningControllers;
  cluster.run('lifecycle', (services) => {
    running = startControllers({ controllers: [nodeLifecycle()], ...services });
    return running;
  });
  await join(cluster, 'node1');
  await live(cluster, ['node1'], 60_000);
  const steps = () => running.stats()[0]!.reconciled;
  const before = steps();
  await live(cluster, ['node1'], 600_000);
  expect(steps() - before).toBe(0); // each put off when its time would have been up
  await cluster.passes(39_000);
  expect(taints(cluster, 'node1')).toEqual([]);
  await cluster.passes(1_000);
  expect(taints(cluster, 'node1')).toEqual(['node.kubernetes.io/unreachable:NoSchedule']);
});

test('a node that has long been well is put right as soon as somebody changes it', async () => {
  await using cluster = await start();
  await join(cluster, 'node1');
  await live(cluster, ['node1'], 120_000);
  await cluster.patch(Node, 'node1', { spec: { unschedulable: true } });
  await cluster.settles();
  expect(taints(cluster, 'node1')).toEqual(['node.kubernetes.io/unschedulable:NoSchedule']);
  await live(cluster, ['node1'], 60_000);
  await cluster.patch(Node, 'node1', { spec: { unschedulable: false, taints: [] } });
  const ours = { key: 'node.kubernetes.io/not-ready', effect: 'NoExecute' };
  await cluster.patch(Node, 'node1', { spec: { taints: [ours] } });
  await cluster.settles();
  expect(taints(cluster, 'node1')).toEqual([]);
});

test('a NoExecute taint sends away at once what does not tolerate it, and later what does for a time', async () => {
  await using cluster = await start();
  await join(cluster, 'node1');
  const key = 'example.org/broken';
  await cluster.create(Pod, pod('none', { nodeName: 'node1' }));
  await cluster.create(
    Pod,
    pod('for-a-time', {
      nodeName: 'node1',
      tolerations: [{ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 20 }],
    }),
  );
  await cluster.create(
    Pod,
    pod('always', { nodeName: 'node1', tolerations: [{ key, operator: 'Exists', effect: 'NoExecute' }] }),
  );
  await cluster.patch(Node, 'node1', { spec: { taints: [{ key, effect: 'NoExecute' }] } });
  const leaving = () =>
    cluster
      .list(Pod)
      .filter(({ metadata }) => metadata.deletionTimestamp)
      .map(({ metadata }) => metadata.name);
  await cluster.settles();
  expect(leaving()).toEqual(['none']);
  await cluster.passes(19_000);
  expect(leaving()).toEqual(['none']);
  await cluster.passes(1_000);
  expect(leaving()).toEqual(['for-a-time', 'none']);
});

test('pods of a node that is gone are removed after a while, as failed', async () => {
  await using cluster = await startCluster({ controllers: [podGarbageCollector()] });
  await cluster.create(Node, node('node1'));
  await cluster.create(Pod, pod('web', { nodeName: 'node1' }));
  await cluster.delete(Node, 'node1');
  await cluster.passes(39_000);
  expect(cluster.list(Pod)).toHaveLength(1);
  await cluster.passes(1_000);
  expect(cluster.list(Pod)).toEqual([]);
});

test('finished pods beyond the threshold are removed', async () => {
  await using cluster = await startCluster({ controllers: [podGarbageCollector({ mostTerminated: 2 })] });
  await cluster.create(Node, node('node1'));
  for (const name of ['a', 'b', 'c']) {
    const created = await cluster.create(Pod, pod(name, { nodeName: 'node1' }));
    await cluster.updateStatus(Pod, { ...created, status: { ...created.status, phase: 'Succeeded' } });
    await cluster.passes(1_000);
  }
  expect(cluster.list(Pod).map(({ metadata }) => metadata.name)).toEqual(['b', 'c']);
});

test('a pod that was deleted before it had a node has failed, and not by a disruption', async () => {
  await using cluster = await startCluster({ controllers: [podGarbageCollector()] });
  await cluster.create(Pod, pod('web', {}, { finalizers: ['example.org/keep'] }));
  await cluster.delete(Pod, 'default/web');
  await cluster.settles();
  const { phase, conditions = [] } = cluster.get(Pod, 'default/web')?.status ?? {};
  expect([phase, conditions.map(({ type }) => type)]).toEqual(['Failed', []]);
});

test('of finished pods beyond the threshold those go first that were evicted', async () => {
  await using cluster = await startCluster({ controllers: [podGarbageCollector({ mostTerminated: 2 })] });
  const ends = async (name: string, status: object) => {
    await cluster.create(Pod, pod(name));
    await cluster.patch(Pod, { namespace: 'default', name, subresource: 'status' }, { status });
    await cluster.passes(1_000);
  };
  await ends('first', { phase: 'Succeeded' });
  await ends('evicted', { phase: 'Failed', reason: 'Evicted' });
  await ends('last', { phase: 'Failed' });
  expect(cluster.list(Pod).map(({ metadata }) => metadata.name)).toEqual(['first', 'last']);
});

test('nodes get different ranges of pod addresses', async () => {
  await using cluster = await startCluster({
    controllers: [nodeIpam({ clusterCIDRs: ['10.244.0.0/16', 'fd00:10:244::/56'] })],
  });
  await cluster.create(Node, node('node1', { spec: { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24'] } }));
  for (const name of ['node2', 'node3']) await cluster.create(Node, node(name));
  await cluster.settles();
  expect(cluster.list(Node).map(({ spec }) => spec.podCIDRs)).toEqual([
    ['10.244.1.0/24'],
    ['10.244.0.0/24', 'fd00:10:244::/64'],
    ['10.244.2.0/24', 'fd00:10:244:1::/64'],
  ]);
});

test('the pods of a node that says of itself that it is not ready are left to its kubelet', async () => {
  await using cluster = await start();
  await join(cluster, 'node1');
  await cluster.create(Pod, pod('web', { nodeName: 'node1' }));
  await cluster.settles();
  const { status, ...rest } = cluster.get(Node, 'node1')!;
  const conditions = status?.conditions?.map((each) => (each.type === 'Ready' ? { ...each, status: 'False' } : each));
  await cluster.updateStatus(Node, { ...rest, status: { ...status, conditions } });
  await cluster.settles();
  expect(taints(cluster, 'node1')).toContain('node.kubernetes.io/not-ready:NoSchedule');
  expect(isReady(cluster.get(Pod, 'default/web')!)).toBe(true);
  expect(said(cluster, 'NodeNotReady')).toEqual([]);
});

test('a node carries the older names of its labels as well', async () => {
  await using cluster = await start();
  const labels = { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'arm64', 'beta.kubernetes.io/arch': 'amd64' };
  await cluster.create(Node, node('node1', { labels }));
  await cluster.settles();
  expect(cluster.get(Node, 'node1')?.metadata.labels).toMatchObject({
    'beta.kubernetes.io/os': 'linux',
    'beta.kubernetes.io/arch': 'arm64',
  });
});

test('a node whose labels nobody may mend is seen to be lost like any other', async () => {
  await using cluster = await start();
  const refused = cluster.faults.fail({ verb: 'patch', resource: 'nodes', name: 'node1' }, { reason: 'Forbidden' });
  await cluster.create(Node, node('node1', { labels: { 'kubernetes.io/os': 'linux' } }));
  await cluster.passes('5m');
  expect(refused.hits).toBeGreaterThan(0);
  const ready = cluster.get(Node, 'node1')?.status?.conditions?.find(({ type }) => type === 'Ready');
  expect(ready?.status).toBe('Unknown');
});

test('a pod that has run to its end leaves a tainted node like any other', async () => {
  await using cluster = await startCluster({ controllers: [taintEviction] });
  await cluster.create(Node, node('node1'));
  const done = await cluster.create(Pod, pod('done', { nodeName: 'node1' }));
  await cluster.updateStatus(Pod, { ...done, status: { ...done.status, phase: 'Succeeded' } });
  await cluster.patch(Node, 'node1', { spec: { taints: [{ key: 'away', effect: 'NoExecute' }] } });
  await cluster.settles();
  expect(cluster.get(Pod, 'default/done')).toBeUndefined();
  expect(said(cluster, 'TaintManagerEviction')).toEqual(['Marking for deletion Pod default/done']);
});

test('a controller that begins anew goes by what a taint says of its time alone', async () => {
  await using cluster = await startCluster({ controllers: [taintEviction, podsThatRun({ neverEnd: true })] });
  await join(cluster, 'node1');
  const key = 'away';
  const tolerations = [{ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 60 } as const];
  await cluster.create(Pod, pod('web', { nodeName: 'node1', tolerations }));
  await cluster.passes(60_000); // else it would be the pod's age that counts
  await cluster.patch(Node, 'node1', { spec: { taints: [{ key, effect: 'NoExecute' }] } });
  await cluster.passes(40_000);

  cluster.restartController(taintEviction.name);
  await cluster.passes(40_000);
  expect(cluster.get(Pod, 'default/web')?.metadata.deletionTimestamp).toBeUndefined();
  await cluster.passes(21_000);
  expect(cluster.get(Pod, 'default/web')?.metadata.deletionTimestamp).toBeDefined();
});
