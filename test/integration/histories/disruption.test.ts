import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isActive, isReady } from '#api/core/v1/pod-conditions.ts';
import { PodDisruptionBudget } from '#api/policy/v1/pod-disruption-budget.ts';
import { disruptionController } from '#control-plane/controllers/disruption/disruption.ts';
import { replicaSetController } from '#control-plane/controllers/replica-set.ts';
import { replicaSet } from '#testing/cluster.ts';
import { history, namedLike, runs, type Seen, type Trouble, troubles, World } from './history.ts';
import { kubelets } from './pods-that-end.ts';

const REPLICAS = 4;

type Step = { act: 'evict'; n: number } | { act: 'budget'; maxUnavailable: number } | { act: 'fail'; n: number };

const evictions = fc.record({ act: fc.constant('evict' as const), n: fc.nat() });
const budgets = fc.record({ act: fc.constant('budget' as const), maxUnavailable: fc.nat(2) });
const failures = fc.record({ act: fc.constant('fail' as const), n: fc.nat() });

const acting =
  (world: World) =>
  async (step: Step): Promise<unknown> => {
    const { cluster } = world;
    if (step.act === 'fail') return world.podEnds(await world.nthPod(step.n, isActive), 'Failed');
    if (step.act === 'budget')
      return cluster.patch(PodDisruptionBudget, 'default/calm', { spec: { maxUnavailable: step.maxUnavailable } });
    const pod = await world.nthPod(step.n, isActive);
    if (!pod) return undefined;
    const { name } = pod.metadata;
    return cluster.client.transport.request({
      method: 'POST',
      path: `/api/v1/namespaces/default/pods/${name}/eviction`,
      object: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: namedLike(pod) },
    });
  };

async function begin(): Promise<World> {
  const world = await World.begin({
    shaky: [disruptionController(), replicaSetController],
    steady: kubelets(),
  });
  await world.cluster.create(ReplicaSet, replicaSet('web', { replicas: REPLICAS }));
  await world.cluster.create(PodDisruptionBudget, {
    metadata: { name: 'calm', namespace: 'default' },
    spec: { selector: { matchLabels: { app: 'web' } }, maxUnavailable: 1 },
  });
  await world.cluster.settles();
  return world;
}

/** The fewest that served at a time. */
function fewestReady(seen: readonly Seen<Pod>[]): number {
  const ready = new Set<string>();
  let fewest = REPLICAS;
  let hasBegun = false;
  for (const { type, object: pod } of seen) {
    if (type !== 'DELETED' && isActive(pod) && isReady(pod)) ready.add(pod.metadata.uid);
    else ready.delete(pod.metadata.uid);
    hasBegun ||= ready.size === REPLICAS;
    if (hasBegun) fewest = Math.min(fewest, ready.size);
  }
  return fewest;
}

test('evictions never take more pods at a time than the budget allows', async () => {
  await fc.assert(
    fc.asyncProperty(history<Step | Trouble>(evictions, troubles()), async (moments) => {
      await using world = await begin();
      const seen = world.follow(Pod);
      await world.lives(moments, acting(world));
      await world.comesToRest(180_000);
      expect(fewestReady(seen)).toBeGreaterThanOrEqual(REPLICAS - 1);
    }),
    runs(12),
  );
});

test('a budget says in the end what may be disrupted, whatever became of pods and controllers', async () => {
  await fc.assert(
    fc.asyncProperty(
      history<Step | Trouble>(evictions, budgets, failures, troubles({ lostAnswers: true })),
      async (moments) => {
        await using world = await begin();
        await world.lives(moments, acting(world));
        await world.comesToRest(300_000);
        const { status, spec, metadata } = world.cluster.get(PodDisruptionBudget, 'default/calm')!;
        const maxUnavailable = Number(spec.maxUnavailable);
        expect(status).toMatchObject({
          observedGeneration: metadata.generation,
          expectedPods: REPLICAS,
          currentHealthy: REPLICAS,
          desiredHealthy: REPLICAS - maxUnavailable,
          disruptionsAllowed: maxUnavailable,
        });
        expect(status?.disruptedPods ?? {}).toEqual({});
      },
    ),
    runs(8),
  );
});
