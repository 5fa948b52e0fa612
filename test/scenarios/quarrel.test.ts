import { expect, test } from 'vitest';
import { Deployment } from '#api/apps/v1/deployment.ts';
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { controllerOf } from '#control-plane/controllers/claim.ts';
import { deployment, pod, replicaSet, type TestCluster } from '#testing/cluster.ts';
import { told, wholeCluster } from './story.ts';

const ownersOf = (cluster: TestCluster) => cluster.list(Pod).map((each) => controllerOf(each)?.name ?? 'nobody');
const same = { matchLabels: { app: 'shared' } };
const template = {
  metadata: { labels: { app: 'shared' } },
  spec: { containers: [{ name: 'main', image: 'example/main:1' }] },
};

test('two ReplicaSets that want the same pods share none, and an orphan goes to one of them', async () => {
  await using cluster = await wholeCluster(2);
  const sinceMs = cluster.clock.now();
  await cluster.create(Pod, pod('orphan', {}, { labels: { app: 'shared' } }));
  for (const name of ['left', 'right'])
    await cluster.create(ReplicaSet, replicaSet(name, { replicas: 2, selector: same, template }));
  await cluster.passes('30s');
  expect(ownersOf(cluster).sort()).toEqual(['left', 'left', 'right', 'right']);
  expect(told(cluster, { sinceMs, reasons: ['SuccessfulCreate', 'SuccessfulDelete'] })).toMatchInlineSnapshot(`
    "   0s  ReplicaSet left: SuccessfulCreate: Created pod: left-*
       0s  ReplicaSet right: SuccessfulCreate: Created pod: right-* (2 times)"
  `);

  // One goes and leaves its pods: the other takes them on, and gives up what is too much.
  await cluster.delete(ReplicaSet, 'default/left', { propagationPolicy: 'Orphan' });
  await cluster.passes('1m');
  expect(ownersOf(cluster)).toEqual(['right', 'right']);

  // They come to rest: nobody writes any more.
  const versions = () => cluster.list(Pod).map(({ metadata }) => metadata.resourceVersion);
  const before = versions();
  await cluster.passes('10m');
  expect(versions()).toEqual(before);
});

test('a user who sizes the ReplicaSet of a Deployment is overruled, once, and said so', async () => {
  await using cluster = await wholeCluster(2);
  await cluster.create(Deployment, deployment('web', { replicas: 2 }));
  await cluster.passes('10s');
  const sinceMs = cluster.clock.now();
  const [rs] = cluster.list(ReplicaSet);
  await cluster.patch(ReplicaSet, `default/${rs?.metadata.name}`, { spec: { replicas: 5 } });
  await cluster.passes('1m');
  expect(cluster.list(ReplicaSet)[0]?.spec.replicas).toBe(2);
  expect(cluster.list(Pod)).toHaveLength(2);
  expect(told(cluster, { sinceMs, reasons: ['ScalingReplicaSet'] })).toMatchInlineSnapshot(
    `"   0s  Deployment web: ScalingReplicaSet: Scaled down replica set web-A from 5 to 2"`,
  );
});
