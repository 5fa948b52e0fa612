import { expect, test } from 'vitest';
import { Deployment } from '#api/apps/v1/deployment.ts';
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isReady } from '#api/core/v1/pod-conditions.ts';
import { deployment, type TestCluster } from '#testing/cluster.ts';
import { conditionsOf, told, wholeCluster } from './story.ts';

const REASONS = ['ScalingReplicaSet'];
const web = (cluster: TestCluster) => cluster.get(Deployment, 'default/web')!;
const serving = (cluster: TestCluster) =>
  cluster
    .list(Pod)
    .filter((pod) => isReady(pod) && !pod.metadata.deletionTimestamp)
    .map(({ spec }) => spec.containers[0]?.image)
    .sort();

/** Its pods take a second each, so that when a step comes does not hang on what is drawn by chance. */
async function roll(cluster: TestCluster, image: string, more: Record<string, string | null> = {}) {
  const container = { name: 'main', image };
  const annotations = { 'kedge.dev/simulated-start-seconds': '1', ...more };
  await cluster.patch(Deployment, 'default/web', {
    spec: { template: { metadata: { annotations }, spec: { containers: [container] } } },
  });
}

test('a rollout that goes well, one that does not, and the way back', async () => {
  await using cluster = await wholeCluster(2);
  const sinceMs = cluster.clock.now();

  // A release of three pods.
  await cluster.create(Deployment, deployment('web', { replicas: 3, progressDeadlineSeconds: 60 }));
  await cluster.passes('10s');
  expect(serving(cluster)).toEqual(Array(3).fill('example/main:1'));

  // The next one takes their place; at no time fewer than three serve.
  await roll(cluster, 'example/main:2');
  for (let seconds = 0; seconds < 50; seconds++) {
    await cluster.passes('1s');
    expect(serving(cluster).length).toBeGreaterThanOrEqual(3);
  }
  expect(serving(cluster)).toEqual(Array(3).fill('example/main:2'));

  // The third cannot be pulled: it stops at the first pod, the others serve on, and after a minute the Deployment says so.
  await roll(cluster, 'example/main:3', { 'kedge.dev/simulated-waiting': 'ImagePullBackOff' });
  await cluster.passes('2m');
  expect(serving(cluster)).toEqual(Array(3).fill('example/main:2'));
  expect(conditionsOf(cluster, web(cluster))).toMatchInlineSnapshot(`
    "Available=True (MinimumReplicasAvailable): Deployment has minimum availability.
    Progressing=False (ProgressDeadlineExceeded): ReplicaSet "web-C" has timed out progressing."
  `);

  // Back to the second.
  await roll(cluster, 'example/main:2', { 'kedge.dev/simulated-waiting': null });
  await cluster.passes('1m');
  expect(serving(cluster)).toEqual(Array(3).fill('example/main:2'));
  expect(conditionsOf(cluster, web(cluster))).toMatchInlineSnapshot(`
    "Available=True (MinimumReplicasAvailable): Deployment has minimum availability.
    Progressing=True (NewReplicaSetAvailable): ReplicaSet "web-B" has successfully progressed."
  `);
  expect(
    cluster
      .list(ReplicaSet)
      .map(({ spec }) => spec.replicas)
      .sort(),
  ).toEqual([0, 0, 3]);
  expect(told(cluster, { sinceMs, reasons: REASONS })).toMatchInlineSnapshot(`
    "   0s  Deployment web: ScalingReplicaSet: Scaled up replica set web-A from 0 to 3
      10s  Deployment web: ScalingReplicaSet: Scaled up replica set web-B from 0 to 1
      11s  Deployment web: ScalingReplicaSet: Scaled down replica set web-A from 3 to 2
      11s  Deployment web: ScalingReplicaSet: Scaled up replica set web-B from 1 to 2
      12s  Deployment web: ScalingReplicaSet: Scaled down replica set web-A from 2 to 1
      12s  Deployment web: ScalingReplicaSet: Scaled up replica set web-B from 2 to 3
      13s  Deployment web: ScalingReplicaSet: Scaled down replica set web-A from 1 to 0
      60s  Deployment web: ScalingReplicaSet: Scaled up replica set web-C from 0 to 1
     180s  Deployment web: ScalingReplicaSet: Scaled down replica set web-C from 1 to 0"
  `);
});
