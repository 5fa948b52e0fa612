import { expect, test } from 'vitest';
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { Event } from '#api/core/v1/event.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isReady } from '#api/core/v1/pod-conditions.ts';
import { PodDisruptionBudget } from '#api/policy/v1/pod-disruption-budget.ts';
import { pod, replicaSet, startCluster, type TestCluster } from '#testing/cluster.ts';
import { podsThatRun } from '#testing/pods-that-run.ts';
import { replicaSetController } from '../replica-set.ts';
import { disruptionController } from './disruption.ts';

const controllers = [disruptionController, replicaSetController, podsThatRun()];
const budget = (spec: object) => ({
  metadata: { name: 'calm', namespace: 'default' },
  spec: { selector: { matchLabels: { app: 'web' } }, ...spec },
});
const status = (cluster: TestCluster) => cluster.get(PodDisruptionBudget, 'default/calm')!.status!;
const allowed = (cluster: TestCluster) =>
  status(cluster).conditions?.map(({ status: is, reason }) => `${is} ${reason}`);
const evict = (cluster: TestCluster, { metadata: { name } }: Pod) =>
  cluster
    .transportFor({ name: 'admin', groups: ['system:masters'] })
    .request({
      method: 'POST',
      path: `/api/v1/namespaces/default/pods/${name}/eviction`,
      object: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name } },
    })
    .then(
      ({ code }) => code,
      (error: { code: number }) => error.code,
    );

test.each([
  [{ minAvailable: 3 }, { disruptionsAllowed: 2, currentHealthy: 5, desiredHealthy: 3, expectedPods: 5 }],
  [{ minAvailable: '50%' }, { disruptionsAllowed: 2, currentHealthy: 5, desiredHealthy: 3, expectedPods: 5 }],
  [{ maxUnavailable: 1 }, { disruptionsAllowed: 1, currentHealthy: 5, desiredHealthy: 4, expectedPods: 5 }],
  [{ maxUnavailable: '30%' }, { disruptionsAllowed: 2, currentHealthy: 5, desiredHealthy: 3, expectedPods: 5 }],
  [{ minAvailable: 9 }, { disruptionsAllowed: 0, currentHealthy: 5, desiredHealthy: 9, expectedPods: 5 }],
])('%j of five pods that run: %j', async (spec, expected) => {
  await using cluster = await startCluster({ controllers });
  await cluster.create(ReplicaSet, replicaSet('web', { replicas: 5 }));
  await cluster.create(PodDisruptionBudget, budget(spec));
  await cluster.settles();
  expect(status(cluster)).toMatchObject({ ...expected, observedGeneration: 1 });
  expect(allowed(cluster)).toEqual([
    expected.disruptionsAllowed > 0 ? 'True SufficientPods' : 'False InsufficientPods',
  ]);
});

test('evictions use the budget up, and it is free again when others have taken the place', async () => {
  await using cluster = await startCluster({
    controllers: [disruptionController, replicaSetController, podsThatRun({ readyAfterMs: 5_000 })],
  });
  await cluster.create(ReplicaSet, replicaSet('web', { replicas: 3 }));
  await cluster.create(PodDisruptionBudget, budget({ maxUnavailable: 1 }));
  await cluster.passes(6_000);
  const [first, second] = cluster.list(Pod).filter(isReady);
  expect(await evict(cluster, first!)).toBe(201);
  expect(await evict(cluster, second!)).toBe(429);
  await cluster.settles();
  expect(status(cluster)).toMatchObject({ disruptionsAllowed: 0, currentHealthy: 2 });
  await cluster.passes(6_000);
  expect(status(cluster)).toMatchObject({ disruptionsAllowed: 1, currentHealthy: 3 });
  expect(status(cluster).disruptedPods).toBeUndefined();
});

test('a pod that was to go and has not is counted again after two minutes', async () => {
  await using cluster = await startCluster({ controllers });
  await cluster.create(ReplicaSet, replicaSet('web', { replicas: 2 }));
  await cluster.create(PodDisruptionBudget, budget({ minAvailable: 1 }));
  await cluster.settles();
  const [web] = cluster.list(Pod);
  const disruptedPods = { [web!.metadata.name]: web!.metadata.creationTimestamp };
  const calm = cluster.get(PodDisruptionBudget, 'default/calm')!;
  await cluster.updateStatus(PodDisruptionBudget, { ...calm, status: { ...calm.status!, disruptedPods } });
  await cluster.settles();
  expect(status(cluster)).toMatchObject({ currentHealthy: 1, disruptionsAllowed: 0 });
  await cluster.passes(121_000);
  expect(status(cluster)).toMatchObject({ currentHealthy: 2, disruptionsAllowed: 1 });
  expect(cluster.list(Event).find(({ reason }) => reason === 'NotDeleted')?.message).toBe(
    "Pod was expected by PDB default/calm to be deleted but it wasn't",
  );
});

test('pods without an owner are told of when a share is asked for', async () => {
  await using cluster = await startCluster({ controllers });
  await cluster.create(Pod, pod('alone', {}, { labels: { app: 'web' } }));
  await cluster.create(PodDisruptionBudget, budget({ maxUnavailable: 1 }));
  await cluster.settles();
  expect(status(cluster)).toMatchObject({ disruptionsAllowed: 0, expectedPods: 0 });
  expect(cluster.list(Event).find(({ reason }) => reason === 'UnmanagedPods')?.message).toContain(
    '(selector: app=web)',
  );
});

test('an owner whose size nobody knows allows nothing', async () => {
  await using cluster = await startCluster({ controllers });
  const owner = { apiVersion: 'example.com/v1', kind: 'Herd', name: 'herd', uid: 'a', controller: true };
  await cluster.create(Pod, pod('owned', {}, { labels: { app: 'web' }, ownerReferences: [owner] }));
  await cluster.create(PodDisruptionBudget, budget({ maxUnavailable: 1 }));
  await cluster.settles();
  expect(status(cluster).disruptionsAllowed).toBe(0);
  expect(allowed(cluster)).toEqual(['False SyncFailed']);
});
