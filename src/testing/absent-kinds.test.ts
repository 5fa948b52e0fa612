import { expect, test } from 'vitest';
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { replicaSetController } from '#control-plane/controllers/replica-set.ts';
import { pod, replicaSet, startCluster, type TestCluster } from './cluster.ts';

const start = () => startCluster({ controllers: [replicaSetController] });
const namesOf = (cluster: TestCluster) => cluster.list(Pod).map(({ metadata }) => metadata.name);

/** Which of these are met when the watches of the controller's informers are. */
const meet = (cluster: TestCluster, ...resources: string[]) =>
  resources.map((resource) => cluster.faults.dropWatch({ resource, user: 'system:kube-controller-manager' }));

test('the first object of a kind is seen by those who follow it', async () => {
  await using cluster = await start();
  await cluster.create(ReplicaSet, replicaSet('web'));
  await cluster.settles();
  expect(namesOf(cluster)).toHaveLength(1);
});

test('a write that makes the first object is answered when the informers of the process know it', async () => {
  await using cluster = await start();
  const informer = await new Promise<{ get(key: string): unknown }>((resolve) => {
    cluster.run('somebody', ({ informers }) => {
      resolve(informers!.for(Pod));
      return { busy: 0, stop: () => undefined };
    });
  });
  await cluster.create(Pod, pod('first'));
  expect(informer.get('default/first')).toBeDefined();
});

test('watches are met by a fault also where there is nothing yet', async () => {
  await using cluster = await start();
  expect(meet(cluster, 'pods', 'replicasets.apps')).toEqual([1, 1]);
});

test('what is planned for watches is not for those that were open', async () => {
  await using cluster = await start();
  const refused = cluster.faults.fail({ verb: 'watch' });
  await cluster.create(ReplicaSet, replicaSet('web'));
  await cluster.settles();
  expect(namesOf(cluster)).toHaveLength(1);
  expect(refused.hits).toBe(0);
});

test('where watches are to be met, somebody who begins to follow a kind of which there is nothing watches it', async () => {
  await using cluster = await startCluster();
  const refused = cluster.faults.fail({ verb: 'watch', resource: 'pods' });
  cluster.run('somebody', ({ informers }) => {
    informers!.for(Pod);
    return { busy: 0, stop: () => undefined };
  });
  await cluster.settles();
  expect(refused.hits).toBe(1);
});

test('an informer that was stopped does not begin', async () => {
  const cluster = await start();
  await cluster[Symbol.asyncDispose]();
  expect(cluster.faults.dropWatch({ resource: 'pods' })).toBe(0);
});
