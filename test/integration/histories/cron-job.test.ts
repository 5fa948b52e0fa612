import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CronJob } from '#api/batch/v1/cron-job.ts';
import { Job } from '#api/batch/v1/job.ts';
import { millisOf, timestampOf } from '#api/machinery/timestamp.ts';
import { cronJobController } from '#control-plane/controllers/job/cron-job.ts';
import { isFinished } from '#control-plane/controllers/job/verdict.ts';
import { history, namedLike, runs, type Trouble, troubles, World } from './history.ts';

const EVERY_MS = 300_000;

type Step =
  | { act: 'time passes'; ms: number }
  | { act: 'a Job ends'; n: number; how: 'Complete' | 'Failed' }
  | { act: 'a Job is deleted'; n: number }
  | { act: 'suspend' | 'resume' }
  | { act: 'policy'; policy: 'Allow' | 'Forbid' | 'Replace' };

const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ act: fc.constant('time passes' as const), ms: fc.constantFrom(30_000, 300_000, 700_000) }),
  fc.record({
    act: fc.constant('a Job ends' as const),
    n: fc.nat(),
    how: fc.constantFrom('Complete' as const, 'Failed' as const),
  }),
  fc.record({ act: fc.constant('a Job is deleted' as const), n: fc.nat() }),
  fc.record({ act: fc.constantFrom('suspend' as const, 'resume' as const) }),
  fc.record({
    act: fc.constant('policy' as const),
    policy: fc.constantFrom('Allow' as const, 'Forbid' as const, 'Replace' as const),
  }),
);

async function ends({ cluster }: World, job: Job | undefined, how: 'Complete' | 'Failed'): Promise<unknown> {
  if (!job || isFinished(job)) return undefined;
  const now = timestampOf(cluster.clock.now());
  const said = { status: 'True', lastTransitionTime: now, lastProbeTime: now, reason: 'Test', message: '' };
  const first = how === 'Complete' ? 'SuccessCriteriaMet' : 'FailureTarget';
  const conditions = [first, how].map((type) => ({ type, ...said }));
  const completion = how === 'Complete' ? { completionTime: now, succeeded: 1 } : {};
  const status = { startTime: now, ...completion, conditions, uncountedTerminatedPods: {} };
  return cluster.patch(Job, { ...namedLike(job), subresource: 'status' }, { status });
}

const acting =
  (world: World, deleted: Set<string>) =>
  async (step: Step): Promise<unknown> => {
    const { cluster } = world;
    const nth = async (n: number) => {
      const { items } = await cluster.client.list(Job, { namespace: 'default' });
      return items[n % items.length];
    };
    switch (step.act) {
      case 'time passes':
        cluster.clock.jump(step.ms);
        return undefined;
      case 'a Job ends':
        return ends(world, await nth(step.n), step.how);
      case 'a Job is deleted': {
        const job = await nth(step.n);
        if (job) deleted.add(job.metadata.name);
        return job && cluster.delete(Job, namedLike(job), { propagationPolicy: 'Background' });
      }
      case 'suspend':
      case 'resume':
        return cluster.patch(CronJob, 'default/report', { spec: { suspend: step.act === 'suspend' } });
      case 'policy':
        return cluster.patch(CronJob, 'default/report', { spec: { concurrencyPolicy: step.policy } });
    }
  };

test('a CronJob makes one Job at a time of its schedule, never two, lists those that run, and keeps as many as it is told', async () => {
  await fc.assert(
    fc.asyncProperty(history<Step | Trouble>(steps, steps, troubles({ lostAnswers: true })), async (moments) => {
      await using world = await World.begin({ shaky: [cronJobController] });
      const { cluster } = world;
      const seen = world.follow(Job);
      await cluster.create(CronJob, {
        metadata: { name: 'report', namespace: 'default' },
        spec: {
          schedule: '*/5 * * * *',
          successfulJobsHistoryLimit: 2,
          failedJobsHistoryLimit: 1,
          jobTemplate: {
            spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'a', image: 'example/a:1' }] } } },
          },
        },
      });
      const deleted = new Set<string>();
      await world.lives(moments, acting(world, deleted));
      await cluster.patch(CronJob, 'default/report', { spec: { suspend: false, concurrencyPolicy: 'Allow' } });
      await world.comesToRest(2 * EVERY_MS);
      const made = seen.filter(({ type }) => type === 'ADDED').map(({ object }) => object.metadata.name);
      // One that a user took away before it was noted comes again.
      const kept = made.filter((name) => !deleted.has(name));
      expect(kept.length).toBe(new Set(kept).size);
      const { status } = cluster.get(CronJob, 'default/report')!;
      const last = Math.floor((cluster.clock.now() - 1_000) / EVERY_MS) * EVERY_MS;
      expect(millisOf(status?.lastScheduleTime)).toBe(last);
      const running = cluster.list(Job).filter((job) => !isFinished(job) && !job.metadata.deletionTimestamp);
      const uids = running.map(({ metadata }) => metadata.uid);
      expect((status?.active ?? []).map(({ uid }) => uid).sort()).toEqual(uids.sort());
      const finished = (type: string) =>
        cluster.list(Job).filter((job) => job.status?.conditions?.some((each) => each.type === type));
      expect(finished('Complete').length).toBeLessThanOrEqual(2);
      expect(finished('Failed').length).toBeLessThanOrEqual(1);
    }),
    runs(12),
  );
});
