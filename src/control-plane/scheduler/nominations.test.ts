/** Places that are kept for pods: they count for others as long as they are kept, and no longer. */
import { expect, test } from 'vitest';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { PriorityClass } from '#api/scheduling/v1/priority-class.ts';
import type { TestCluster } from '#testing/cluster.ts';
import { node, podAsking, startCluster } from '#testing/cluster.ts';
import { definePlugin, fits } from './define-plugin.ts';
import { defaultProfile, type Profile } from './profile.ts';

/** With one node, of two processors. */
async function startWith(scheduler: true | Profile[] = true): Promise<TestCluster> {
  const cluster = await startCluster({ scheduler });
  for (const [name, value] of Object.entries({ low: 10, high: 100 }))
    await cluster.create(PriorityClass, { metadata: { name }, value });
  await cluster.create(Node, node('node1', { capacity: { cpu: '2' } }));
  await cluster.patch(Node, 'node1', { spec: { taints: null } });
  return cluster;
}

const create = (cluster: TestCluster, name: string, more: object) =>
  cluster.create(Pod, podAsking(name, { cpu: '2' }, more));
const keep = (cluster: TestCluster, name: string, nominatedNodeName: string | null) =>
  cluster.patch(Pod, { namespace: 'default', name, subresource: 'status' }, { status: { nominatedNodeName } });
const placeOf = (cluster: TestCluster, name: string) => cluster.get(Pod, `default/${name}`)?.spec.nodeName;
const GATED = { schedulingGates: [{ name: 'wait' }] };

test('a place that is no longer kept for a pod is soon another’s', async () => {
  await using cluster = await startWith();
  await create(cluster, 'kept', { priorityClassName: 'high', ...GATED });
  await keep(cluster, 'kept', 'node1');
  await create(cluster, 'next', { priorityClassName: 'low' });
  await cluster.passes('10s');
  expect(placeOf(cluster, 'next')).toBeUndefined();
  await keep(cluster, 'kept', null);
  await cluster.passes('20s');
  expect(placeOf(cluster, 'next')).toBe('node1');
});

test('nothing is kept for a pod that was deleted on its way to a node', async () => {
  const holdsBack = definePlugin({
    name: 'HoldsBack',
    permit: ({ metadata }) => (metadata.name === 'kept' ? new Promise(() => undefined) : fits),
  });
  const usual = defaultProfile();
  await using cluster = await startWith([{ ...usual, plugins: [...usual.plugins, holdsBack] }]);
  await create(cluster, 'kept', { priorityClassName: 'high', ...GATED });
  await keep(cluster, 'kept', 'node1');
  await cluster.patch(Pod, 'default/kept', { spec: { schedulingGates: null } });
  await cluster.settles();
  await create(cluster, 'next', { priorityClassName: 'low' });
  await cluster.settles();
  expect(placeOf(cluster, 'next')).toBeUndefined();
  await cluster.delete(Pod, 'default/kept', { gracePeriodSeconds: 0 });
  await cluster.passes('20s');
  expect(placeOf(cluster, 'next')).toBe('node1');
});

test('a pod that could not send others away tries again', async () => {
  await using cluster = await startWith();
  await create(cluster, 'old', { priorityClassName: 'low', nodeName: 'node1' });
  const refused = cluster.faults.fail({ verb: 'delete', resource: 'pods', name: 'old', times: 1 });
  await create(cluster, 'urgent', { priorityClassName: 'high' });
  await cluster.settles();
  expect(refused.hits).toBe(1);
  expect(cluster.get(Pod, 'default/old')?.metadata.deletionTimestamp).toBeUndefined();
  await cluster.passes('20s');
  expect(cluster.get(Pod, 'default/old')?.metadata.deletionTimestamp).toBeDefined();
});
