import { expect, test } from 'vitest';
import { Lease } from '#api/coordination/v1/lease.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isReady } from '#api/core/v1/pod-conditions.ts';
import { seededRandom } from '#base/random.ts';
import { SharedInformers } from '#client/informers.ts';
import { pod, startCluster, type TestCluster } from '#testing/cluster.ts';
import { PodAddresses } from './pod-addresses.ts';
import { EXIT_CODE, RUN_SECONDS } from './pod-behaviour.ts';
import { type SimulatedNodes, startSimulatedNodes } from './simulated-nodes.ts';

async function withNodes(cluster: TestCluster, count: number): Promise<SimulatedNodes> {
  const stop = new AbortController();
  const random = seededRandom(7);
  const informers = new SharedInformers({ client: cluster.client, clock: cluster.clock, random, signal: stop.signal });
  const nodes = await startSimulatedNodes({
    count,
    namePrefix: 'paper-',
    client: cluster.client,
    informers,
    clock: cluster.clock,
    random,
  });
  cluster.add({
    get busy() {
      return nodes.busy;
    },
    informers,
    stop() {
      nodes.stop();
      stop.abort();
    },
  });
  await cluster.settles();
  return nodes;
}

const on = (node: string, spec: Parameters<typeof pod>[1] = {}) => ({ nodeName: node, ...spec });

test('nodes are registered, ready, told apart, and their leases are renewed', async () => {
  await using cluster = await startCluster();
  await withNodes(cluster, 25);
  const nodes = cluster.list(Node);
  expect(nodes).toHaveLength(25);
  expect(new Set(nodes.map(({ spec }) => spec?.podCIDR))).toHaveLength(25);
  expect(nodes[0]?.status?.conditions?.find(({ type }) => type === 'Ready')?.status).toBe('True');
  const before = cluster.list(Lease, { namespace: 'kube-node-lease' }).map(({ spec }) => spec?.renewTime);
  await cluster.passes(37_000);
  const after = cluster.list(Lease, { namespace: 'kube-node-lease' }).map(({ spec }) => spec?.renewTime);
  expect(after).toHaveLength(25);
  expect(after.every((time, index) => (time ?? '') > (before[index] ?? ''))).toBe(true);
});

test('no lease of a node runs out, whatever other nodes come and go', async () => {
  await using cluster = await startCluster();
  const { clock } = cluster;
  const nodes = await withNodes(cluster, 60);
  const oldestMs = () => {
    const leases = cluster.list(Lease, { namespace: 'kube-node-lease' });
    return clock.now() - Math.min(...leases.map(({ spec }) => Date.parse(spec?.renewTime ?? '')));
  };
  await cluster.passes(50_000);
  nodes.remove('paper-1');
  for (let seconds = 0; seconds < 120; seconds += 4) {
    await cluster.passes(4_000);
    expect(oldestMs()).toBeLessThanOrEqual(40_000);
  }
});

test('a pod that is bound runs and is ready with an address of its own; one on another node is left alone', async () => {
  await using cluster = await startCluster();
  await withNodes(cluster, 2);
  for (const name of ['a', 'b']) await cluster.create(Pod, pod(name, on('paper-1')));
  await cluster.create(Pod, pod('elsewhere', on('real')));
  await cluster.passes(2_000);
  const [a, b, elsewhere] = cluster.list(Pod);
  expect([a, b].map((one) => one && isReady(one))).toEqual([true, true]);
  expect(a?.status?.podIP).not.toBe(b?.status?.podIP);
  expect(a?.status?.containerStatuses?.[0]).toMatchObject({ ready: true, started: true, restartCount: 0 });
  expect(elsewhere?.status?.phase).toBe('Pending');
});

test('a deleted pod ends within its grace', async () => {
  await using cluster = await startCluster();
  await withNodes(cluster, 1);
  await cluster.create(Pod, pod('short', on('paper-1')));
  await cluster.passes(2_000);
  await cluster.delete(Pod, 'default/short');
  await cluster.passes(1_000);
  expect(cluster.list(Pod)).toEqual([]);
});

test('of a deleted pod that somebody holds it is said how it has ended', async () => {
  await using cluster = await startCluster();
  await withNodes(cluster, 1);
  await cluster.create(Pod, pod('held', on('paper-1'), { finalizers: ['example.com/hold'] }));
  await cluster.passes(2_000);
  await cluster.delete(Pod, 'default/held');
  await cluster.passes(1_000);
  const { metadata, status } = cluster.get(Pod, 'default/held') ?? {};
  expect(metadata?.deletionGracePeriodSeconds).toBe(0);
  expect(status).toMatchObject({ phase: 'Failed', containerStatuses: [{ state: { terminated: { exitCode: 143 } } }] });
  const resourceVersion = metadata?.resourceVersion;
  await cluster.passes(60_000);
  expect(cluster.get(Pod, 'default/held')?.metadata.resourceVersion).toBe(resourceVersion);
});

for (const { exitCode, phase } of [
  { exitCode: '0', phase: 'Succeeded' },
  { exitCode: '3', phase: 'Failed' },
])
  test(`a pod that says how long it runs ends as ${phase} with exit code ${exitCode}`, async () => {
    await using cluster = await startCluster();
    await withNodes(cluster, 1);
    const annotations = { [RUN_SECONDS]: '5', [EXIT_CODE]: exitCode };
    await cluster.create(Pod, pod('job', on('paper-1', { restartPolicy: 'Never' }), { annotations }));
    await cluster.passes(3_000);
    expect(cluster.get(Pod, 'default/job')?.status?.phase).toBe('Running');
    await cluster.passes(6_000);
    const ended = cluster.get(Pod, 'default/job');
    expect(ended?.status?.phase).toBe(phase);
    expect(ended?.status?.containerStatuses?.[0]?.state?.terminated?.exitCode).toBe(Number(exitCode));
  });

test('addresses are not given again at once, and never twice at the same time', () => {
  const addresses = new PodAddresses();
  const first = addresses.take(0, 'default/a');
  expect(addresses.take(0, 'default/a')).toBe(first);
  addresses.give(0, 'default/a');
  expect(addresses.take(0, 'default/b')).not.toBe(first);
  addresses.keep(1, 'default/old', '10.128.1.2');
  expect(addresses.take(1, 'default/new')).toBe('10.128.1.3');
});
