/** How quickly a rollout goes: by when its pods count as available, and what is said of those that are on their way out. */
import { expect, test } from 'vitest';
import { Deployment } from '#api/apps/v1/deployment.ts';
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { Event } from '#api/core/v1/event.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { Submitted } from '#api/generated/schema.ts';
import { deployment, startCluster, type TestCluster } from '#testing/cluster.ts';
import { type PodsThatRunOptions, podsThatRun } from '#testing/pods-that-run.ts';
import { replicaSetController } from '../replica-set.ts';
import { deploymentController } from './deployment.ts';

async function started(spec: Submitted<Deployment['spec']>, pods: PodsThatRunOptions = {}): Promise<TestCluster> {
  const cluster = await startCluster({ controllers: [deploymentController, replicaSetController, podsThatRun(pods)] });
  await cluster.create(Deployment, deployment('web', spec));
  await cluster.settles();
  return cluster;
}
const status = (cluster: TestCluster) => cluster.get(Deployment, 'default/web')!.status!;
const progress = (cluster: TestCluster) => status(cluster).conditions?.find(({ type }) => type === 'Progressing');
const images = (cluster: TestCluster) =>
  cluster
    .list(Pod)
    .map(({ spec }) => spec.containers[0]?.image)
    .sort();
const setImage = (cluster: TestCluster, image: string) =>
  cluster.patch(Deployment, 'default/web', { spec: { template: { spec: { containers: [{ name: 'main', image }] } } } });

test('a pod that is ready counts only after minReadySeconds: until then no older one goes', async () => {
  const rollingUpdate = { maxSurge: 1, maxUnavailable: 0 };
  await using cluster = await started({
    replicas: 2,
    minReadySeconds: 30,
    strategy: { type: 'RollingUpdate', rollingUpdate },
  });
  expect(status(cluster)).toMatchObject({ readyReplicas: 2, unavailableReplicas: 2 });
  await cluster.passes('30s');
  expect(status(cluster)).toMatchObject({ availableReplicas: 2 });

  await setImage(cluster, 'example/main:2');
  await cluster.passes('29s');
  expect(images(cluster)).toEqual(['example/main:1', 'example/main:1', 'example/main:2']);
  await cluster.passes('1s');
  expect(images(cluster)).toEqual(['example/main:1', 'example/main:2', 'example/main:2']);
  await cluster.passes('29s');
  expect(progress(cluster)?.reason).toBe('ReplicaSetUpdated');
  await cluster.passes('1s');
  expect(images(cluster)).toEqual(['example/main:2', 'example/main:2']);
  expect(progress(cluster)?.reason).toBe('NewReplicaSetAvailable');
});

test('pods that are on their way out are counted by themselves, of the ReplicaSet and of the Deployment', async () => {
  await using cluster = await started({ replicas: 3 }, { neverEnd: true });
  await cluster.patch(Pod, cluster.list(Pod)[0]!.metadata, { metadata: { finalizers: ['example.com/held'] } });
  await cluster.patch(Deployment, 'default/web', { spec: { replicas: 0 } });
  await cluster.settles();
  const [rs] = cluster.list(ReplicaSet);
  const left = cluster.list(Pod).length;
  expect(left).toBeGreaterThan(0);
  expect(rs?.status).toMatchObject({ replicas: 0, terminatingReplicas: left });
  expect(status(cluster).terminatingReplicas).toBe(left);
});

test('a rollout that went on is not late: the deadline begins anew with every step', async () => {
  await using cluster = await started({ replicas: 3, progressDeadlineSeconds: 20 }, { readyAfterMs: 15_000 });
  await cluster.passes('20s');
  await setImage(cluster, 'example/main:2');
  const reasons = new Set<string | undefined>();
  for (let seconds = 0; seconds < 60; seconds += 5) {
    await cluster.passes('5s');
    reasons.add(progress(cluster)?.reason);
  }
  expect([...reasons]).toEqual(['ReplicaSetUpdated', 'NewReplicaSetAvailable']);
});

test('what keeps its ReplicaSet from making pods is said of the Deployment, too', async () => {
  await using cluster = await startCluster({
    controllers: [deploymentController, replicaSetController, podsThatRun()],
  });
  cluster.faults.fail({ verb: 'create', resource: 'pods' }, { reason: 'Forbidden', message: 'no more of them' });
  await cluster.create(Deployment, deployment('web', { replicas: 1 }));
  await cluster.settles();
  const failure = status(cluster).conditions?.find(({ type }) => type === 'ReplicaFailure');
  expect(failure).toMatchObject({ status: 'True', reason: 'FailedCreate', message: 'no more of them' });
  expect(cluster.list(Event).find(({ reason }) => reason === 'FailedCreate')?.message).toBe(
    'Error creating: no more of them',
  );
});
