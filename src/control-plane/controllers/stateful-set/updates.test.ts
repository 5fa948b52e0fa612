/** How a new template comes to the pods of a StatefulSet, and what stays of the old ones. */
import { expect, test } from 'vitest';
import { ControllerRevision } from '#api/apps/v1/controller-revision.ts';
import { StatefulSet } from '#api/apps/v1/stateful-set.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { images, patch, say, started, statefulSet, status, template } from '#testing/stateful-set-fixture.ts';

const rolling = (partition: number) => ({
  updateStrategy: { type: 'RollingUpdate' as const, rollingUpdate: { partition } },
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
  await say(cluster, 'web-1', 'False');
  await cluster.settles();
  await patch(cluster, { template: template('web:2') });
  await cluster.settles();
  expect(images(cluster)).toEqual({ 'web-0': 'web:1', 'web-1': 'web:1', 'web-2': 'web:1' });
  await say(cluster, 'web-1', 'True');
  await cluster.settles();
  expect(images(cluster)).toEqual({ 'web-0': 'web:2', 'web-1': 'web:2', 'web-2': 'web:2' });
});

test('a partition keeps those below it; one of them that is lost comes back as it was', async () => {
  await using cluster = await started();
  await cluster.create(StatefulSet, statefulSet(rolling(2)));
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

test('as many old templates are kept as it is told, and those that pods are of', async () => {
  await using cluster = await started();
  await cluster.create(StatefulSet, statefulSet({ revisionHistoryLimit: 1, ...rolling(2) }));
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

test('a negative limit keeps all old templates', async () => {
  await using cluster = await started();
  await cluster.create(StatefulSet, statefulSet({ replicas: 1, revisionHistoryLimit: -1 }));
  for (const image of ['web:2', 'web:3']) {
    await cluster.settles();
    await patch(cluster, { template: template(image) });
  }
  await cluster.settles();
  expect(cluster.list(ControllerRevision)).toHaveLength(3);
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
