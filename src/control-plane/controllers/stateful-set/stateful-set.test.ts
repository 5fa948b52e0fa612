import { expect, test } from 'vitest';
import { ControllerRevision } from '#api/apps/v1/controller-revision.ts';
import { StatefulSet } from '#api/apps/v1/stateful-set.ts';
import { Event } from '#api/core/v1/event.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { StatefulSet as StatefulSetObject, Submitted } from '#api/generated/schema.ts';
import { startCluster, type TestCluster } from '#testing/cluster.ts';
import { podsThatRun } from '#testing/pods-that-run.ts';
import { statefulSetController } from './stateful-set.ts';

const template = (image = 'web:1') => ({
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'main', image }] },
});
const statefulSet = (spec: Submitted<StatefulSetObject['spec']> = {}) => ({
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    serviceName: 'nginx',
    replicas: 3,
    selector: { matchLabels: { app: 'web' } },
    template: template(),
    ...spec,
  } as Submitted<StatefulSetObject['spec']>,
});
const started = (options: Parameters<typeof podsThatRun>[0] = {}) =>
  startCluster({ controllers: [statefulSetController, podsThatRun(options)] });
const patch = (cluster: TestCluster, spec: object) => cluster.patch(StatefulSet, 'default/web', { spec });
const status = (cluster: TestCluster) => cluster.get(StatefulSet, 'default/web')!.status!;
const names = (cluster: TestCluster) => cluster.list(Pod).map(({ metadata }) => metadata.name);
const images = (cluster: TestCluster) =>
  Object.fromEntries(cluster.list(Pod).map(({ metadata, spec }) => [metadata.name, spec.containers[0]?.image]));

test('pods come in order, each when the one below it is ready, and know who they are', async () => {
  await using cluster = await started({ readyAfterMs: 1_000 });
  await cluster.create(StatefulSet, statefulSet());
  await cluster.settles();
  expect(names(cluster)).toEqual(['web-0']);
  await cluster.passes(1_000);
  expect(names(cluster)).toEqual(['web-0', 'web-1']);
  await cluster.passes(2_000);
  expect(names(cluster)).toEqual(['web-0', 'web-1', 'web-2']);
  expect(cluster.get(Pod, 'default/web-1')).toMatchObject({
    metadata: { labels: { 'statefulset.kubernetes.io/pod-name': 'web-1', 'apps.kubernetes.io/pod-index': '1' } },
    spec: { hostname: 'web-1', subdomain: 'nginx' },
  });
  const { currentRevision } = status(cluster);
  expect(status(cluster)).toEqual({
    observedGeneration: 1,
    replicas: 3,
    readyReplicas: 3,
    availableReplicas: 3,
    currentReplicas: 3,
    updatedReplicas: 3,
    currentRevision,
    updateRevision: currentRevision,
    collisionCount: 0,
  });
  expect(cluster.list(Event).map(({ message }) => message)).toContain('Create Pod web-2 in StatefulSet web successful');
});

test('they go from the top, one after the other, and not while one is unwell', async () => {
  await using cluster = await started();
  await cluster.create(StatefulSet, statefulSet());
  await cluster.settles();
  const first = cluster.get(Pod, 'default/web-0')!;
  const conditions = (first.status?.conditions ?? []).map((each) => ({ ...each, status: 'False' }));
  await cluster.updateStatus(Pod, { ...first, status: { ...first.status!, conditions } });
  await patch(cluster, { replicas: 1 });
  await cluster.settles();
  expect(names(cluster)).toEqual(['web-0', 'web-1', 'web-2']);
  await cluster.updateStatus(Pod, { ...cluster.get(Pod, 'default/web-0')!, status: first.status! });
  await cluster.settles();
  expect(names(cluster)).toEqual(['web-0']);
  await patch(cluster, { replicas: 0 });
  await cluster.settles();
  expect(names(cluster)).toEqual([]);
  const deleted = cluster.list(Event).filter(({ reason }) => reason === 'SuccessfulDelete');
  expect(deleted.map(({ message }) => message?.split(' ')[2])).toEqual(['web-2', 'web-1', 'web-0']);
});

test('in parallel they come and go at once', async () => {
  await using cluster = await started({ brokenImage: 'web:1' });
  await cluster.create(StatefulSet, statefulSet({ podManagementPolicy: 'Parallel' }));
  await cluster.settles();
  expect(names(cluster)).toEqual(['web-0', 'web-1', 'web-2']);
  await patch(cluster, { replicas: 1 });
  await cluster.settles();
  expect(names(cluster)).toEqual(['web-0']);
});

test('a new template comes from the top down, and a broken one stops at the first pod', async () => {
  await using cluster = await started({ brokenImage: 'web:broken' });
  await cluster.create(StatefulSet, statefulSet());
  await cluster.settles();
  const before = status(cluster).currentRevision;
  await patch(cluster, { template: template('web:2') });
  await cluster.settles();
  expect(images(cluster)).toEqual({ 'web-0': 'web:2', 'web-1': 'web:2', 'web-2': 'web:2' });
  expect(status(cluster).currentRevision).not.toBe(before);
  expect(status(cluster)).toMatchObject({ currentReplicas: 3, updatedReplicas: 3 });

  await patch(cluster, { template: template('web:broken') });
  await cluster.settles();
  expect(images(cluster)).toEqual({ 'web-0': 'web:2', 'web-1': 'web:2', 'web-2': 'web:broken' });
  expect(status(cluster)).toMatchObject({ currentReplicas: 2, updatedReplicas: 1, readyReplicas: 2 });
  expect(cluster.list(ControllerRevision)).toHaveLength(3);
});

test('an update waits for a pod that is not ready, whichever it is, and goes on when it is', async () => {
  await using cluster = await started();
  await cluster.create(StatefulSet, statefulSet());
  await cluster.settles();
  const say = async (is: 'True' | 'False') => {
    const pod = cluster.get(Pod, 'default/web-1')!;
    const conditions = (pod.status?.conditions ?? []).map((each) => ({ ...each, status: is }));
    await cluster.updateStatus(Pod, { ...pod, status: { ...pod.status!, conditions } });
    await cluster.settles();
  };
  await say('False');
  await patch(cluster, { template: template('web:2') });
  await cluster.settles();
  expect(images(cluster)).toEqual({ 'web-0': 'web:1', 'web-1': 'web:1', 'web-2': 'web:1' });
  await say('True');
  expect(images(cluster)).toEqual({ 'web-0': 'web:2', 'web-1': 'web:2', 'web-2': 'web:2' });
});

test('a pod counts only once it has been ready for minReadySeconds: until then the next one does not come', async () => {
  await using cluster = await started();
  await cluster.create(StatefulSet, statefulSet({ replicas: 2, minReadySeconds: 30 }));
  await cluster.passes('29s');
  expect(names(cluster)).toEqual(['web-0']);
  expect(status(cluster)).toMatchObject({ readyReplicas: 1, availableReplicas: 0 });
  await cluster.passes('2s');
  expect(names(cluster)).toEqual(['web-0', 'web-1']);
  expect(status(cluster)).toMatchObject({ readyReplicas: 2, availableReplicas: 1 });
});

test('as many old templates are kept as it is told, and those that pods are of', async () => {
  await using cluster = await started();
  const rolling = (partition: number) => ({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition } } });
  await cluster.create(StatefulSet, statefulSet({ revisionHistoryLimit: 1, ...(rolling(2) as object) }));
  for (const image of ['web:2', 'web:3', 'web:4']) {
    await cluster.settles();
    await patch(cluster, { template: template(image) });
  }
  await cluster.settles();
  const revisions = () =>
    cluster
      .list(ControllerRevision)
      .map(({ revision }) => revision)
      .sort();
  expect(revisions()).toEqual([1, 3, 4]); // web-0 and web-1 are of the first
  await patch(cluster, rolling(0));
  await cluster.settles();
  expect(revisions()).toEqual([3, 4]);
});

test('a partition keeps those below it; one of them that is lost comes back as it was', async () => {
  await using cluster = await started();
  const rolling = (partition: number) => ({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition } } });
  await cluster.create(StatefulSet, statefulSet(rolling(2) as object));
  await cluster.settles();
  await patch(cluster, { template: template('web:2') });
  await cluster.settles();
  expect(images(cluster)).toEqual({ 'web-0': 'web:1', 'web-1': 'web:1', 'web-2': 'web:2' });
  for (const name of ['web-0', 'web-2']) await cluster.delete(Pod, `default/${name}`);
  await cluster.settles();
  expect(images(cluster)).toEqual({ 'web-0': 'web:1', 'web-1': 'web:1', 'web-2': 'web:2' });
  await patch(cluster, rolling(0));
  await cluster.settles();
  expect(images(cluster)).toEqual({ 'web-0': 'web:2', 'web-1': 'web:2', 'web-2': 'web:2' });
});

test('OnDelete leaves the old pods until somebody deletes them', async () => {
  await using cluster = await started();
  await cluster.create(StatefulSet, statefulSet({ updateStrategy: { type: 'OnDelete' } }));
  await cluster.settles();
  await patch(cluster, { template: template('web:2') });
  await cluster.settles();
  await cluster.delete(Pod, 'default/web-1');
  await cluster.settles();
  expect(images(cluster)).toEqual({ 'web-0': 'web:1', 'web-1': 'web:2', 'web-2': 'web:1' });
});

test('a pod that has ended is made anew', async () => {
  await using cluster = await started();
  await cluster.create(StatefulSet, statefulSet({ replicas: 1 }));
  await cluster.settles();
  const pod = cluster.get(Pod, 'default/web-0')!;
  await cluster.updateStatus(Pod, { ...pod, status: { ...pod.status, phase: 'Failed' } });
  await cluster.settles();
  expect(cluster.get(Pod, 'default/web-0')?.metadata.uid).not.toBe(pod.metadata.uid);
  expect(cluster.list(Event).map(({ message }) => message)).toEqual([
    'Create Pod web-0 in StatefulSet web successful',
    'Delete Pod web-0 in StatefulSet web successful',
  ]);
});

test('pods that have ended go when they are scaled away, though others are not well', async () => {
  await using cluster = await started();
  await cluster.create(StatefulSet, statefulSet());
  await cluster.settles();
  const become = async (name: string, changed: object) => {
    await cluster.patch(Pod, { name, namespace: 'default', subresource: 'status' }, { status: changed });
    await cluster.settles();
  };
  for (const name of ['web-1', 'web-2']) await become(name, { conditions: [{ type: 'Ready', status: 'False' }] });
  await patch(cluster, { replicas: 0 });
  await cluster.settles();
  expect(names(cluster)).toEqual(['web-0', 'web-1', 'web-2']);
  await become('web-2', { phase: 'Failed' });
  expect(names(cluster)).toEqual([]);
});

test('a pod that lost its labels gets them back', async () => {
  await using cluster = await started();
  await cluster.create(StatefulSet, statefulSet({ replicas: 1 }));
  await cluster.settles();
  await cluster.patch(Pod, 'default/web-0', {
    metadata: { labels: { 'statefulset.kubernetes.io/pod-name': null, 'apps.kubernetes.io/pod-index': null } },
  });
  await cluster.settles();
  expect(cluster.get(Pod, 'default/web-0')?.metadata.labels?.['apps.kubernetes.io/pod-index']).toBe('0');
  expect(cluster.list(Event).map(({ message }) => message)).toContain('Update Pod web-0 in StatefulSet web successful');
});

test('in parallel it gets them back also while a pod below it is not well', async () => {
  await using cluster = await started();
  await cluster.create(StatefulSet, statefulSet({ replicas: 2, podManagementPolicy: 'Parallel' }));
  await cluster.settles();
  const lowest = cluster.get(Pod, 'default/web-0')!;
  const conditions = (lowest.status?.conditions ?? []).map((each) => ({ ...each, status: 'False' }));
  await cluster.updateStatus(Pod, { ...lowest, status: { ...lowest.status!, conditions } });
  const label = 'statefulset.kubernetes.io/pod-name';
  await cluster.patch(Pod, 'default/web-1', { metadata: { labels: { [label]: null } } });
  await cluster.settles();
  expect(cluster.get(Pod, 'default/web-1')?.metadata.labels?.[label]).toBe('web-1');
});

test('of a set that is being deleted the status is kept, and nothing is made for it', async () => {
  await using cluster = await started();
  await cluster.create(StatefulSet, statefulSet({ replicas: 2 }));
  await cluster.settles();
  await cluster.delete(StatefulSet, 'default/web', { propagationPolicy: 'Foreground' });
  await cluster.delete(Pod, 'default/web-1');
  await cluster.settles();
  expect(names(cluster)).toEqual(['web-0']);
  expect(status(cluster)).toMatchObject({ replicas: 1, observedGeneration: 2 });
});

test('ordinals can start higher', async () => {
  await using cluster = await started();
  await cluster.create(StatefulSet, statefulSet({ replicas: 2, ordinals: { start: 5 } }));
  await cluster.settles();
  expect(names(cluster)).toEqual(['web-5', 'web-6']);
  await patch(cluster, { ordinals: { start: 6 } });
  await cluster.settles();
  expect(names(cluster)).toEqual(['web-6', 'web-7']);
});

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

const told = (cluster: TestCluster) => cluster.list(Event).map(({ reason, message }) => `${reason}: ${message}`);
const heldClaim = (cluster: TestCluster, name: string) =>
  cluster.patch(PersistentVolumeClaim, `default/${name}`, { metadata: { finalizers: ['example.com/held'] } });

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

const DELETE = { persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled: 'Delete' } } as const;

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

test('in parallel a pod that is down is replaced by the next template at once', async () => {
  await using cluster = await started({ brokenImage: 'web:broken' });
  await cluster.create(StatefulSet, statefulSet({ podManagementPolicy: 'Parallel' }));
  await cluster.settles();
  await patch(cluster, { template: template('web:broken') });
  await cluster.settles();
  await patch(cluster, { template: template('web:3') });
  await cluster.settles();
  expect(images(cluster)).toEqual({ 'web-0': 'web:3', 'web-1': 'web:3', 'web-2': 'web:3' });
});

test('a revision says what its set was annotated with, and carries the hash of its template', async () => {
  await using cluster = await started();
  const { metadata, spec } = statefulSet({ replicas: 1 });
  const annotations = { 'kubernetes.io/change-cause': 'first of all' };
  await cluster.create(StatefulSet, { metadata: { ...metadata, annotations }, spec });
  await cluster.settles();
  const [revision] = cluster.list(ControllerRevision);
  expect(revision?.metadata).toMatchObject({
    annotations,
    labels: { app: 'web', 'controller.kubernetes.io/hash': revision?.metadata.name.slice('web-'.length) },
  });
});

test('a pod that is going and still serves counts as available', async () => {
  await using cluster = await started({ neverEnd: true });
  await cluster.create(StatefulSet, statefulSet({ replicas: 1 }));
  await cluster.settles();
  await cluster.patch(Pod, 'default/web-0', { metadata: { finalizers: ['example.com/held'] } });
  await cluster.delete(Pod, 'default/web-0');
  await cluster.settles();
  expect(status(cluster)).toMatchObject({ replicas: 1, readyReplicas: 1, availableReplicas: 1 });
  expect(status(cluster).currentReplicas).toBeUndefined();
});

test("a pod of the name that is somebody else's is waited for", async () => {
  await using cluster = await started();
  const foreign = { metadata: { name: 'web-0', namespace: 'default' }, spec: template().spec };
  await cluster.create(Pod, foreign as never);
  await cluster.create(StatefulSet, statefulSet({ replicas: 1 }));
  await cluster.settles();
  expect(told(cluster)).toEqual([]);
  await cluster.delete(Pod, 'default/web-0');
  await cluster.passes(300_000);
  expect(cluster.get(Pod, 'default/web-0')?.metadata.ownerReferences?.[0]?.kind).toBe('StatefulSet');
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
