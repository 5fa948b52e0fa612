import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Job } from '#api/batch/v1/job.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isActive } from '#api/core/v1/pod-conditions.ts';
import { jobController } from '#control-plane/controllers/job/job.ts';
import { indexOf, isTracked } from '#control-plane/controllers/job/job-pods.ts';
import { conditionOf, isFinished } from '#control-plane/controllers/job/verdict.ts';
import { history, type Moment, namedLike, refused, runs, type Seen, type Trouble, troubles, World } from './history.ts';
import { kubelets } from './pods-that-end.ts';

const COMPLETIONS = 5;
const PARALLELISM = 3;

type Ending = { act: 'succeeds' | 'fails' | 'is deleted' | 'is deleted, ended'; n: number };
type Change =
  | { act: 'suspend' | 'resume' | 'delete the job' }
  | { act: 'parallelism'; parallelism: number }
  | { act: 'let a pod go'; n: number };

const endings = fc.record({
  act: fc.constantFrom('succeeds' as const, 'fails' as const, 'is deleted' as const, 'is deleted, ended' as const),
  n: fc.nat(),
});
const changes = fc.oneof(
  fc.record({ act: fc.constantFrom('suspend' as const, 'resume' as const) }),
  fc.record({ act: fc.constant('parallelism' as const), parallelism: fc.nat(4) }),
  fc.record({ act: fc.constant('let a pod go' as const), n: fc.nat() }),
);

const work = (spec: object) => ({
  metadata: { name: 'work', namespace: 'default' },
  spec: {
    completions: COMPLETIONS,
    parallelism: PARALLELISM,
    backoffLimit: 1_000,
    template: { spec: { restartPolicy: 'Never' as const, containers: [{ name: 'main', image: 'example/main:1' }] } },
    ...spec,
  },
});

const begin = () => World.begin({ shaky: [jobController], steady: kubelets() });

const acting =
  (world: World) =>
  async (step: Ending | Change): Promise<unknown> => {
    const { cluster } = world;
    switch (step.act) {
      case 'succeeds':
        return world.podEnds(await world.nthPod(step.n, isActive), 'Succeeded');
      case 'fails':
        return world.podEnds(await world.nthPod(step.n, isActive), 'Failed');
      case 'is deleted':
      case 'is deleted, ended': {
        const pod = await world.nthPod(step.n, (each) => isActive(each) === (step.act === 'is deleted'));
        return pod && cluster.delete(Pod, namedLike(pod));
      }
      case 'let a pod go': {
        const pod = await world.nthPod(step.n);
        return (
          pod &&
          cluster.patch(Pod, namedLike(pod), {
            metadata: { labels: { 'batch.kubernetes.io/controller-uid': 'other' } },
          })
        );
      }
      case 'suspend':
      case 'resume':
        return cluster.patch(Job, 'default/work', { spec: { suspend: step.act === 'suspend' } });
      case 'parallelism':
        return cluster.patch(Job, 'default/work', { spec: { parallelism: step.parallelism } });
      case 'delete the job':
        return cluster.delete(Job, 'default/work', { propagationPolicy: 'Background' });
    }
  };

/** Every pod does its work from now on, until all is done. */
async function isDone(world: World): Promise<void> {
  const { cluster } = world;
  await world.comesToRest(700_000);
  for (let round = 0; round < 2 * COMPLETIONS + 5; round++) {
    const job = cluster.get(Job, 'default/work');
    if (!job || isFinished(job)) break;
    for (const pod of cluster.list(Pod)) if (isActive(pod)) await world.podEnds(pod, 'Succeeded');
    await cluster.passes(700_000); // the longest back-off after failures
  }
}

/** By uid: what each pod that was ever there is an attempt at. */
function attempts(seen: readonly Seen<Pod>[]): number {
  return new Set(seen.map(({ object }) => object.metadata.uid)).size;
}

/** The most that ran at a time, of all and of one index. */
function mostAtATime(seen: readonly Seen<Pod>[], job: Job): { all: number; ofAnIndex: number } {
  const active = new Map<string, number | undefined>();
  const most = { all: 0, ofAnIndex: 0 };
  for (const { type, object: pod } of seen) {
    if (type !== 'DELETED' && isActive(pod)) active.set(pod.metadata.uid, indexOf(pod, job));
    else active.delete(pod.metadata.uid);
    const sameIndex = [...active.values()].filter((index) => index === indexOf(pod, job)).length;
    most.all = Math.max(most.all, active.size);
    most.ofAnIndex = Math.max(most.ofAnIndex, sameIndex);
  }
  return most;
}

for (const [what, spec] of [
  ['a Job', {}],
  ['a Job that waits for pods to end', { podReplacementPolicy: 'Failed' }],
  ['an Indexed Job', { completionMode: 'Indexed' }],
  ['an Indexed Job with a limit for each index', { completionMode: 'Indexed', backoffLimitPerIndex: 1_000 }],
] as const) {
  test(`${what} counts every pod once, and makes none too many, whatever becomes of pods and controller`, async () => {
    await fc.assert(
      fc.asyncProperty(history<Ending | Trouble>(endings, endings, troubles()), async (moments) => {
        await using world = await begin();
        const { cluster } = world;
        const seen = world.follow(Pod);
        await cluster.create(Job, work(spec));
        await world.lives(moments, acting(world));
        await isDone(world);
        const job = cluster.get(Job, 'default/work')!;
        expect(conditionOf(job, 'Complete')).toMatchObject({ status: 'True', reason: 'CompletionsReached' });
        expect(job.status).toMatchObject({ succeeded: COMPLETIONS, ready: 0, terminating: 0 });
        expect(job.status?.active ?? 0).toBe(0);
        expect(attempts(seen)).toBe(COMPLETIONS + (job.status?.failed ?? 0));
        expect(job.status?.uncountedTerminatedPods).toEqual({});
        expect(cluster.list(Pod).filter(isTracked)).toEqual([]);
        const most = mostAtATime(seen, job);
        expect(most.all).toBeLessThanOrEqual(PARALLELISM);
        if ('completionMode' in spec) expect(most.ofAnIndex).toBe(1);
      }),
      runs(6),
    );
  });
}

test('a Job that is suspended, resized, or whose pods are taken away, is done in the end, and lets all its pods go', async () => {
  const kinds = fc.constantFrom({}, { completionMode: 'Indexed' }, { podReplacementPolicy: 'Failed' });
  await fc.assert(
    fc.asyncProperty(
      kinds,
      history<Ending | Change | Trouble>(endings, changes, troubles({ lostAnswers: true })),
      async (spec, moments: readonly Moment<Ending | Change | Trouble>[]) => {
        await using world = await begin();
        const { cluster } = world;
        await cluster.create(Job, work(spec));
        await world.lives(moments, acting(world));
        const resumed = { spec: { suspend: false, parallelism: PARALLELISM } };
        await refused(cluster.patch(Job, 'default/work', resumed));
        await isDone(world);
        const job = cluster.get(Job, 'default/work')!;
        expect(conditionOf(job, 'Complete')?.status).toBe('True');
        expect(job.status?.succeeded).toBe(COMPLETIONS);
        expect(cluster.list(Pod).filter(isTracked)).toEqual([]);
      },
    ),
    runs(8),
  );
});

test('a Job that is deleted at any time leaves no pod that cannot go', async () => {
  const deletion = fc.record({ act: fc.constant('delete the job' as const) });
  await fc.assert(
    fc.asyncProperty(history<Ending | Change | Trouble>(endings, endings, deletion, troubles()), async (moments) => {
      await using world = await begin();
      const { cluster } = world;
      await cluster.create(Job, work({}));
      await world.lives(moments, acting(world));
      await refused(acting(world)({ act: 'delete the job' }));
      await world.comesToRest(120_000);
      expect(cluster.list(Pod).filter(isTracked)).toEqual([]);
    }),
    runs(6),
  );
});
