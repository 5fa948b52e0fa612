import { expect, test } from 'vitest';
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { replicaSetController } from '#control-plane/controllers/replica-set.ts';
import { node, pod, replicaSet, SCHEDULER, startCluster } from './cluster.ts';

test('a controller that dies in the middle of its work does no more of it, and its next life finishes it', async () => {
  await using cluster = await startCluster({ controllers: [replicaSetController] });
  const name = replicaSetController.name;
  await cluster.create(ReplicaSet, replicaSet('web', { replicas: 400 }));
  const watch = new AbortController();
  let seen = 0;
  for await (const { type } of cluster.client.watch(Pod, { signal: watch.signal }))
    if (type === 'ADDED' && ++seen === 3) break;
  cluster.stop(name);
  watch.abort();
  await cluster.settles();
  const made = cluster.list(Pod).length;
  expect(made).toBeGreaterThan(0);
  expect(made).toBeLessThan(400);
  await cluster.passes(3_600_000);
  expect(cluster.list(Pod)).toHaveLength(made);
  cluster.start(name);
  await cluster.settles();
  expect(cluster.list(Pod)).toHaveLength(400);
});

test('restarts at every turn of the event loop do not make a pod twice', async () => {
  await using cluster = await startCluster({ controllers: [replicaSetController] });
  await cluster.create(ReplicaSet, replicaSet('web', { replicas: 5 }));
  for (let turns = 0; turns < 40; turns++) {
    cluster.restartController(replicaSetController.name);
    for (let i = 0; i < turns % 5; i++) await new Promise<void>(setImmediate);
  }
  await cluster.settles();
  expect(cluster.list(Pod)).toHaveLength(5);
});

test('the scheduler can be away for a while', async () => {
  await using cluster = await startCluster({ scheduler: true });
  await cluster.create(Node, node('one'));
  await cluster.patch(Node, 'one', { spec: { taints: null } }); // new nodes are not ready
  cluster.stop(SCHEDULER);
  await cluster.create(Pod, pod('a'));
  await cluster.passes(60_000);
  expect(cluster.get(Pod, 'default/a')?.spec.nodeName).toBeUndefined();
  cluster.start(SCHEDULER);
  await cluster.settles();
  expect(cluster.get(Pod, 'default/a')?.spec.nodeName).toBe('one');
});

test('who names a component that is not there is told which there are', async () => {
  await using cluster = await startCluster({ controllers: [replicaSetController], scheduler: true });
  expect(cluster.componentNames).toEqual([replicaSetController.name, SCHEDULER]);
  expect(() => cluster.stop('replica-set')).toThrow(
    `no component replica-set runs in this cluster: there are ${replicaSetController.name}, scheduler`,
  );
});
