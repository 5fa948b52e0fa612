import { expect, test } from 'vitest';
import { CronJob } from '#api/batch/v1/cron-job.ts';
import { Job } from '#api/batch/v1/job.ts';
import { Event } from '#api/core/v1/event.ts';
import type { CronJob as CronJobObject, Submitted } from '#api/generated/schema.ts';
import { keyOf } from '#api/machinery/object.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import { startCluster, type TestCluster } from '#testing/cluster.ts';
import { countedSteps } from '#testing/counted-steps.ts';
import { cronJobController } from './cron-job.ts';
import { inZone, rfc1123 } from './times.ts';
import { ttlAfterFinishedController } from './ttl-after-finished.ts';

const MINUTE_MS = 60_000;
const controllers = () => [cronJobController, ttlAfterFinishedController];
const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'work:1' }] } };
const cronJob = (spec: Submitted<CronJobObject['spec']> = {}, jobSpec: object = {}) => ({
  metadata: { name: 'tick', namespace: 'default' },
  spec: {
    schedule: '*/5 * * * *',
    jobTemplate: { metadata: { labels: { made: 'by-tick' } }, spec: { template, ...jobSpec } },
    ...spec,
  } as Submitted<CronJobObject['spec']>,
});
const read = (cluster: TestCluster) => cluster.get(CronJob, 'default/tick')!;
const reasons = (cluster: TestCluster) => cluster.list(Event).map(({ reason }) => reason);

/** Half a minute after a full five minutes. */
async function started(spec: Submitted<CronJobObject['spec']> = {}, jobSpec: object = {}) {
  const cluster = await startCluster({ controllers: controllers() });
  const pastMs = cluster.clock.now() % (5 * MINUTE_MS);
  await cluster.passes(5 * MINUTE_MS - pastMs + 30_000);
  await cluster.create(CronJob, cronJob(spec, jobSpec));
  await cluster.settles();
  return cluster;
}

async function finish(cluster: TestCluster, job: Job, type: 'Complete' | 'Failed' = 'Complete') {
  const now = timestampOf(cluster.clock.now());
  const startTime = job.metadata.creationTimestamp!;
  const coming = type === 'Complete' ? 'SuccessCriteriaMet' : 'FailureTarget';
  await cluster.updateStatus(Job, {
    ...job,
    status: {
      startTime,
      ...(type === 'Complete' && { completionTime: now }),
      conditions: [coming, type].map((each) => ({ type: each, status: 'True', lastTransitionTime: now })),
    },
  });
  await cluster.settles();
}

test('a CronJob is looked at when a time has come and when its Job has ended, and not for what it writes itself', async () => {
  const { controller, steps } = countedSteps(cronJobController);
  await using cluster = await startCluster({ controllers: [controller] });
  await cluster.create(CronJob, cronJob());
  await cluster.settles();
  steps.length = 0;
  await cluster.passes(5 * MINUTE_MS + 1_000);
  expect([steps.length, cluster.list(Job).length, read(cluster).status?.active?.length]).toEqual([1, 1, 1]);
  await finish(cluster, cluster.list(Job)[0]!);
  expect([steps.length, read(cluster).status?.active]).toEqual([2, undefined]);
  await cluster.passes(5 * MINUTE_MS);
  expect([steps.length, cluster.list(Job).length]).toEqual([3, 2]);
});

test('a Job is made at each time of the schedule, called after the minute', async () => {
  await using cluster = await started();
  await cluster.passes(5 * MINUTE_MS);
  const [job] = cluster.list(Job);
  const dueMs = Math.floor(cluster.clock.now() / (5 * MINUTE_MS)) * 5 * MINUTE_MS;
  expect(job?.metadata.name).toBe(`tick-${dueMs / MINUTE_MS}`);
  expect(job?.metadata).toMatchObject({
    labels: { made: 'by-tick' },
    annotations: { 'batch.kubernetes.io/cronjob-scheduled-timestamp': timestampOf(dueMs) },
    ownerReferences: [{ kind: 'CronJob', name: 'tick', controller: true }],
  });
  expect(read(cluster).status).toMatchObject({
    active: [{ kind: 'Job', name: job?.metadata.name, apiVersion: 'batch/v1' }],
    lastScheduleTime: timestampOf(dueMs),
  });
  await cluster.passes(10 * MINUTE_MS);
  expect(cluster.list(Job)).toHaveLength(3);
  expect(read(cluster).status?.active).toHaveLength(3);
});

test('finished Jobs leave the list, and only so many are kept', async () => {
  await using cluster = await started({ successfulJobsHistoryLimit: 2, failedJobsHistoryLimit: 1 });
  for (const type of ['Complete', 'Failed', 'Complete', 'Complete', 'Failed'] as const) {
    await cluster.passes(5 * MINUTE_MS);
    await finish(cluster, cluster.list(Job).find(({ status }) => !status?.conditions)!, type);
  }
  const ends = cluster.list(Job).map(({ status }) => status?.conditions?.at(-1)?.type);
  expect(ends.sort()).toEqual(['Complete', 'Complete', 'Failed']);
  expect(read(cluster).status?.active).toBeUndefined();
  expect(read(cluster).status?.lastSuccessfulTime).toBeDefined();
  expect(reasons(cluster)).toEqual(expect.arrayContaining(['SawCompletedJob', 'SuccessfulDelete', 'SuccessfulCreate']));
});

test('Forbid waits for the Job that runs', async () => {
  await using cluster = await started({ concurrencyPolicy: 'Forbid' });
  await cluster.passes(10 * MINUTE_MS);
  expect(cluster.list(Job)).toHaveLength(1);
  expect(reasons(cluster)).toContain('JobAlreadyActive');
});

test('Replace deletes the Job that runs', async () => {
  await using cluster = await started({ concurrencyPolicy: 'Replace' });
  await cluster.passes(5 * MINUTE_MS);
  const [first] = cluster.list(Job);
  await cluster.passes(5 * MINUTE_MS);
  const [second, ...more] = cluster.list(Job);
  expect(more).toEqual([]);
  expect(second?.metadata.uid).not.toBe(first?.metadata.uid);
  expect(read(cluster).status?.active).toMatchObject([{ uid: second?.metadata.uid }]);
  await cluster.passes(1_000);
  const deleted = cluster.list(Event).find(({ reason }) => reason === 'SuccessfulDelete');
  expect(deleted?.message).toBe(`Deleted job ${first?.metadata.name}`);
});

test('a schedule of a day that never comes makes no Job, and is warned of', async () => {
  await using cluster = await started({ schedule: '59 23 31 2 *' });
  await cluster.passes(1_000);
  expect(cluster.list(Job)).toHaveLength(0);
  const text = 'time difference between two schedules is less than 1 second';
  expect(cluster.list(Event).map(({ reason, message }) => `${reason}: ${message}`)).toEqual([
    `InvalidSchedule: invalid schedule: 59 23 31 2 * : ${text}`,
  ]);
});

test('an old Job that cannot be deleted does not hold up the next one', async () => {
  await using cluster = await started({ successfulJobsHistoryLimit: 0 });
  await cluster.passes(5 * MINUTE_MS);
  cluster.faults.fail({ verb: 'delete', resource: 'jobs.batch' }, { reason: 'Forbidden', message: 'not now' });
  await finish(cluster, cluster.list(Job)[0]!);
  await cluster.passes(5 * MINUTE_MS);
  expect(cluster.list(Job)).toHaveLength(2);
  expect(cluster.list(Event).find(({ reason }) => reason === 'FailedDelete')).toMatchObject({
    type: 'Warning',
    message: 'Deleted job: not now',
  });
});

test('a suspended one makes none, and what was missed meanwhile is made once', async () => {
  await using cluster = await started({ suspend: true });
  await cluster.passes(60 * MINUTE_MS);
  expect(cluster.list(Job)).toHaveLength(0);
  await cluster.patch(CronJob, 'default/tick', { spec: { suspend: false } });
  await cluster.settles();
  expect(cluster.list(Job)).toHaveLength(1);
});

test('what was missed beyond the starting deadline is passed over', async () => {
  await using cluster = await started({ suspend: true, startingDeadlineSeconds: 20 });
  await cluster.passes(7 * MINUTE_MS);
  await cluster.patch(CronJob, 'default/tick', { spec: { suspend: false } });
  await cluster.settles();
  expect(cluster.list(Job)).toHaveLength(0);
});

test('a Job that it has made and forgotten is one that runs, also for the concurrency policy', async () => {
  await using cluster = await started({ concurrencyPolicy: 'Forbid' });
  const { apiVersion, kind, metadata, spec } = read(cluster);
  const owner = { apiVersion, kind, name: metadata.name, uid: metadata.uid, controller: true };
  const made = { name: 'tick-1', namespace: 'default', ownerReferences: [owner] };
  await cluster.create(Job, { metadata: made, spec: spec.jobTemplate.spec as never });
  await cluster.passes(5 * MINUTE_MS);
  expect(cluster.list(Job).map(({ metadata: { name } }) => name)).toEqual(['tick-1']);
  expect(read(cluster).status?.active?.map(({ name }) => name)).toEqual(['tick-1']);
  const said = cluster.list(Event).map(({ reason, message }) => `${reason}: ${message}`);
  expect(said).toEqual([
    'UnexpectedJob: Saw a job that the controller did not create or forgot: tick-1',
    'JobAlreadyActive: Not starting job because prior execution is running and concurrency policy is Forbid',
  ]);
});

test('the Job of a time that is not noted yet is neither replaced nor made twice', async () => {
  await using cluster = await started({ concurrencyPolicy: 'Replace' });
  const lost = cluster.faults.fail({ verb: 'update', resource: 'cronjobs.batch/status', times: 1 });
  await cluster.passes(5 * MINUTE_MS);
  expect(lost.hits).toBe(1);
  const [job, ...more] = cluster.list(Job);
  expect(more).toEqual([]);
  expect(reasons(cluster)).not.toContain('SuccessfulDelete');
  expect(read(cluster).status?.active?.map(({ uid }) => uid)).toEqual([job?.metadata.uid]);
  expect(read(cluster).status?.lastScheduleTime).toBeDefined();
});

test('after a long pause the last time counts, and a warning says that many were missed', async () => {
  await using cluster = await started({ suspend: true, schedule: '* * * * *' });
  await cluster.passes(300 * MINUTE_MS);
  await cluster.patch(CronJob, 'default/tick', { spec: { suspend: false } });
  await cluster.settles();
  const [job, ...more] = cluster.list(Job);
  expect(more).toEqual([]);
  expect(job?.metadata.name).toBe(`tick-${Math.floor(cluster.clock.now() / MINUTE_MS)}`);
  expect(reasons(cluster)).toContain('TooManyMissedTimes');
});

test('a finished Job with a time to live is deleted when it is over', async () => {
  await using cluster = await started({}, { ttlSecondsAfterFinished: 100 });
  await cluster.passes(4.5 * MINUTE_MS + 1_000);
  await finish(cluster, cluster.list(Job)[0]!);
  await cluster.passes(98_000);
  expect(cluster.list(Job)[0]?.metadata.deletionTimestamp).toBeUndefined();
  await cluster.passes(4_000);
  expect(cluster.list(Job)[0]?.metadata.finalizers).toEqual(['foregroundDeletion']);
});

test('a finished Job that gets a time to live only then is deleted when it is over', async () => {
  await using cluster = await started();
  await cluster.passes(4.5 * MINUTE_MS + 1_000);
  const [job] = cluster.list(Job);
  await finish(cluster, job!);
  await cluster.passes(10_000);
  await cluster.patch(Job, keyOf(job!), { spec: { ttlSecondsAfterFinished: 60 } });
  await cluster.passes(48_000);
  expect(cluster.get(Job, keyOf(job!))?.metadata.deletionTimestamp).toBeUndefined();
  await cluster.passes(4_000);
  expect(cluster.get(Job, keyOf(job!))?.metadata.finalizers).toEqual(['foregroundDeletion']);
});

test('times are written as upstream does', () => {
  const ms = Date.parse('2026-07-01T12:00:00Z');
  expect(rfc1123(ms)).toBe('Wed, 01 Jul 2026 12:00:00 +0000');
  expect(inZone(ms)).toBe('2026-07-01T12:00:00Z');
  expect(inZone(ms, 'America/New_York')).toBe('2026-07-01T08:00:00-04:00');
  expect(inZone(ms, 'Asia/Kathmandu')).toBe('2026-07-01T17:45:00+05:45');
});

test('times of a new schedule that have passed before it was one make no Job', async () => {
  await using cluster = await started({ schedule: '0 0 1 1 *' });
  const hour = new Date(cluster.clock.now()).getUTCHours();
  await cluster.patch(CronJob, 'default/tick', { spec: { schedule: `* ${hour} * * *` } });
  await cluster.settles();
  expect(cluster.list(Job)).toEqual([]);
  await cluster.passes(5 * MINUTE_MS);
  await cluster.patch(CronJob, 'default/tick', { spec: { schedule: `*/2 * * * *`, timeZone: 'Etc/UTC' } });
  const before = cluster.list(Job).length;
  await cluster.settles();
  expect([before > 0, cluster.list(Job).length]).toEqual([true, before]);
});
