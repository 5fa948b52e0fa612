/** When the Jobs of a CronJob come: in the zone that it names, over changes of its clocks, and after times that were missed. */
import { expect, test } from 'vitest';
import { CronJob } from '#api/batch/v1/cron-job.ts';
import { Job } from '#api/batch/v1/job.ts';
import { Event } from '#api/core/v1/event.ts';
import type { CronJob as CronJobObject } from '#api/generated/schema.ts';
import { startCluster, type TestCluster } from '#testing/cluster.ts';
import { cronJobController } from './cron-job.ts';

const MINUTE_MS = 60_000;
const jobTemplate = {
  spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'work:1' }] } } },
};

/** At half a minute past midnight of the first day of 2026. */
async function started(spec: object): Promise<TestCluster> {
  const cluster = await startCluster({ controllers: [cronJobController] });
  await cluster.passes('30s');
  await cluster.create(CronJob, {
    metadata: { name: 'tick', namespace: 'default' },
    spec: { concurrencyPolicy: 'Allow', jobTemplate, ...spec } as never,
  });
  await cluster.settles();
  return cluster;
}
const scheduledAt = ({ metadata }: Job) => metadata.annotations?.['batch.kubernetes.io/cronjob-scheduled-timestamp'];
const jobs = (cluster: TestCluster) => cluster.list(Job).map(scheduledAt).sort();
const told = (cluster: TestCluster) =>
  cluster
    .list(Event)
    .filter(({ reason }) => reason !== 'SuccessfulCreate')
    .map(({ type, reason, message }) => `${type} ${reason}: ${message}`);
const patch = (cluster: TestCluster, spec: Partial<CronJobObject['spec']> | object) =>
  cluster.patch(CronJob, 'default/tick', { spec });

test.each([
  ['Asia/Kathmandu', '0 6,7 * * *', ['2026-01-01T06:00:00+05:45', '2026-01-01T07:00:00+05:45']],
  ['America/New_York', '15 20 31 12 *', ['2025-12-31T20:15:00-05:00']],
  [undefined, '0 1 * * *', ['2026-01-01T01:00:00Z']],
])('in %s %j makes a Job at each of its times, called after the minute', async (timeZone, schedule, expected) => {
  await using cluster = await started({ schedule, ...(timeZone && { timeZone }) });
  await cluster.passes('2h');
  expect(jobs(cluster)).toEqual(expected);
  for (const job of cluster.list(Job))
    expect(job.metadata.name).toBe(`tick-${Date.parse(scheduledAt(job) ?? '') / MINUTE_MS}`);
});

test('in another zone its times are others, and none that have passed', async () => {
  await using cluster = await started({ schedule: '0 6 * * *' });
  await cluster.passes('30m');
  await patch(cluster, { timeZone: 'Asia/Kathmandu' }); // where it was six o'clock a quarter past midnight
  await cluster.passes('5h');
  expect(jobs(cluster)).toEqual([]);
  await patch(cluster, { timeZone: null });
  await cluster.passes('1h');
  expect(jobs(cluster)).toEqual(['2026-01-01T06:00:00Z']);
});

const TOO_MANY =
  'Warning TooManyMissedTimes: too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew';
test.each([
  [100, []],
  [101, [TOO_MANY]],
])('after %i missed times the last one counts, and it is told: %j', async (missed, expected) => {
  await using cluster = await started({ schedule: '* * * * *', suspend: true });
  await cluster.passes(missed * MINUTE_MS);
  await patch(cluster, { suspend: false });
  await cluster.settles();
  expect(jobs(cluster)).toEqual([new Date(cluster.clock.now() - 30_000).toISOString().replace('.000Z', 'Z')]);
  expect(told(cluster)).toEqual(expected);
});

test.each([
  [100, ['2026-01-01T00:01:00Z']],
  [80, []],
])(
  'a controller that comes 90 seconds late, with a deadline of %i, makes %j',
  async (startingDeadlineSeconds, made) => {
    await using cluster = await started({ schedule: '1 0 * * *', startingDeadlineSeconds });
    cluster.stop('cronjob-controller');
    await cluster.passes('2m');
    cluster.start('cronjob-controller');
    await cluster.settles();
    expect([jobs(cluster), told(cluster)]).toEqual([made, []]);
  },
);

test('what the server says of a Job that cannot be made is told, and the Job comes when it can', async () => {
  await using cluster = await started({ schedule: '1 * * * *' });
  cluster.faults.fail(
    { verb: 'create', resource: 'jobs.batch', times: 1 },
    { reason: 'Forbidden', message: 'not now' },
  );
  await cluster.passes('1m');
  expect(told(cluster)).toEqual(['Warning FailedCreate: Error creating job: not now']);
  expect(jobs(cluster)).toEqual(['2026-01-01T00:01:00Z']);
});

test('a Job that goes missing while it runs is told, and no longer listed', async () => {
  await using cluster = await started({ schedule: '1 * * * *' });
  await cluster.passes('1m');
  const [job] = cluster.list(Job);
  await cluster.delete(Job, job!.metadata, { propagationPolicy: 'Background' });
  await cluster.passes('1s');
  expect(cluster.get(CronJob, 'default/tick')?.status?.active).toBeUndefined();
  expect(told(cluster)).toEqual([`Normal MissingJob: Active job went missing: ${job?.metadata.name}`]);
});
