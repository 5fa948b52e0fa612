/** The claims of a StatefulSet: one for each pod and template, and whose they are. */
import { expect, test } from 'vitest';
import { StatefulSet } from '#api/apps/v1/stateful-set.ts';
import { Event } from '#api/core/v1/event.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { startCluster, type TestCluster } from '#testing/cluster.ts';
import { names, patch, started, statefulSet, template, told } from '#testing/stateful-set-fixture.ts';
import { statefulSetController } from './stateful-set.ts';

const claims = {
  volumeClaimTemplates: [
    {
      metadata: { name: 'data' },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    },
  ],
} as object;

const owners = (cluster: TestCluster) =>
  Object.fromEntries(
    cluster
      .list(PersistentVolumeClaim)
      .map(({ metadata }) => [
        metadata.name,
        (metadata.ownerReferences ?? []).map(({ kind, name }) => `${kind} ${name}`),
      ]),
  );

const heldClaim = (cluster: TestCluster, name: string) =>
  cluster.patch(PersistentVolumeClaim, `default/${name}`, { metadata: { finalizers: ['example.com/held'] } });

const DELETE = { persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled: 'Delete' } } as const;

test('each pod has a claim of its own, which stays when the pod goes', async () => {
  await using cluster = await started();
  await cluster.create(StatefulSet, statefulSet({ replicas: 2, ...claims }));
  await cluster.settles();
  expect(owners(cluster)).toEqual({ 'data-web-0': [], 'data-web-1': [] });
  expect(cluster.get(Pod, 'default/web-1')?.spec.volumes?.[0]).toMatchObject({
    name: 'data',
    persistentVolumeClaim: { claimName: 'data-web-1' },
  });
  expect(cluster.list(PersistentVolumeClaim)[0]?.metadata.labels).toEqual({ app: 'web' });
  await patch(cluster, { replicas: 1 });
  await cluster.settles();
  expect(Object.keys(owners(cluster))).toEqual(['data-web-0', 'data-web-1']);
});

test('by the retention policy claims go with the set, or with the pod that is scaled away', async () => {
  await using cluster = await started({ neverEnd: true });
  const persistentVolumeClaimRetentionPolicy = { whenDeleted: 'Delete', whenScaled: 'Delete' };
  await cluster.create(StatefulSet, statefulSet({ replicas: 2, ...claims, persistentVolumeClaimRetentionPolicy }));
  await cluster.settles();
  await cluster.patch(Pod, 'default/web-1', { metadata: { finalizers: ['example.com/held'] } });
  await cluster.settles();
  expect(owners(cluster)).toEqual({ 'data-web-0': ['StatefulSet web'], 'data-web-1': ['StatefulSet web'] });
  await patch(cluster, { replicas: 1 });
  await cluster.settles();
  expect(owners(cluster)).toEqual({ 'data-web-0': ['StatefulSet web'], 'data-web-1': ['Pod web-1'] });
});

test('a pod that waits for a claim which somebody has deleted gets a new one', async () => {
  await using cluster = await startCluster({ controllers: [statefulSetController] });
  await cluster.create(StatefulSet, statefulSet({ replicas: 1, ...claims }));
  await cluster.settles();
  const [before] = cluster.list(PersistentVolumeClaim);
  await cluster.patch(PersistentVolumeClaim, 'default/data-web-0', { metadata: { finalizers: null } });
  await cluster.delete(PersistentVolumeClaim, 'default/data-web-0');
  await cluster.patch(Pod, 'default/web-0', { metadata: { labels: { seen: 'again' } } });
  await cluster.settles();
  const now = cluster.list(PersistentVolumeClaim).map(({ metadata }) => metadata);
  expect(now.map(({ name, uid }) => [name, uid === before?.metadata.uid])).toEqual([['data-web-0', false]]);
  const message = 'Create Claim data-web-0 Pod web-0 in StatefulSet web success';
  expect(cluster.list(Event).find((event) => event.message === message)?.count).toBe(2);
});

test('a pod does not come back before the claim has gone that goes with the one before it', async () => {
  await using cluster = await started();
  const persistentVolumeClaimRetentionPolicy = { whenDeleted: 'Retain', whenScaled: 'Delete' };
  await cluster.create(StatefulSet, statefulSet({ replicas: 1, ...claims, persistentVolumeClaimRetentionPolicy }));
  await cluster.settles();
  await cluster.patch(PersistentVolumeClaim, 'default/data-web-0', { metadata: { finalizers: ['example.com/held'] } });
  await patch(cluster, { replicas: 0 });
  await cluster.settles();
  await patch(cluster, { replicas: 1 });
  await cluster.settles();
  expect([names(cluster), owners(cluster)]).toEqual([[], { 'data-web-0': ['Pod web-0'] }]);
  await cluster.delete(PersistentVolumeClaim, 'default/data-web-0');
  await cluster.patch(PersistentVolumeClaim, 'default/data-web-0', { metadata: { finalizers: null } });
  await cluster.settles();
  expect([names(cluster), owners(cluster)]).toEqual([['web-0'], { 'data-web-0': [] }]);
});

test('no pod is made while a claim of its name is still going, and that is told', async () => {
  await using cluster = await started();
  await cluster.create(StatefulSet, statefulSet({ replicas: 1, ...claims }));
  await cluster.settles();
  await heldClaim(cluster, 'data-web-0');
  await cluster.delete(PersistentVolumeClaim, 'default/data-web-0');
  await cluster.delete(Pod, 'default/web-0', { gracePeriodSeconds: 0 });
  await cluster.settles();
  expect(names(cluster)).toEqual([]);
  expect(told(cluster)).toContain(
    'FailedCreate: Create Pod web-0 in StatefulSet web failed error: pvc data-web-0 is being deleted',
  );
  await cluster.patch(PersistentVolumeClaim, 'default/data-web-0', { metadata: { finalizers: null } });
  await cluster.passes(60_000);
  expect(names(cluster)).toEqual(['web-0']);
});

test('a claim that cannot be made is told of itself and of its pod', async () => {
  await using cluster = await started();
  cluster.faults.fail(
    { verb: 'create', resource: 'persistentvolumeclaims', times: 1 },
    { reason: 'Forbidden', message: 'no more of them' },
  );
  await cluster.create(StatefulSet, statefulSet({ replicas: 1, ...claims }));
  await cluster.settles();
  expect(told(cluster)).toEqual(
    expect.arrayContaining([
      'FailedCreate: Create Claim data-web-0 for Pod web-0 in StatefulSet web failed error: no more of them',
      'FailedCreate: Create Pod web-0 in StatefulSet web failed error: failed to create PVC data-web-0: no more of them',
    ]),
  );
  await cluster.passes(60_000);
  expect(names(cluster)).toEqual(['web-0']);
});

test('other owners of a claim stay beside the set', async () => {
  await using cluster = await started();
  const other = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', uid: 'x' };
  const { spec } = (claims as { volumeClaimTemplates: [{ spec: PersistentVolumeClaim['spec'] }] })
    .volumeClaimTemplates[0];
  const metadata = { name: 'data-web-0', namespace: 'default', ownerReferences: [other] };
  await cluster.create(PersistentVolumeClaim, { metadata, spec });
  await cluster.create(StatefulSet, statefulSet({ replicas: 1, ...claims, ...DELETE }));
  await cluster.settles();
  expect(owners(cluster)).toEqual({ 'data-web-0': ['Deployment web', 'StatefulSet web'] });
});

test('a claim that somebody else manages keeps its owner, which is told', async () => {
  await using cluster = await started();
  const owner = { apiVersion: 'example.com/v1', kind: 'Thing', name: 'x', uid: 'x', controller: true };
  const { spec } = (claims as { volumeClaimTemplates: [{ spec: PersistentVolumeClaim['spec'] }] })
    .volumeClaimTemplates[0];
  await cluster.create(PersistentVolumeClaim, {
    metadata: { name: 'data-web-0', namespace: 'default', ownerReferences: [owner] },
    spec,
  });
  await cluster.create(StatefulSet, statefulSet({ replicas: 1, ...claims, ...DELETE }));
  await cluster.settles();
  expect(owners(cluster)).toEqual({ 'data-web-0': ['Thing x'] });
  expect(told(cluster)).toContain(
    'ConflictingController: PersistentVolumeClaim data-web-0 has a conflicting OwnerReference that acts as a manging controller, the retention policy is ignored for this claim',
  );
});

test('a claim that goes with an earlier set of the name is left to go', async () => {
  await using cluster = await started();
  await cluster.create(StatefulSet, statefulSet({ replicas: 1, ...claims, ...DELETE }));
  await cluster.settles();
  const earlier = [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'web', uid: 'earlier', controller: true }];
  await cluster.patch(PersistentVolumeClaim, 'default/data-web-0', { metadata: { ownerReferences: earlier } });
  await cluster.settles();
  expect(cluster.list(PersistentVolumeClaim)[0]?.metadata.ownerReferences).toEqual(earlier);
});

test('a policy that is changed reaches claims of pods that serve', async () => {
  await using cluster = await started();
  await cluster.create(StatefulSet, statefulSet({ replicas: 1, ...claims }));
  await cluster.settles();
  await patch(cluster, DELETE);
  await cluster.settles();
  expect(owners(cluster)).toEqual({ 'data-web-0': ['StatefulSet web'] });
  expect(told(cluster)).toContain('SuccessfulUpdate: Update Pod web-0 in StatefulSet web successful');
});

test('in parallel pods that are too many go, though others cannot be made', async () => {
  await using cluster = await started();
  await cluster.create(StatefulSet, statefulSet({ podManagementPolicy: 'Parallel', ...claims, ...DELETE }));
  await cluster.settles();
  const stale = { apiVersion: 'v1', kind: 'Pod', name: 'web-0', uid: 'earlier', controller: true };
  await cluster.patch(PersistentVolumeClaim, 'default/data-web-0', { metadata: { ownerReferences: [stale] } });
  await cluster.delete(Pod, 'default/web-0', { gracePeriodSeconds: 0 });
  await patch(cluster, { replicas: 2 });
  await cluster.settles();
  expect(names(cluster)).toEqual(['web-1']);
});

test.each<['OrderedReady' | 'Parallel', string[]]>([
  ['OrderedReady', ['web-0']],
  ['Parallel', ['web-0', 'web-1']],
])(
  'a pod that was taken on without its claims gets them, and it is told that its volumes cannot be changed (%s)',
  async (podManagementPolicy, pods) => {
    await using cluster = await started();
    const { metadata, spec } = template();
    await cluster.create(Pod, { metadata: { ...metadata, name: 'web-0', namespace: 'default' }, spec } as never);
    await cluster.settles();
    await cluster.create(StatefulSet, statefulSet({ replicas: 2, podManagementPolicy, ...claims }));
    await cluster.settles();
    expect(names(cluster)).toEqual(pods);
    expect(cluster.get(PersistentVolumeClaim, 'default/data-web-0')).toBeDefined();
    expect(told(cluster).find((text) => text.startsWith('FailedUpdate'))).toContain(
      'FailedUpdate: Update Pod web-0 in StatefulSet web failed error: Pod "web-0" is invalid: spec: Forbidden: pod updates may not change fields other than',
    );
  },
);
