import { expect, test } from 'vitest';
import { Deployment } from '#api/apps/v1/deployment.ts';
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { ResourceQuota } from '#api/core/v1/resource-quota.ts';
import { deployment } from '#testing/cluster.ts';
import { conditionsOf, told, wholeCluster } from './story.ts';

test('a namespace whose quota is used up: the owner says why, and goes on when there is room', async () => {
  await using cluster = await wholeCluster(2);
  const sinceMs = cluster.clock.now();
  await cluster.create(ResourceQuota, {
    metadata: { name: 'small', namespace: 'default' },
    spec: { hard: { pods: '3' } },
  });
  await cluster.settles();
  await cluster.create(Deployment, deployment('web', { replicas: 5 }));
  await cluster.passes('30s');
  expect(cluster.list(Pod)).toHaveLength(3);
  expect(cluster.get(ResourceQuota, 'default/small')?.status).toEqual({ hard: { pods: '3' }, used: { pods: '3' } });
  expect(conditionsOf(cluster, cluster.list(ReplicaSet)[0]!)).toMatchInlineSnapshot(
    `"ReplicaFailure=True (FailedCreate): pods "web-A-*" is forbidden: exceeded quota: small, requested: pods=1, used: pods=3, limited: pods=3"`,
  );
  expect(conditionsOf(cluster, cluster.get(Deployment, 'default/web')!)).toMatchInlineSnapshot(`
    "Available=False (MinimumReplicasUnavailable): Deployment does not have minimum availability.
    Progressing=True (ReplicaSetUpdated): ReplicaSet "web-A" is progressing.
    ReplicaFailure=True (FailedCreate): pods "web-A-*" is forbidden: exceeded quota: small, requested: pods=1, used: pods=3, limited: pods=3"
  `);

  // Somebody else's pods go: the room is theirs who wait.
  await cluster.patch(ResourceQuota, 'default/small', { spec: { hard: { pods: '10' } } });
  await cluster.passes('2m');
  expect(cluster.list(Pod)).toHaveLength(5);
  expect(conditionsOf(cluster, cluster.list(ReplicaSet)[0]!)).toBe('');
  expect(conditionsOf(cluster, cluster.get(Deployment, 'default/web')!)).toMatchInlineSnapshot(`
    "Available=True (MinimumReplicasAvailable): Deployment has minimum availability.
    Progressing=True (NewReplicaSetAvailable): ReplicaSet "web-A" has successfully progressed."
  `);
  const [first = ''] = told(cluster, { sinceMs, reasons: ['FailedCreate'] }).split(' (');
  expect(first).toMatchInlineSnapshot(
    `"   0s  ReplicaSet web-A: FailedCreate: Error creating: pods "web-A-*" is forbidden: exceeded quota: small, requested: pods=1, used: pods=3, limited: pods=3"`,
  );
});
