import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Deployment } from '#api/apps/v1/deployment.ts';
import { HorizontalPodAutoscaler } from '#api/autoscaling/v2/horizontal-pod-autoscaler.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isActive } from '#api/core/v1/pod-conditions.ts';
import type { HorizontalPodAutoscalerBehavior, Submitted } from '#api/generated/schema.ts';
import { deploymentController } from '#control-plane/controllers/deployment/deployment.ts';
import { horizontalPodAutoscalerController } from '#control-plane/controllers/horizontal-pod-autoscaler/horizontal-pod-autoscaler.ts';
import type { MetricsSource } from '#control-plane/controllers/horizontal-pod-autoscaler/metrics-source.ts';
import { NoProposal } from '#control-plane/controllers/horizontal-pod-autoscaler/no-proposal.ts';
import { type Scales, scalesOver } from '#control-plane/controllers/horizontal-pod-autoscaler/scales.ts';
import { replicaSetController } from '#control-plane/controllers/replica-set.ts';
import { deployment, type TestCluster } from '#testing/cluster.ts';
import { podsThatRun } from '#testing/pods-that-run.ts';
import { history, namedLike, runs, type Trouble, troubles, World } from './history.ts';

const WINDOW_MS = 300_000;
/** How often it looks; between a decision and its write the time may go on by that. */
const PERIOD_MS = 15_000;
/** Each pod asks for 100 thousandths of a core, and should use 50 of them. */
const TARGET = 50;

type Step =
  | { act: 'load'; milli: number; ms: number }
  | { act: 'metrics fail' | 'metrics are there' | 'some pods say nothing' }
  | { act: 'bounds'; min: number; more: number }
  | { act: 'by hand'; replicas: number }
  | { act: 'pod goes'; n: number }
  | { act: 'scale is refused'; times: number };

/** So large, and so long. */
const load: fc.Arbitrary<Step> = fc.record({
  act: fc.constant('load' as const),
  milli: fc.constantFrom(0, 100, 150, 240, 400, 700),
  ms: fc.constantFrom(15_000, 45_000, 90_000, 200_000),
});
const mishaps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ act: fc.constantFrom('metrics fail' as const, 'some pods say nothing' as const) }),
  fc.record({ act: fc.constant('metrics are there' as const) }),
  fc.record({ act: fc.constant('pod goes' as const), n: fc.nat() }),
);
/** What is asked for is done late, if at all. */
const meddling: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ act: fc.constant('scale is refused' as const), times: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ act: fc.constant('bounds' as const), min: fc.integer({ min: 1, max: 4 }), more: fc.nat(8) }),
  fc.record({ act: fc.constant('by hand' as const), replicas: fc.nat(15) }),
);

const containers = [{ name: 'main', image: 'example/main:1', resources: { requests: { cpu: '100m' } } }];

interface Rescale {
  from: number;
  to: number;
  atMs: number;
}

/** What the autoscaler sees, and what it did. */
class Surroundings {
  totalMilli = 200;
  metrics: 'all' | 'some' | 'none' = 'all';
  readonly rescales: Rescale[] = [];
  /** Set once there is a cluster. */
  cluster: TestCluster | undefined;

  controller = () =>
    horizontalPodAutoscalerController({ metrics: this.#source(), scales: { find: (...of) => this.#find(...of) } });

  /** The load is shared by those that run. */
  #source(): MetricsSource {
    const none = () => Promise.reject(new NoProposal('out of order'));
    return {
      ofResource: async () => {
        if (this.metrics === 'none') throw new NoProposal('out of order');
        const running = this.cluster!.list(Pod).filter(isActive);
        const value = Math.round(this.totalMilli / Math.max(1, running.length));
        const timestampMs = this.cluster!.clock.now();
        const saying = running.filter((_, index) => this.metrics === 'all' || index % 3 > 0);
        if (saying.length === 0) throw new NoProposal('no metrics returned from resource metrics API');
        return new Map(saying.map(({ metadata }) => [metadata.name, { value, timestampMs, windowMs: 0 }]));
      },
      ofPods: none,
      ofObject: none,
      external: none,
    };
  }

  async #find(...[ref, namespace]: Parameters<Scales['find']>): ReturnType<Scales['find']> {
    const admin = { name: 'admin', groups: ['system:masters'] };
    const { clock, kinds } = this.cluster!;
    const target = await scalesOver(this.cluster!.transportFor(admin), kinds).find(ref, namespace);
    const from = target.scale.spec.replicas ?? 0;
    return {
      scale: target.scale,
      resize: async (to) => {
        await target.resize(to);
        this.rescales.push({ from, to, atMs: clock.now() });
      },
    };
  }
}

const acting =
  (world: World, around: Surroundings) =>
  async (step: Step): Promise<unknown> => {
    const { cluster } = world;
    switch (step.act) {
      case 'load':
        around.totalMilli = step.milli;
        return world.goesOn(step.ms, PERIOD_MS);
      case 'metrics fail':
      case 'metrics are there':
      case 'some pods say nothing':
        around.metrics =
          ({ 'metrics fail': 'none', 'metrics are there': 'all' } as const)[step.act as 'metrics fail'] ?? 'some';
        return undefined;
      case 'bounds':
        return cluster.patch(HorizontalPodAutoscaler, 'default/web', {
          spec: { minReplicas: step.min, maxReplicas: step.min + step.more },
        });
      case 'by hand':
        return cluster.patch(Deployment, 'default/web', { spec: { replicas: step.replicas } });
      case 'pod goes': {
        const each = await world.nthPod(step.n);
        return each && cluster.delete(Pod, namedLike(each));
      }
      case 'scale is refused':
        cluster.faults.fail({ verb: 'update', resource: 'deployments.apps/scale', times: step.times });
        return undefined;
    }
  };

async function begin(around: Surroundings, behavior?: Submitted<HorizontalPodAutoscalerBehavior>): Promise<World> {
  const world = await World.begin({
    shaky: [around.controller()],
    steady: [deploymentController, replicaSetController, podsThatRun()],
  });
  const { cluster } = world;
  around.cluster = cluster;
  const template = { metadata: { labels: { app: 'web' } }, spec: { containers } };
  await cluster.create(Deployment, deployment('web', { replicas: 4, template }));
  await cluster.passes(WINDOW_MS);
  await cluster.create(HorizontalPodAutoscaler, {
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
      minReplicas: 2,
      maxReplicas: 12,
      metrics: [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: TARGET } } },
      ],
      ...(behavior && { behavior }),
    },
  });
  return world;
}

/** All metrics are there, nothing changes any more: it ends where the algorithm has nothing more to ask for, and stays there. */
async function expectDeclared(world: World, around: Surroundings): Promise<void> {
  const { cluster } = world;
  around.metrics = 'all';
  await world.comesToRest(6 * WINDOW_MS);
  const { spec, status } = cluster.get(HorizontalPodAutoscaler, 'default/web')!;
  const { replicas } = cluster.get(Deployment, 'default/web')!.spec;
  const said = Object.fromEntries(
    (status?.conditions ?? []).map(({ type, status: is, reason }) => [type, `${is} ${reason}`]),
  );
  if (replicas === 0) {
    expect(said['ScalingActive']).toBe('False ScalingDisabled');
    return;
  }
  const utilization = Math.round(around.totalMilli / replicas);
  const ratio = utilization / TARGET;
  const wanted = ratio >= 0.9 && ratio <= 1.1 ? replicas : Math.ceil(replicas * ratio);
  expect(replicas).toBe(Math.min(Math.max(wanted, spec.minReplicas ?? 1), spec.maxReplicas));
  expect(status).toMatchObject({ currentReplicas: replicas, desiredReplicas: replicas });
  expect(said).toMatchObject({ ScalingActive: 'True ValidMetricFound' });
  expect(said['AbleToScale']).toMatch(/^True /);
  const before = around.rescales.length;
  await cluster.passes(2 * WINDOW_MS);
  expect(around.rescales.slice(before)).toEqual([]);
}

test('whatever befalls it, an autoscaler ends at the size that its metric asks for, within its bounds', async () => {
  await fc.assert(
    fc.asyncProperty(
      history<Step | Trouble>(load, mishaps, meddling, troubles({ lostAnswers: true })),
      async (moments) => {
        const around = new Surroundings();
        await using world = await begin(around);
        await world.lives(moments, acting(world, around));
        await expectDeclared(world, around);
      },
    ),
    runs(8),
  );
});

test('it keeps its bounds and its pace, and takes away no pod that it has added less than five minutes ago', async () => {
  await fc.assert(
    fc.asyncProperty(
      history<Step | Trouble>(load, load, load, mishaps, troubles({ lostAnswers: true })),
      async (moments) => {
        const around = new Surroundings();
        await using world = await begin(around);
        await world.lives(moments, acting(world, around));
        await expectDeclared(world, around);
        for (const { from, to, atMs } of around.rescales) {
          expect(to).toBeGreaterThanOrEqual(2);
          expect(to).toBeLessThanOrEqual(Math.min(12, Math.max(2 * from, 4)));
          const lately = around.rescales.filter(
            (other) => other.to > other.from && atMs - other.atMs < WINDOW_MS - PERIOD_MS,
          );
          const added = lately.filter((other) => other.atMs < atMs).map((other) => other.to);
          expect(to).toBeGreaterThanOrEqual(Math.max(2, ...added));
        }
      },
    ),
    runs(8),
  );
});

test('by its own policies it grows by two pods a minute and shrinks by half in five, however its load changes', async () => {
  const behavior: Submitted<HorizontalPodAutoscalerBehavior> = {
    scaleUp: { stabilizationWindowSeconds: 0, policies: [{ type: 'Pods', value: 2, periodSeconds: 60 }] },
    scaleDown: {
      stabilizationWindowSeconds: 60,
      policies: [{ type: 'Percent', value: 50, periodSeconds: WINDOW_MS / 1000 }],
    },
  };
  await fc.assert(
    // A controller that has just come does not know what an earlier one did.
    fc.asyncProperty(history<Step>(load, load, mishaps), async (moments) => {
      const around = new Surroundings();
      await using world = await begin(around, behavior);
      await world.lives<Step>(moments, acting(world, around));
      await expectDeclared(world, around);
      for (const { to, atMs } of around.rescales) {
        const since = (ms: number) => around.rescales.filter((other) => other.atMs > atMs - ms && other.atMs <= atMs);
        const minute = since(60_000);
        expect(to).toBeLessThanOrEqual(Math.max(...minute.map(({ from }) => from)) + 2);
        const window = since(WINDOW_MS);
        expect(to).toBeGreaterThanOrEqual(Math.floor(Math.min(...window.map(({ from }) => from)) / 2));
      }
    }),
    runs(8),
  );
});
