import { expect, test } from 'vitest';
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { Event } from '#api/core/v1/event.ts';
import { Namespace } from '#api/core/v1/namespace.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { pod, replicaSet, startCluster } from '#testing/cluster.ts';
import { podsThatRun } from '#testing/pods-that-run.ts';
import { replicaSetController } from './replica-set.ts';

for (const { wanted, existing } of [
  { wanted: 3, existing: 0 },
  { wanted: 1, existing: 3 },
  { wanted: 0, existing: 2 },
  { wanted: 20, existing: 1 },
]) {
  test(`a ReplicaSet of ${wanted} that has ${existing} pods ends with ${wanted}`, async () => {
    await using cluster = await startCluster({ controllers: [replicaSetController] });
    await cluster.create(ReplicaSet, replicaSet('web', { replicas: existing }));
    await cluster.settles();
    const web = cluster.get(ReplicaSet, 'default/web')!;

    await cluster.update(ReplicaSet, { ...web, spec: { ...web.spec, replicas: wanted } });
    await cluster.settles();

    expect(cluster.list(Pod)).toHaveLength(wanted);
    expect(cluster.get(ReplicaSet, 'default/web')?.status?.replicas).toBe(wanted);
  });
}

test('what takes several steps does not wait for changes to gather', async () => {
  await using cluster = await startCluster({ controllers: [replicaSetController] });
  await cluster.create(ReplicaSet, replicaSet('web', { replicas: 1_700 }));
  await cluster.settles();
  expect(cluster.list(Pod)).toHaveLength(1_700);
  await cluster.patch(ReplicaSet, 'default/web', { spec: { replicas: 100 } });
  await cluster.settles();
  expect(cluster.list(Pod)).toHaveLength(100);
});

test('in a namespace that goes it does not try again and again, however many are missing', async () => {
  await using cluster = await startCluster({ controllers: [replicaSetController] });
  await cluster.create(Namespace, { metadata: { name: 'going' } });
  await cluster.create(ReplicaSet, replicaSet('web', { replicas: 0 }, { namespace: 'going' }));
  await cluster.delete(Namespace, 'going');
  const tried = cluster.faults.delay({ verb: 'create', resource: 'pods' }, 0);
  await cluster.patch(ReplicaSet, 'going/web', { spec: { replicas: 700 } });
  await cluster.passes('1m');
  expect(tried.hits).toBe(2); // for the new size, and for what it said of that itself
});

test('its pods are called after it, carry the labels of the template and have it as controlling owner', async () => {
  await using cluster = await startCluster({ controllers: [replicaSetController] });
  const web = await cluster.create(ReplicaSet, replicaSet('web', { replicas: 1 }));
  await cluster.settles();
  const [only] = cluster.list(Pod);
  expect(only?.metadata.name).toMatch(/^web-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  expect(only?.metadata.labels).toEqual({ app: 'web' });
  expect(only?.metadata.ownerReferences).toEqual([
    {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      name: 'web',
      uid: web.metadata.uid,
      controller: true,
      blockOwnerDeletion: true,
    },
  ]);
});

test('it says in events what it created and deleted', async () => {
  await using cluster = await startCluster({ controllers: [replicaSetController] });
  await cluster.create(ReplicaSet, replicaSet('web', { replicas: 1 }));
  await cluster.settles();
  const [only] = cluster.list(Pod);
  await cluster.patch(ReplicaSet, 'default/web', { spec: { replicas: 0 } });
  await cluster.settles();
  const said = cluster
    .list(Event)
    .map(({ type, reason, message, source }) => [type, reason, message, source?.component]);
  expect(said).toEqual([
    ['Normal', 'SuccessfulCreate', `Created pod: ${only?.metadata.name}`, 'replicaset-controller'],
    ['Normal', 'SuccessfulDelete', `Deleted pod: ${only?.metadata.name}`, 'replicaset-controller'],
  ]);
});

test('it counts ready and available pods, and looks again when minReadySeconds have passed', async () => {
  await using cluster = await startCluster({ controllers: [replicaSetController, podsThatRun()] });
  await cluster.create(ReplicaSet, replicaSet('web', { replicas: 2, minReadySeconds: 30 }));
  await cluster.settles();
  const status = () => cluster.get(ReplicaSet, 'default/web')?.status;
  expect(status()).toMatchObject({ replicas: 2, fullyLabeledReplicas: 2, readyReplicas: 2 });
  expect(status()?.availableReplicas).toBeUndefined();
  await cluster.passes(29_000);
  expect(status()?.availableReplicas).toBeUndefined();
  await cluster.passes(1_000);
  expect(status()).toMatchObject({ availableReplicas: 2 });
});

test('a pod that matches and has no owner is adopted instead of another being created', async () => {
  await using cluster = await startCluster({ controllers: [replicaSetController] });
  await cluster.create(Pod, pod('stray', {}, { labels: { app: 'web' } }));
  const web = await cluster.create(ReplicaSet, replicaSet('web', { replicas: 1 }));
  await cluster.settles();
  expect(cluster.list(Pod)).toHaveLength(1);
  expect(cluster.get(Pod, 'default/stray')?.metadata.ownerReferences?.[0]?.uid).toBe(web.metadata.uid);
});

test('a pod that no longer matches is let go and replaced', async () => {
  await using cluster = await startCluster({ controllers: [replicaSetController] });
  await cluster.create(ReplicaSet, replicaSet('web', { replicas: 1 }));
  await cluster.settles();
  const [only] = cluster.list(Pod);
  await cluster.patch(Pod, `default/${only?.metadata.name}`, { metadata: { labels: { app: 'debug' } } });
  await cluster.settles();
  expect(cluster.list(Pod)).toHaveLength(2);
  expect(cluster.get(Pod, `default/${only?.metadata.name}`)?.metadata.ownerReferences ?? []).toEqual([]);
});

test('pods that are not ready go before those that are, and the younger before the older', async () => {
  await using cluster = await startCluster({
    controllers: [replicaSetController, podsThatRun({ readyAfterMs: 60_000 })],
  });
  await cluster.create(ReplicaSet, replicaSet('web', { replicas: 2 }));
  await cluster.passes(60_000);
  const ready = cluster.list(Pod).map(({ metadata }) => metadata.name);
  await cluster.patch(ReplicaSet, 'default/web', { spec: { replicas: 4 } });
  await cluster.passes(1_000);
  await cluster.patch(ReplicaSet, 'default/web', { spec: { replicas: 2 } });
  await cluster.settles();
  expect(cluster.list(Pod).map(({ metadata }) => metadata.name)).toEqual(ready);
});

test('a pod that is refused is noted as a condition and an event, and tried again', async () => {
  await using cluster = await startCluster({ controllers: [replicaSetController] });
  const refused = replicaSet('web', { replicas: 3 });
  const spec = {
    ...refused.spec,
    template: { ...refused.spec?.template, spec: { ...refused.spec?.template?.spec, priorityClassName: 'none' } },
  };
  await cluster.create(ReplicaSet, { ...refused, spec });
  await cluster.passes(100);
  const condition = cluster.get(ReplicaSet, 'default/web')?.status?.conditions?.[0];
  expect(condition).toMatchObject({ type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate' });
  expect(condition?.message).toContain('no PriorityClass with name none was found');
  const warning = cluster.list(Event).find(({ reason }) => reason === 'FailedCreate');
  expect(warning?.message).toMatch(/^Error creating: pods "web-.*" is forbidden: no PriorityClass/);
  expect(warning?.count ?? 0).toBeGreaterThanOrEqual(1);
  expect(cluster.list(Pod)).toHaveLength(0);
});

test('of two failures one after the other the condition keeps the first, with its time, until all goes well', async () => {
  await using cluster = await startCluster({ controllers: [replicaSetController] });
  await cluster.create(Pod, pod('there', {}, { labels: { app: 'web' } }));
  const created = cluster.faults.fail({ verb: 'create', resource: 'pods' });
  const deleted = cluster.faults.fail({ verb: 'delete', resource: 'pods' });
  await cluster.create(ReplicaSet, replicaSet('web', { replicas: 2 }));
  await cluster.passes('1s');
  const conditions = () => cluster.get(ReplicaSet, 'default/web')?.status?.conditions;
  const first = conditions();
  expect(created.hits).toBeGreaterThan(0);
  expect(first).toMatchObject([{ type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate' }]);

  await cluster.patch(ReplicaSet, 'default/web', { spec: { replicas: 0 } });
  await cluster.passes('30s');
  expect(deleted.hits).toBeGreaterThan(0);
  expect(conditions()).toEqual(first);

  deleted.end();
  await cluster.passes('10m');
  expect(cluster.list(Pod)).toHaveLength(0);
  expect(conditions() ?? []).toEqual([]);
});

test('a pod that cannot be deleted is noted as a condition and an event', async () => {
  await using cluster = await startCluster({ controllers: [replicaSetController] });
  await cluster.create(ReplicaSet, replicaSet('web', { replicas: 1 }));
  await cluster.settles();
  const fault = cluster.faults.fail({ verb: 'delete', resource: 'pods' }, { reason: 'Forbidden', message: 'not now' });
  await cluster.patch(ReplicaSet, 'default/web', { spec: { replicas: 0 } });
  await cluster.passes('1s');
  const { status } = cluster.get(ReplicaSet, 'default/web')!;
  expect(status?.conditions).toMatchObject([
    { type: 'ReplicaFailure', status: 'True', reason: 'FailedDelete', message: 'unable to delete pods: not now' },
  ]);
  const told = cluster.list(Event).find(({ reason }) => reason === 'FailedDelete');
  expect(told).toMatchObject({ type: 'Warning', message: 'Error deleting: not now' });
  fault.end();
  await cluster.passes('1m');
  expect(cluster.list(Pod)).toEqual([]);
  expect(cluster.get(ReplicaSet, 'default/web')?.status?.conditions ?? []).toEqual([]);
});

test('however long its watch of pods is away, no pod is made twice', async () => {
  await using cluster = await startCluster({ controllers: [replicaSetController] });
  const made = cluster.faults.delay({ verb: 'create', resource: 'pods' }, 0);
  const away = cluster.faults.fail({ verb: 'watch', resource: 'pods' });
  cluster.faults.dropWatch({ resource: 'pods' }, 'lost');
  await cluster.create(ReplicaSet, replicaSet('web', { replicas: 3 }));
  await cluster.passes('10m');
  expect([made.hits, cluster.list(Pod).length]).toEqual([3, 3]);
  away.end();
  await cluster.passes('1m');
  expect([made.hits, cluster.get(ReplicaSet, 'default/web')?.status?.replicas]).toEqual([3, 3]);
});
