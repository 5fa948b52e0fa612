/** What becomes of the claims of a StatefulSet when it shrinks and when it goes, by its retention policy. Source: KEP-1847. */
import { expect, test } from 'vitest';
import { StatefulSet } from '#api/apps/v1/stateful-set.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { startCluster } from '#testing/cluster.ts';
import { podsThatRun } from '#testing/pods-that-run.ts';
import { garbageCollector } from '../garbage-collector/garbage-collector.ts';
import { claimProtection } from '../storage-protection/claim-protection.ts';
import { statefulSetController } from './stateful-set.ts';

const claim = {
  metadata: { name: 'data' },
  spec: { accessModes: ['ReadWriteOnce' as const], resources: { requests: { storage: '1Gi' } } },
};
const labels = { app: 'db' };

test.each([
  ['Retain', 'Retain', ['data-db-0', 'data-db-1'], ['data-db-0', 'data-db-1']],
  ['Retain', 'Delete', ['data-db-0'], ['data-db-0']],
  ['Delete', 'Retain', ['data-db-0', 'data-db-1'], []],
  ['Delete', 'Delete', ['data-db-0'], []],
] as const)(
  'whenDeleted %s, whenScaled %s: smaller it has %j, gone it leaves %j',
  async (whenDeleted, whenScaled, smaller, gone) => {
    await using cluster = await startCluster({
      controllers: [statefulSetController, garbageCollector, claimProtection, podsThatRun()],
    });
    await cluster.create(StatefulSet, {
      metadata: { name: 'db', namespace: 'default' },
      spec: {
        serviceName: 'db',
        replicas: 2,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'db:1' }] } },
        volumeClaimTemplates: [claim],
        persistentVolumeClaimRetentionPolicy: { whenDeleted, whenScaled },
      },
    });
    const claims = () => cluster.list(PersistentVolumeClaim).map(({ metadata }) => metadata.name);
    await cluster.passes('10s');
    expect(claims()).toEqual(['data-db-0', 'data-db-1']);

    await cluster.patch(StatefulSet, 'default/db', { spec: { replicas: 1 } });
    await cluster.passes('1m');
    expect(claims()).toEqual(smaller);

    await cluster.delete(StatefulSet, 'default/db');
    await cluster.passes('1m');
    expect([cluster.list(Pod), claims()]).toEqual([[], gone]);
  },
);

test('a claim that was kept is taken up again when its pod comes back', async () => {
  await using cluster = await startCluster({ controllers: [statefulSetController, garbageCollector, podsThatRun()] });
  await cluster.create(StatefulSet, {
    metadata: { name: 'db', namespace: 'default' },
    spec: {
      serviceName: 'db',
      replicas: 1,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'db:1' }] } },
      volumeClaimTemplates: [claim],
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled: 'Retain' },
    },
  });
  await cluster.settles();
  const uids = () => cluster.list(PersistentVolumeClaim).map(({ metadata }) => metadata.uid);
  const before = uids();
  for (const replicas of [0, 1]) {
    await cluster.patch(StatefulSet, 'default/db', { spec: { replicas } });
    await cluster.passes('10s');
    expect([cluster.list(Pod).length, uids()]).toEqual([replicas, before]);
  }
});
