import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Deployment } from '#api/apps/v1/deployment.ts';
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isActive } from '#api/core/v1/pod-conditions.ts';
import { controllerOf, controllerUidOf } from '#control-plane/controllers/claim.ts';
import { deploymentController } from '#control-plane/controllers/deployment/deployment.ts';
import { replicaSetController } from '#control-plane/controllers/replica-set.ts';
import { deployment, templateWithImage } from '#testing/cluster.ts';
import { history, type Moment, namedLike, runs, type Seen, type Trouble, troubles, World } from './history.ts';
import { kubelets } from './pods-that-end.ts';

type Step =
  | { act: 'scale'; replicas: number }
  | { act: 'image'; version: number }
  | { act: 'pause' | 'resume' }
  | { act: 'strategy'; strategy: object }
  | { act: 'fail a pod' | 'delete a pod' | 'let a pod go'; n: number };

const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ act: fc.constant('scale' as const), replicas: fc.nat(6) }),
  fc.record({ act: fc.constant('image' as const), version: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ act: fc.constantFrom('pause' as const, 'resume' as const) }),
  fc.record({
    act: fc.constant('strategy' as const),
    strategy: fc.constantFrom(
      { type: 'Recreate', rollingUpdate: null },
      { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
      { type: 'RollingUpdate', rollingUpdate: { maxSurge: '50%', maxUnavailable: 0 } },
    ),
  }),
  fc.record({
    act: fc.constantFrom('fail a pod' as const, 'delete a pod' as const, 'let a pod go' as const),
    n: fc.nat(),
  }),
);

const acting =
  (world: World) =>
  async (step: Step): Promise<unknown> => {
    const { cluster } = world;
    const spec = (patch: object) => cluster.patch(Deployment, 'default/web', { spec: patch });
    switch (step.act) {
      case 'scale':
        return spec({ replicas: step.replicas });
      case 'image':
        return spec({ template: templateWithImage('web', `example/main:${step.version}`) });
      case 'pause':
      case 'resume':
        return spec({ paused: step.act === 'pause' });
      case 'strategy':
        return spec({ strategy: step.strategy });
      case 'fail a pod':
        return world.podEnds(await world.nthPod(step.n, isActive), 'Failed');
      case 'delete a pod': {
        const pod = await world.nthPod(step.n);
        return pod && cluster.delete(Pod, namedLike(pod));
      }
      case 'let a pod go': {
        const pod = await world.nthPod(step.n);
        return pod && cluster.patch(Pod, namedLike(pod), { metadata: { labels: { app: 'loose' } } });
      }
    }
  };

const begin = () => World.begin({ shaky: [deploymentController, replicaSetController], steady: kubelets() });

async function lives(world: World, moments: readonly Moment<Step | Trouble>[]): Promise<void> {
  const { cluster } = world;
  await cluster.create(Deployment, deployment('web', { replicas: 3 }));
  await world.lives(moments, acting(world));
  await cluster.patch(Deployment, 'default/web', { spec: { paused: false } });
  await world.comesToRest(120_000);
}

function expectDeclared({ cluster }: World): void {
  const web = cluster.get(Deployment, 'default/web')!;
  const { replicas, template } = web.spec;
  const pods = cluster.list(Pod).filter((pod) => isActive(pod) && controllerOf(pod));
  expect(pods.map(({ spec }) => spec.containers[0]?.image)).toEqual(
    Array(replicas).fill(template.spec.containers[0]?.image),
  );
  const sizes = cluster.list(ReplicaSet).map(({ spec }) => spec.replicas);
  expect(sizes.filter((size) => size > 0)).toEqual(replicas > 0 ? [replicas] : []);
  expect(new Set(cluster.list(ReplicaSet).map(({ spec }) => JSON.stringify(spec.template))).size).toBe(sizes.length);
  expect({ ...web.status, conditions: undefined }).toMatchObject({
    observedGeneration: web.metadata.generation,
    ...(replicas > 0 && { replicas, updatedReplicas: replicas, readyReplicas: replicas, availableReplicas: replicas }),
  });
  expect(web.status?.unavailableReplicas ?? 0).toBe(0);
  const conditions = Object.fromEntries((web.status?.conditions ?? []).map(({ type, reason }) => [type, reason]));
  expect(conditions).toEqual({ Available: 'MinimumReplicasAvailable', Progressing: 'NewReplicaSetAvailable' });
}

/** Of the pods that a ReplicaSet had at a time, the most; beside how many it was ever asked for. */
function mostPods(pods: readonly Seen<Pod>[], sets: readonly Seen<ReplicaSet>[]) {
  const active = new Map<string, Set<string>>();
  const most = new Map<string, { had: number; asked: number }>();
  for (const { object } of sets) {
    const { uid } = object.metadata;
    most.set(uid, { had: 0, asked: Math.max(most.get(uid)?.asked ?? 0, object.spec.replicas) });
  }
  for (const { type, object: pod } of pods) {
    for (const uids of active.values()) uids.delete(pod.metadata.uid);
    const owner = controllerUidOf(pod);
    if (type === 'DELETED' || !owner || !isActive(pod)) continue;
    const uids = active.get(owner) ?? new Set();
    active.set(owner, uids.add(pod.metadata.uid));
    const known = most.get(owner) ?? { had: 0, asked: 0 };
    most.set(owner, { ...known, had: Math.max(known.had, uids.size) });
  }
  return [...most.values()];
}

test('a Deployment ends as it was declared last, and no ReplicaSet ever has more pods than it was asked for', async () => {
  await fc.assert(
    fc.asyncProperty(history<Step | Trouble>(steps, troubles()), async (moments) => {
      await using world = await begin();
      const pods = world.follow(Pod);
      const sets = world.follow(ReplicaSet);
      await lives(world, moments);
      expectDeclared(world);
      for (const { had, asked } of mostPods(pods, sets)) expect(had).toBeLessThanOrEqual(asked);
    }),
    runs(12),
  );
});

test('with answers that are lost it ends as it was declared last, too', async () => {
  await fc.assert(
    fc.asyncProperty(history<Step | Trouble>(steps, troubles({ lostAnswers: true })), async (moments) => {
      await using world = await begin();
      await lives(world, moments);
      expectDeclared(world);
    }),
    runs(8),
  );
});
