import { expect, test } from 'vitest';
import { Event } from '#api/core/v1/event.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { ReplicationController } from '#api/core/v1/replication-controller.ts';
import { pod, startCluster } from '#testing/cluster.ts';
import { podsThatRun } from '#testing/pods-that-run.ts';
import { replicationController } from './replication-controller.ts';

const labels = { app: 'web' };
const rc = (replicas: number, spec: object = {}) => ({
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    replicas,
    selector: labels,
    template: { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'web:1' }] } },
    ...spec,
  },
});
const controllers = [replicationController, podsThatRun()];

test('a ReplicationController has as many pods as it asks for, and says how many are ready', async () => {
  await using cluster = await startCluster({ controllers });
  await cluster.create(ReplicationController, rc(3));
  await cluster.settles();
  expect(cluster.list(Pod)).toHaveLength(3);
  expect(cluster.get(ReplicationController, 'default/web')?.status).toEqual({
    replicas: 3,
    fullyLabeledReplicas: 3,
    readyReplicas: 3,
    availableReplicas: 3,
    observedGeneration: 1,
  });
  await cluster.patch(ReplicationController, 'default/web', { spec: { replicas: 1 } });
  await cluster.settles();
  expect(cluster.list(Pod)).toHaveLength(1);
  const said = cluster.list(Event).map(({ reason, source }) => `${reason} ${source?.component}`);
  expect(new Set(said)).toEqual(
    new Set(['SuccessfulCreate replication-controller', 'SuccessfulDelete replication-controller']),
  );
});

test('it takes on a pod that matches, and lets go of one that no longer does', async () => {
  await using cluster = await startCluster({ controllers });
  await cluster.create(Pod, pod('stray', {}, { labels }));
  await cluster.create(ReplicationController, rc(1));
  await cluster.settles();
  expect(cluster.list(Pod).map(({ metadata }) => metadata.name)).toEqual(['stray']);
  await cluster.patch(Pod, 'default/stray', { metadata: { labels: { app: 'else' } } });
  await cluster.settles();
  expect(cluster.get(Pod, 'default/stray')?.metadata.ownerReferences ?? []).toEqual([]);
  expect(cluster.list(Pod)).toHaveLength(2);
});

test('what is refused is a condition, and the condition goes when it no longer is', async () => {
  await using cluster = await startCluster({ controllers });
  const spec = { priorityClassName: 'none', containers: [{ name: 'main', image: 'web:1' }] };
  await cluster.create(ReplicationController, rc(1, { template: { metadata: { labels }, spec } }));
  await cluster.passes(100);
  const conditions = () => cluster.get(ReplicationController, 'default/web')?.status?.conditions;
  expect(conditions()).toMatchObject([{ type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate' }]);
  expect(conditions()?.[0]?.message).toContain('no PriorityClass with name none was found');
  await cluster.patch(ReplicationController, 'default/web', {
    spec: { template: { spec: { priorityClassName: null } } },
  });
  await cluster.passes(2_000);
  expect(conditions()).toBeUndefined();
});
