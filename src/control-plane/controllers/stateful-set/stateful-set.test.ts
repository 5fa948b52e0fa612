import { expect, test } from 'vitest';
import { StatefulSet } from '#api/apps/v1/stateful-set.ts';
import { Event } from '#api/core/v1/event.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { names, patch, say, started, statefulSet, status, template, told } from '#testing/stateful-set-fixture.ts';

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
  await say(cluster, 'web-0', 'False');
  await patch(cluster, { replicas: 1 });
  await cluster.settles();
  expect(names(cluster)).toEqual(['web-0', 'web-1', 'web-2']);
  await say(cluster, 'web-0', 'True');
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
  await say(cluster, 'web-0', 'False');
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
