import { expect, test } from 'vitest';
import { Event } from '#api/core/v1/event.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { conditionOf } from '#api/core/v1/pod-conditions.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import { PodDisruptionBudget } from '#api/policy/v1/pod-disruption-budget.ts';
import { PriorityClass } from '#api/scheduling/v1/priority-class.ts';
import type { TestCluster } from '#testing/cluster.ts';
import { node, podAsking, startCluster } from '#testing/cluster.ts';
import type { Extender, PricedRoom } from '../define-extender.ts';
import { definePlugin, fits, unschedulable } from '../define-plugin.ts';
import { NodeInfo } from '../node-info.ts';
import type { With } from '../points.ts';
import type { Profile } from '../profile.ts';
import { Trial } from '../trial.ts';
import { defaultPreemption } from './default-preemption.ts';

const PRIORITIES = { low: 10, middle: 50, high: 100 };

async function clusterOf(nodes: string[], scheduler: true | Profile[] = true): Promise<TestCluster> {
  const cluster = await startCluster({ scheduler });
  for (const [name, value] of Object.entries(PRIORITIES))
    await cluster.create(PriorityClass, { metadata: { name }, value });
  for (const name of nodes) {
    await cluster.create(Node, node(name, { capacity: { cpu: '2' } }));
    await cluster.patch(Node, name, { spec: { taints: null } });
  }
  return cluster;
}

const create = (cluster: TestCluster, name: string, cpu: string, priorityClassName: string, nodeName?: string) =>
  cluster.create(Pod, podAsking(name, { cpu }, { priorityClassName, ...(nodeName && { nodeName }) }));
const stored = (cluster: TestCluster, name: string) => cluster.get(Pod, `default/${name}`)!;
const going = (cluster: TestCluster) =>
  cluster
    .list(Pod)
    .filter(({ metadata }) => metadata.deletionTimestamp)
    .map(({ metadata }) => metadata.name);
const end = (cluster: TestCluster, name: string) => cluster.delete(Pod, `default/${name}`, { gracePeriodSeconds: 0 });

test('a pod of lower priority goes, says why, and its place is kept for the one it went for', async () => {
  await using cluster = await clusterOf(['node1']);
  await create(cluster, 'old', '2', 'low');
  await cluster.settles();
  const urgent = await create(cluster, 'urgent', '1', 'high');
  await cluster.settles();

  expect(going(cluster)).toEqual(['old']);
  expect(conditionOf(stored(cluster, 'old'), 'DisruptionTarget')).toMatchObject({
    status: 'True',
    reason: 'PreemptionByScheduler',
    message: 'default-scheduler: preempting to accommodate a higher priority pod',
  });
  const said = cluster.list(Event).find(({ reason }) => reason === 'Preempted');
  expect(said).toMatchObject({
    type: 'Normal',
    action: 'Preempting',
    message: `Preempted by pod ${urgent.metadata.uid} on node node1`,
    involvedObject: { name: 'old' },
    related: { kind: 'Pod', name: 'urgent', uid: urgent.metadata.uid },
    reportingComponent: 'default-scheduler',
  });
  expect(stored(cluster, 'urgent').status?.nominatedNodeName).toBe('node1');
  expect(conditionOf(stored(cluster, 'urgent'), 'PodScheduled')?.message).toBe(
    '0/1 nodes are available: 1 Insufficient cpu.',
  );

  await end(cluster, 'old');
  await create(cluster, 'sneaky', '1500m', 'middle');
  await cluster.passes(1_000);
  expect(stored(cluster, 'urgent').spec.nodeName).toBe('node1');
  expect(stored(cluster, 'sneaky').spec.nodeName).toBeUndefined();
});

test('who was told before that it goes has been told since then', async () => {
  await using cluster = await clusterOf(['node1']);
  await create(cluster, 'old', '2', 'low');
  await cluster.settles();
  const since = timestampOf(cluster.clock.now());
  const told = { type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', lastTransitionTime: since };
  await cluster.patch(
    Pod,
    { name: 'old', namespace: 'default', subresource: 'status' },
    { status: { conditions: [told] } },
  );
  await cluster.passes('1m');
  await create(cluster, 'urgent', '1', 'high');
  await cluster.settles();
  expect(conditionOf(stored(cluster, 'old'), 'DisruptionTarget')).toMatchObject({
    reason: 'PreemptionByScheduler',
    lastTransitionTime: since,
  });
});

test('only as many go as are needed, the least important first', async () => {
  await using cluster = await clusterOf(['node1']);
  await create(cluster, 'a', '500m', 'low', 'node1');
  await create(cluster, 'b', '500m', 'middle', 'node1');
  await create(cluster, 'c', '1', 'low', 'node1');
  await cluster.settles();
  await create(cluster, 'urgent', '500m', 'high');
  await cluster.settles();
  expect(going(cluster)).toHaveLength(1);
  expect(going(cluster)).not.toContain('b');
});

test('the node is chosen where the least important pods would go', async () => {
  await using cluster = await clusterOf(['node1', 'node2']);
  await create(cluster, 'middle', '2', 'middle', 'node1');
  await create(cluster, 'low', '2', 'low', 'node2');
  await cluster.settles();
  await create(cluster, 'urgent', '2', 'high');
  await cluster.settles();
  expect(going(cluster)).toEqual(['low']);
});

test('a pod that a budget protects goes only when no other will do', async () => {
  await using cluster = await clusterOf(['node1', 'node2']);
  const budget = await cluster.create(PodDisruptionBudget, {
    metadata: { name: 'keep', namespace: 'default' },
    spec: { selector: { matchLabels: { app: 'kept' } } },
  });
  await cluster.updateStatus(PodDisruptionBudget, {
    ...budget,
    status: { disruptionsAllowed: 0, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1 },
  });
  const kept = podAsking('kept', { cpu: '2' }, { priorityClassName: 'low', nodeName: 'node1' });
  await cluster.create(Pod, { ...kept, metadata: { ...kept.metadata, labels: { app: 'kept' } } });
  await create(cluster, 'middle', '2', 'middle', 'node2');
  await cluster.settles();
  await create(cluster, 'urgent', '2', 'high');
  await cluster.settles();
  expect(going(cluster)).toEqual(['middle']);
});

test('nobody goes when it would not help, or when all that is there is as important', async () => {
  await using cluster = await clusterOf(['node1', 'node2']);
  await create(cluster, 'equal', '2', 'high', 'node1');
  await create(cluster, 'high', '1500m', 'high', 'node2');
  await create(cluster, 'low', '500m', 'low', 'node2');
  await cluster.settles();
  await create(cluster, 'urgent', '1', 'high');
  await cluster.settles();
  expect(going(cluster)).toEqual([]);
  expect(conditionOf(stored(cluster, 'urgent'), 'PodScheduled')?.message).toBe(
    '0/2 nodes are available: 2 Insufficient cpu. no new claims to deallocate, preemption: 0/2 nodes are available: 1 Insufficient cpu, 1 No preemption victims found for incoming pod.',
  );
});

test('two that come at once each get room of their own', async () => {
  await using cluster = await clusterOf(['node1']);
  for (const name of ['low-1', 'low-2', 'low-3']) await create(cluster, name, '600m', 'low', 'node1');
  await cluster.settles();
  for (const name of ['urgent-1', 'urgent-2']) await create(cluster, name, '600m', 'high');
  await cluster.settles();
  expect(going(cluster)).toHaveLength(2);
  for (const name of going(cluster)) await end(cluster, name);
  await cluster.passes(10_000);
  for (const name of ['urgent-1', 'urgent-2']) expect(stored(cluster, name).spec.nodeName).toBe('node1');
});

const preempted = (name: string) => ({
  deletionTimestamp: '2026-01-01T00:00:00Z',
  conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler' }],
  name,
});
const place = ({
  deletionTimestamp,
  conditions,
  name,
}: {
  deletionTimestamp?: string;
  conditions?: object[];
  name: string;
}) => {
  const metadata = { name, namespace: 'default', uid: name, ...(deletionTimestamp && { deletionTimestamp }) };
  return { metadata, spec: { priority: 1, containers: [] }, status: { conditions } } as unknown as Pod;
};

const NOT_HELPFUL = '0/1 nodes are available: 1 Preemption is not helpful for scheduling.';
test.each<[string, Pod, boolean, object]>([
  [
    'waits for those that go for it',
    place(preempted('a')),
    false,
    { message: 'preemption: not eligible due to a terminating pod on the nominated node.', keepsPlace: true },
  ],
  [
    'does not wait for those that go by themselves',
    place({ ...preempted('a'), conditions: [] }),
    false,
    { nodeName: 'node1' },
  ],
  ['does not wait on a node that can never be', place(preempted('a')), true, { message: `preemption: ${NOT_HELPFUL}` }],
])('a pod that room was made for %s', async (_, there, isUnresolvable, expected) => {
  const info = NodeInfo.of({ metadata: { name: 'node1' }, spec: {}, status: {} } as Node, [there]);
  const verdict = { fits: false, isUnresolvable, reasons: ['so'] } as const;
  const pod = { metadata: {}, spec: { priority: 9 } } as Pod;
  const refused = {
    cluster: { nodeNamed: () => info, cached: () => ({ inNamespace: () => [] }) },
    ...{ verdicts: new Map([[info, verdict]]), nominatedTo: 'node1', extenders: [] },
    // It fits where nobody else is.
    trialOn: (node: NodeInfo) => new Trial(pod, node, [{ plugin: alone, state: undefined }]),
  };
  expect(await defaultPreemption.makeRoom?.(pod, refused as never, undefined)).toMatchObject(expected);
});
const alone = definePlugin({
  name: 'Alone',
  filter: (_, { podCount }) => (podCount === 0 ? fits : unschedulable('somebody is there')),
}) as With<'filter'>;

test('who waits for a node that a more important pod gets looks for another one', async () => {
  await using cluster = await clusterOf(['node1']);
  await create(cluster, 'old', '2', 'low', 'node1');
  await create(cluster, 'next', '2', 'middle');
  await cluster.settles();
  expect(stored(cluster, 'next').status?.nominatedNodeName).toBe('node1');
  await create(cluster, 'urgent', '2', 'high');
  await cluster.settles();
  expect(stored(cluster, 'urgent').status?.nominatedNodeName).toBe('node1');
  expect(stored(cluster, 'next').status?.nominatedNodeName).toBeUndefined();
});

test('who waits for a node that is out of the question by now makes room on another one', async () => {
  await using cluster = await clusterOf(['node1', 'node2']);
  for (const name of ['node1', 'node2']) await create(cluster, `on-${name}`, '2', 'low', name);
  await create(cluster, 'next', '2', 'middle');
  await cluster.settles();
  const first = stored(cluster, 'next').status!.nominatedNodeName!;
  expect(going(cluster)).toEqual([`on-${first}`]);
  await cluster.patch(Node, first, { spec: { unschedulable: true } });
  await cluster.passes(400_000);
  expect(going(cluster)).toEqual(['on-node1', 'on-node2']);
  expect(stored(cluster, 'next').status?.nominatedNodeName).not.toBe(first);
});

test('a pod that waits for a node in vain is told so when nobody can make room any more', async () => {
  await using cluster = await clusterOf(['node1']);
  await create(cluster, 'old', '2', 'low', 'node1');
  await create(cluster, 'next', '2', 'middle');
  await cluster.settles();
  expect(stored(cluster, 'next').status?.nominatedNodeName).toBe('node1');
  await cluster.patch(Node, 'node1', { spec: { unschedulable: true } });
  await end(cluster, 'old');
  await cluster.passes(400_000);
  expect(stored(cluster, 'next').status?.nominatedNodeName).toBeUndefined();
});

test('the place that was kept for a pod is anybody’s when the pod is gone', async () => {
  await using cluster = await clusterOf(['node1']);
  const waiting = { priorityClassName: 'high', schedulingGates: [{ name: 'wait' }] };
  await cluster.create(Pod, podAsking('kept', { cpu: '2' }, waiting));
  const status = { namespace: 'default', name: 'kept', subresource: 'status' };
  await cluster.patch(Pod, status, { status: { nominatedNodeName: 'node1' } });
  await create(cluster, 'next', '2', 'low');
  await cluster.settles();
  expect(stored(cluster, 'next').spec.nodeName).toBeUndefined();
  await end(cluster, 'kept');
  await cluster.passes(20_000);
  expect(stored(cluster, 'next').spec.nodeName).toBe('node1');
});

test('an extender is not asked about rooms when one before it agreed to none', async () => {
  const info = NodeInfo.of({ metadata: { name: 'node1' }, spec: {}, status: {} } as Node, [place({ name: 'a' })]);
  const pod = { metadata: {}, spec: { priority: 9 } } as Pod;
  const asked: string[] = [];
  const extender = (name: string, agreesTo: (rooms: readonly PricedRoom[]) => readonly PricedRoom[]): Extender => ({
    ...{ name, isIgnorable: false, isInterested: () => true },
    preempt: async (_, rooms) => {
      asked.push(name);
      return agreesTo(rooms);
    },
  });
  const refused = {
    cluster: { nodeNamed: () => info, cached: () => ({ inNamespace: () => [] }) },
    verdicts: new Map([[info, { fits: false, isUnresolvable: false, reasons: ['so'] }]]),
    extenders: [extender('all', (rooms) => rooms), extender('none', () => []), extender('last', (rooms) => rooms)],
    trialOn: (node: NodeInfo) => new Trial(pod, node, [{ plugin: alone, state: undefined }]),
  };
  expect(await defaultPreemption.makeRoom?.(pod, refused as never, undefined)).toEqual({
    message: 'preemption: no candidate node for preemption',
  });
  expect(asked).toEqual(['all', 'none']);
});
