import { describe, expect, test } from 'vitest';
import { Deployment } from '#api/apps/v1/deployment.ts';
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { Event } from '#api/core/v1/event.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isReady } from '#api/core/v1/pod-conditions.ts';
import type { Submitted } from '#api/generated/schema.ts';
import type { TestCluster } from '#testing/cluster.ts';
import { deployment, startCluster, templateWithImage } from '#testing/cluster.ts';
import type { PodsThatRunOptions } from '#testing/pods-that-run.ts';
import { podsThatRun } from '#testing/pods-that-run.ts';
import { replicaSetController } from '../replica-set.ts';
import { startControllers } from '../start-controllers.ts';
import { deploymentController } from './deployment.ts';

const REVISION = 'deployment.kubernetes.io/revision';

const start = (pods: PodsThatRunOptions = {}) =>
  startCluster({ controllers: [deploymentController, replicaSetController, podsThatRun(pods)] });

const web = (cluster: TestCluster) => cluster.get(Deployment, 'default/web')!;
const conditionsOf = (cluster: TestCluster) =>
  Object.fromEntries(
    (web(cluster).status?.conditions ?? []).map(({ type, status, reason, message }) => [
      type,
      { status, reason, message },
    ]),
  );
const byRevision = (cluster: TestCluster) =>
  cluster
    .list(ReplicaSet)
    .sort((a, b) => Number(a.metadata.annotations?.[REVISION]) - Number(b.metadata.annotations?.[REVISION]));
const setImage = (cluster: TestCluster, image: string) =>
  cluster.patch(Deployment, 'default/web', { spec: { template: { spec: { containers: [{ name: 'main', image }] } } } });
const said = (cluster: TestCluster, about: string) =>
  cluster
    .list(Event)
    .filter(({ involvedObject }) => involvedObject.kind === about)
    .map(({ reason, message }) => `${reason}: ${message}`);

async function created(cluster: TestCluster, spec: Submitted<Deployment['spec']> = {}) {
  await cluster.create(Deployment, deployment('web', spec));
  await cluster.settles();
}

describe('a new Deployment', () => {
  test('makes one ReplicaSet, named after it and the hash of its template, and is complete when its pods are', async () => {
    await using cluster = await start();
    await created(cluster, { replicas: 3 });
    const [rs] = cluster.list(ReplicaSet);
    const hash = rs?.metadata.labels?.['pod-template-hash'];
    expect(hash).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]{1,10}$/);
    expect(rs?.metadata.name).toBe(`web-${hash}`);
    expect(rs?.spec.selector.matchLabels).toEqual({ app: 'web', 'pod-template-hash': hash });
    expect(cluster.list(Pod).map(({ metadata }) => metadata.labels)).toEqual(
      Array(3).fill({ app: 'web', 'pod-template-hash': hash }),
    );
    expect(rs?.metadata.annotations).toEqual({
      [REVISION]: '1',
      'deployment.kubernetes.io/desired-replicas': '3',
      'deployment.kubernetes.io/max-replicas': '4',
    });
    expect(web(cluster).metadata.annotations).toEqual({ [REVISION]: '1' });
    expect(web(cluster).status).toMatchObject({
      observedGeneration: 1,
      replicas: 3,
      updatedReplicas: 3,
      readyReplicas: 3,
      availableReplicas: 3,
    });
    expect(conditionsOf(cluster)).toEqual({
      Available: {
        status: 'True',
        reason: 'MinimumReplicasAvailable',
        message: 'Deployment has minimum availability.',
      },
      Progressing: {
        status: 'True',
        reason: 'NewReplicaSetAvailable',
        message: `ReplicaSet "web-${hash}" has successfully progressed.`,
      },
    });
    expect(said(cluster, 'Deployment')).toEqual([`ScalingReplicaSet: Scaled up replica set web-${hash} from 0 to 3`]);
  });

  test('does nothing more once it is complete', async () => {
    await using cluster = await start();
    await created(cluster, { replicas: 2 });
    const before = cluster.clock.now();
    const { resourceVersion } = web(cluster).metadata;
    await cluster.passes(3_600_000);
    expect(cluster.clock.now()).toBe(before + 3_600_000);
    expect(web(cluster).metadata.resourceVersion).toBe(resourceVersion);
  });
});

describe('a rolling update', () => {
  for (const { replicas, maxSurge, maxUnavailable, most, fewest } of [
    { replicas: 3, maxSurge: '25%', maxUnavailable: '25%', most: 4, fewest: 3 },
    { replicas: 10, maxSurge: '25%', maxUnavailable: '25%', most: 13, fewest: 8 },
    { replicas: 4, maxSurge: 0, maxUnavailable: 1, most: 4, fewest: 3 },
    { replicas: 4, maxSurge: 2, maxUnavailable: 0, most: 6, fewest: 4 },
    { replicas: 1, maxSurge: '25%', maxUnavailable: '25%', most: 2, fewest: 1 },
  ]) {
    test(`of ${replicas} with surge ${maxSurge} and unavailable ${maxUnavailable} keeps to ${fewest}–${most} pods`, async () => {
      await using cluster = await start({ readyAfterMs: 1_000 });
      await created(cluster, {
        replicas,
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } },
      });
      await cluster.passes(5_000);
      expect(web(cluster).status?.availableReplicas).toBe(replicas);

      await setImage(cluster, 'example/main:2');
      const seen = { most: 0, fewest: replicas };
      for (let steps = 0; steps < 60; steps++) {
        await cluster.passes(500);
        const active = cluster.list(Pod).filter(({ metadata }) => !metadata.deletionTimestamp);
        seen.most = Math.max(seen.most, active.length);
        seen.fewest = Math.min(seen.fewest, active.filter(isReady).length);
      }

      expect(cluster.list(Pod).map(({ spec }) => spec.containers[0]?.image)).toEqual(
        Array(replicas).fill('example/main:2'),
      );
      expect(seen.most).toBeLessThanOrEqual(most);
      expect(seen.fewest).toBeGreaterThanOrEqual(fewest);
      expect(byRevision(cluster).map(({ spec }) => spec.replicas)).toEqual([0, replicas]);
      expect(conditionsOf(cluster).Progressing?.reason).toBe('NewReplicaSetAvailable');
    });
  }

  test('to an image that never becomes ready stops with the old pods in place, and is late after the deadline', async () => {
    await using cluster = await start({ brokenImage: 'example/broken:1' });
    await created(cluster, { replicas: 3, progressDeadlineSeconds: 60 });
    await setImage(cluster, 'example/broken:1');
    await cluster.passes(30_000);
    const [, newRs] = byRevision(cluster);
    expect(byRevision(cluster).map(({ spec }) => spec.replicas)).toEqual([3, 1]);
    expect(conditionsOf(cluster).Progressing).toMatchObject({
      reason: 'ReplicaSetUpdated',
      message: `ReplicaSet "${newRs?.metadata.name}" is progressing.`,
    });
    await cluster.passes(40_000);
    expect(conditionsOf(cluster)).toMatchObject({
      Available: { status: 'True' },
      Progressing: {
        status: 'False',
        reason: 'ProgressDeadlineExceeded',
        message: `ReplicaSet "${newRs?.metadata.name}" has timed out progressing.`,
      },
    });
  });

  test('that is overtaken by another one removes the pods of the middle version first', async () => {
    await using cluster = await start({ brokenImage: 'example/broken:1' });
    await created(cluster, { replicas: 3 });
    await setImage(cluster, 'example/broken:1');
    await cluster.settles();
    await setImage(cluster, 'example/main:3');
    await cluster.settles();
    expect(byRevision(cluster).map(({ spec }) => spec.replicas)).toEqual([0, 0, 3]);
  });

  test('goes back to an earlier template by reviving its ReplicaSet under a new revision', async () => {
    await using cluster = await start();
    await created(cluster, { replicas: 2 });
    const [first] = cluster.list(ReplicaSet);
    await setImage(cluster, 'example/main:2');
    await cluster.settles();
    await setImage(cluster, 'example/main:1');
    await cluster.settles();
    const sets = byRevision(cluster);
    expect(sets).toHaveLength(2);
    expect(sets[1]?.metadata.uid).toBe(first?.metadata.uid);
    expect(sets[1]?.metadata.annotations).toMatchObject({
      [REVISION]: '3',
      'deployment.kubernetes.io/revision-history': '1',
    });
    expect(web(cluster).metadata.annotations?.[REVISION]).toBe('3');
  });

  test.each([
    ['3546343826724305832', '3546343826724305833'],
    // Behind the last there is none: it stays without.
    ['9223372036854775807', undefined],
  ])('counts on from the revision of a ReplicaSet that it takes on, however large: %s', async (old, next) => {
    await using cluster = await start();
    const labels = { app: 'web', from: 'before' };
    const template = { ...templateWithImage('web', 'example/main:0'), metadata: { labels } };
    await cluster.create(ReplicaSet, {
      metadata: { name: 'old', namespace: 'default', labels, annotations: { [REVISION]: old } },
      spec: { replicas: 1, selector: { matchLabels: labels }, template },
    });
    await created(cluster, { replicas: 1 });
    await cluster.settles();
    const newest = cluster.list(ReplicaSet).find(({ metadata }) => metadata.name !== 'old');
    expect(newest?.metadata.annotations?.[REVISION]).toBe(next);
    if (next) expect(web(cluster).metadata.annotations?.[REVISION]).toBe(next);
  });

  test('keeps no more old ReplicaSets than revisionHistoryLimit', async () => {
    await using cluster = await start();
    await created(cluster, { replicas: 1, revisionHistoryLimit: 1 });
    for (const image of ['example/main:2', 'example/main:3', 'example/main:4']) {
      await setImage(cluster, image);
      await cluster.settles();
    }
    expect(byRevision(cluster).map(({ metadata }) => metadata.annotations?.[REVISION])).toEqual(['3', '4']);
  });
});

test('Recreate ends all old pods before it starts a new one', async () => {
  await using cluster = await start();
  await created(cluster, { replicas: 3, strategy: { type: 'Recreate' } });
  const versions: string[] = [];
  const stop = new AbortController();
  const watched = (async () => {
    for await (const { type, object } of cluster.client.watch(Pod, { signal: stop.signal }))
      if (type !== 'MODIFIED') versions.push(`${type} ${object.spec.containers[0]?.image}`);
  })();
  await cluster.settles();
  versions.length = 0;
  await setImage(cluster, 'example/main:2');
  await cluster.settles();
  stop.abort();
  await watched;
  expect(versions).toEqual([...Array(3).fill('DELETED example/main:1'), ...Array(3).fill('ADDED example/main:2')]);
});

test.each<[string, object]>([
  ['by its template', { spec: { template: templateWithImage('web', 'example/main:1') } }],
  ['by the annotation', { metadata: { annotations: { 'deprecated.deployment.rollback.to': '0' } } }],
])(
  'Recreate that is taken back %s ends the new pods first, and gives the old ReplicaSet its whole size at once',
  async (_, change) => {
    await using cluster = await start();
    await created(cluster, { replicas: 3, strategy: { type: 'Recreate' } });
    await setImage(cluster, 'example/main:2');
    await cluster.settles();
    const [first, second] = byRevision(cluster).map(({ metadata }) => metadata.name);
    const sizes: string[] = [];
    const stop = new AbortController();
    const watched = (async () => {
      for await (const { object } of cluster.client.watch(ReplicaSet, { signal: stop.signal }))
        sizes.push(`${object.metadata.name} ${object.spec.replicas}/${object.status?.replicas ?? 0}`);
    })();
    await cluster.settles();
    sizes.length = 0;
    await cluster.patch(Deployment, 'default/web', change);
    await cluster.settles();
    stop.abort();
    await watched;
    expect(sizes.filter((size, index) => size !== sizes[index - 1])).toEqual([
      `${first} 0/0`, // its revision
      `${second} 0/3`,
      `${second} 0/0`,
      `${first} 3/0`,
      `${first} 3/3`,
    ]);
    const often = cluster
      .list(Event)
      .find(({ message }) => message === `Scaled up replica set ${first} from 0 to 3`)?.count;
    expect([often, said(cluster, 'Deployment').at(-1)]).toEqual([
      2, // as it began, and now
      `ScalingReplicaSet: Scaled down replica set ${second} from 3 to 0`,
    ]);
  },
);

describe('paused', () => {
  test('it does not roll out, but can be scaled; resumed, it goes on', async () => {
    await using cluster = await start();
    await created(cluster, { replicas: 2 });
    await cluster.patch(Deployment, 'default/web', { spec: { paused: true } });
    await setImage(cluster, 'example/main:2');
    await cluster.patch(Deployment, 'default/web', { spec: { replicas: 4 } });
    await cluster.settles();
    expect(cluster.list(Pod).map(({ spec }) => spec.containers[0]?.image)).toEqual(Array(4).fill('example/main:1'));
    expect(conditionsOf(cluster).Progressing).toEqual({
      status: 'Unknown',
      reason: 'DeploymentPaused',
      message: 'Deployment is paused',
    });
    await cluster.patch(Deployment, 'default/web', { spec: { paused: false } });
    await cluster.settles();
    expect(cluster.list(Pod).map(({ spec }) => spec.containers[0]?.image)).toEqual(Array(4).fill('example/main:2'));
    expect(conditionsOf(cluster).Progressing?.reason).toBe('NewReplicaSetAvailable');
  });
});

test('scaled in the middle of a rollout, the new size is shared out in proportion', async () => {
  await using cluster = await start({ brokenImage: 'example/broken:1' });
  const rollingUpdate = { maxSurge: 3, maxUnavailable: 2 };
  await created(cluster, { replicas: 10, strategy: { type: 'RollingUpdate', rollingUpdate } });
  await setImage(cluster, 'example/broken:1');
  await cluster.settles();
  expect(byRevision(cluster).map(({ spec }) => spec.replicas)).toEqual([8, 5]);
  await cluster.patch(Deployment, 'default/web', { spec: { replicas: 30 } });
  await cluster.settles();
  expect(byRevision(cluster).map(({ spec }) => spec.replicas)).toEqual([20, 13]);
});

test('scaled and turned to Recreate in the middle of a rollout, it ends with pods of the new template alone', async () => {
  await using cluster = await start({ brokenImage: 'example/broken:1' });
  await created(cluster, { replicas: 3 });
  await setImage(cluster, 'example/broken:1');
  await cluster.settles();
  expect(byRevision(cluster).map(({ spec }) => spec.replicas)).toEqual([3, 1]);
  await cluster.patch(Deployment, 'default/web', {
    spec: { replicas: 2, strategy: { type: 'Recreate', rollingUpdate: null } },
  });
  await cluster.settles();
  expect(byRevision(cluster).map(({ spec }) => spec.replicas)).toEqual([0, 2]);
});

test('a change of size alone scales the ReplicaSet and says so', async () => {
  await using cluster = await start();
  await created(cluster, { replicas: 1 });
  const [rs] = cluster.list(ReplicaSet);
  await cluster.patch(Deployment, 'default/web', { spec: { replicas: 20 } });
  await cluster.settles();
  expect(cluster.list(Pod)).toHaveLength(20);
  await cluster.patch(Deployment, 'default/web', { spec: { replicas: 1 } });
  await cluster.settles();
  expect(cluster.list(Pod)).toHaveLength(1);
  expect(said(cluster, 'Deployment').slice(1)).toEqual([
    `ScalingReplicaSet: Scaled up replica set ${rs?.metadata.name} from 1 to 20`,
    `ScalingReplicaSet: Scaled down replica set ${rs?.metadata.name} from 20 to 1`,
  ]);
});

test('a ReplicaSet of the same name that is somebody else’s makes it choose another name', async () => {
  await using cluster = await start();
  await created(cluster, { replicas: 1 });
  const [mine] = cluster.list(ReplicaSet);
  await cluster.delete(Deployment, 'default/web', { propagationPolicy: 'Orphan' });
  const { name = '' } = mine?.metadata ?? {};
  await cluster.patch(ReplicaSet, `default/${name}`, { metadata: { ownerReferences: null, labels: { app: 'other' } } });
  await cluster.patch(Deployment, 'default/web', { metadata: { finalizers: null } });
  await cluster.settles();
  await cluster.create(Deployment, deployment('web', { template: templateWithImage('web', 'example/main:1') }));
  await cluster.passes(1_000);
  expect(web(cluster).status?.collisionCount).toBe(1);
  expect(cluster.list(ReplicaSet)).toHaveLength(2);
});

test('left behind and made anew, it takes its ReplicaSet on again, with the pods as they are; what no longer matches is let go', async () => {
  await using cluster = await start();
  await created(cluster, { replicas: 2 });
  const [mine] = cluster.list(ReplicaSet);
  const uids = () => cluster.list(Pod).map(({ metadata }) => metadata.uid);
  const before = uids();
  await cluster.delete(Deployment, 'default/web', { propagationPolicy: 'Orphan' });
  await cluster.patch(ReplicaSet, `default/${mine?.metadata.name}`, { metadata: { ownerReferences: null } });
  await cluster.patch(Deployment, 'default/web', { metadata: { finalizers: null } });
  await cluster.settles();
  await created(cluster, { replicas: 2 });
  const owners = () =>
    cluster.list(ReplicaSet).map(({ metadata }) => [metadata.uid, metadata.ownerReferences?.[0]?.uid]);
  expect(owners()).toEqual([[mine?.metadata.uid, web(cluster).metadata.uid]]);
  expect(uids()).toEqual(before);

  await cluster.patch(ReplicaSet, `default/${mine?.metadata.name}`, { metadata: { labels: { app: 'other' } } });
  await cluster.settles();
  expect(owners()).toContainEqual([mine?.metadata.uid, undefined]);
});

test.each([
  ['RollingUpdate', 0],
  ['Recreate', 2],
] as const)(
  'with the strategy %s pods that come and end bring %i steps of their Deployment',
  async (type, expected) => {
    await using cluster = await startCluster({ controllers: [replicaSetController] });
    const running = startControllers({ controllers: [deploymentController], ...cluster.services });
    cluster.add(running);
    await cluster.create(Deployment, deployment('web', { replicas: 1, strategy: { type } }));
    await cluster.settles();
    const steps = () => running.stats()[0]!.reconciled;
    cluster.stop(replicaSetController.name); // of whose status a Deployment is told as well
    const before = steps();
    const [pod] = cluster.list(Pod);
    const { name, labels, ownerReferences, namespace } = pod!.metadata;
    const metadata = { name: `${name}-2`, namespace: namespace!, labels: labels!, ownerReferences: ownerReferences! };
    await cluster.create(Pod, { metadata, spec: pod!.spec });
    await cluster.settles();
    await cluster.client.updateStatus(Pod, { ...pod!, status: { phase: 'Failed' } });
    await cluster.settles();
    expect(steps() - before).toBe(expected);
  },
);

describe('the annotation that asks for an earlier revision', () => {
  const ask = async (cluster: TestCluster, revision: string) => {
    const annotations = { 'deprecated.deployment.rollback.to': revision };
    await cluster.patch(Deployment, 'default/web', { metadata: { annotations } });
    await cluster.settles();
    expect(web(cluster).metadata.annotations).not.toHaveProperty(['deprecated.deployment.rollback.to']);
  };
  const image = (cluster: TestCluster) => web(cluster).spec.template.spec.containers[0]?.image;
  const rollbacks = (cluster: TestCluster) =>
    said(cluster, 'Deployment').filter((text) => text.startsWith('DeploymentRollback'));

  test('brings back its template and annotations, and is taken away', async () => {
    await using cluster = await start();
    await created(cluster);
    const cause = (text: string) =>
      cluster.patch(Deployment, 'default/web', { metadata: { annotations: { 'kubernetes.io/change-cause': text } } });
    await cause('first');
    await cluster.settles();
    const first = image(cluster);
    await setImage(cluster, 'example/main:2');
    await cause('second');
    await cluster.settles();
    await ask(cluster, '0');
    expect([image(cluster), web(cluster).metadata.annotations?.['kubernetes.io/change-cause']]).toEqual([
      first,
      'first',
    ]);
    expect(web(cluster).metadata.annotations?.[REVISION]).toBe('3');
    await ask(cluster, '2');
    expect(image(cluster)).toBe('example/main:2');
    expect(rollbacks(cluster)).toEqual([
      'DeploymentRollback: Rolled back deployment "web" to revision 1',
      'DeploymentRollback: Rolled back deployment "web" to revision 2',
    ]);
  });

  test('is given up where there is none, or it is the same', async () => {
    await using cluster = await start();
    await created(cluster);
    for (const revision of ['0', '7', '1']) await ask(cluster, revision);
    expect(rollbacks(cluster)).toEqual([
      'DeploymentRollbackRevisionNotFound: Unable to find last revision.',
      'DeploymentRollbackRevisionNotFound: Unable to find the revision to rollback to.',
      'DeploymentRollbackTemplateUnchanged: The rollback revision contains the same template as current deployment "web"',
    ]);
  });
});
