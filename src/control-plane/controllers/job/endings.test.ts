/** How a Job ends: what is said first, what when its last pod has gone, and in which words. */
import { expect, test } from 'vitest';
import { Job } from '#api/batch/v1/job.ts';
import { Event } from '#api/core/v1/event.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { Job as JobObject, Submitted } from '#api/generated/schema.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import { startCluster, type TestCluster } from '#testing/cluster.ts';
import { podsThatRun } from '#testing/pods-that-run.ts';
import { jobController } from './job.ts';

/** On a node: deleted, they take their time. */
const template = {
  spec: { nodeName: 'node1', restartPolicy: 'Never', containers: [{ name: 'main', image: 'work:1' }] },
};

async function running(spec: Submitted<JobObject['spec']> | object, { neverEnd = false } = {}): Promise<TestCluster> {
  const cluster = await startCluster({ controllers: [jobController, podsThatRun({ neverEnd })] });
  await cluster.create(Job, { metadata: { name: 'work', namespace: 'default' }, spec: { template, ...spec } as never });
  await cluster.settles();
  return cluster;
}
const status = (cluster: TestCluster) => cluster.get(Job, 'default/work')!.status!;
const conditions = (cluster: TestCluster) =>
  (status(cluster).conditions ?? []).map(
    ({ type, status: is, reason, message }) => `${type}=${is} ${reason}: ${message}`,
  );
const told = (cluster: TestCluster) =>
  cluster
    .list(Event)
    .map(({ type, reason, message }) => `${type} ${reason}: ${message}`)
    .filter((text) => !/SuccessfulCreate|SuccessfulDelete/.test(text));
const active = (cluster: TestCluster) =>
  cluster.list(Pod).filter(({ status: of, metadata }) => of?.phase === 'Running' && !metadata.deletionTimestamp);

/** The first pod that runs, or the one of an index. */
async function ends(cluster: TestCluster, exitCode: number, index?: number): Promise<void> {
  const pod = active(cluster).find(
    ({ metadata }) => index === undefined || metadata.name.startsWith(`work-${index}-`),
  )!;
  const terminated = { exitCode, finishedAt: timestampOf(cluster.clock.now()) };
  const containerStatuses = [
    { name: 'main', image: 'work:1', imageID: '', ready: false, restartCount: 0, state: { terminated } },
  ];
  const phase = exitCode === 0 ? 'Succeeded' : 'Failed';
  await cluster.updateStatus(Pod, {
    ...pod,
    status: { ...pod.status, phase, conditions: [], containerStatuses },
  } as Pod);
  await cluster.settles();
}

const indexed = (completions: number) => ({ completionMode: 'Indexed', completions, parallelism: completions });
type Course = (cluster: TestCluster) => Promise<unknown>;

test.each<[string, object, Course, string, string]>([
  [
    'its pods failed too often',
    { backoffLimit: 0 },
    (cluster) => ends(cluster, 1),
    'FailureTarget Failed BackoffLimitExceeded: Job has reached the specified backoff limit',
    'Warning BackoffLimitExceeded: Job has reached the specified backoff limit',
  ],
  [
    'its time is up',
    { activeDeadlineSeconds: 5 },
    (cluster) => cluster.passes('6s'),
    'FailureTarget Failed DeadlineExceeded: Job was active longer than specified deadline',
    'Warning DeadlineExceeded: Job was active longer than specified deadline',
  ],
  [
    'too many indexes failed',
    { ...indexed(3), backoffLimitPerIndex: 0, maxFailedIndexes: 1 },
    async (cluster) => {
      await ends(cluster, 1, 0);
      await ends(cluster, 1, 1);
    },
    'FailureTarget Failed MaxFailedIndexesExceeded: Job has exceeded the specified maximal number of failed indexes',
    'Warning MaxFailedIndexesExceeded: Job has exceeded the specified maximal number of failed indexes',
  ],
  [
    'an index failed for good, and the others have ended',
    { ...indexed(2), backoffLimitPerIndex: 0 },
    async (cluster) => {
      await ends(cluster, 1, 0);
      await ends(cluster, 0, 1);
    },
    'FailureTarget Failed FailedIndexes: Job has failed indexes',
    'Warning FailedIndexes: Job has failed indexes',
  ],
  [
    'as many succeeded as were asked for',
    { completions: 1 },
    (cluster) => ends(cluster, 0),
    'SuccessCriteriaMet Complete CompletionsReached: Reached expected number of succeeded pods',
    'Normal Completed: Job completed',
  ],
  [
    'enough succeeded by its policy',
    { ...indexed(3), successPolicy: { rules: [{ succeededCount: 3 }, { succeededIndexes: '1' }] } },
    (cluster) => ends(cluster, 0, 1),
    'SuccessCriteriaMet Complete SuccessPolicy: Matched rules at index 1',
    'Normal Completed: Job completed',
  ],
])('when %s it says so twice, and once in an Event', async (_what, spec, course, expected, event) => {
  await using cluster = await running(spec);
  await course(cluster);
  const [first, last, ...words] = expected.split(' ');
  expect(conditions(cluster)).toEqual([first, last].map((type) => `${type}=True ${words.join(' ')}`));
  expect(told(cluster)).toEqual([event]);
  expect(cluster.list(Pod).flatMap(({ metadata }) => metadata.finalizers ?? [])).toEqual([]);
});

test('that it has failed is said when the last of its pods has gone, that it will when the first has', async () => {
  await using cluster = await running({ parallelism: 2, completions: 2, backoffLimit: 0 }, { neverEnd: true });
  await ends(cluster, 1);
  expect(conditions(cluster)).toEqual([
    'FailureTarget=True BackoffLimitExceeded: Job has reached the specified backoff limit',
  ]);
  expect(told(cluster)).toEqual([]);
  await cluster.passes('1m');
  expect(status(cluster)).toMatchObject({ terminating: 1, failed: 2 });
  expect(conditions(cluster)).toHaveLength(1);

  const [going] = cluster.list(Pod).filter(({ metadata }) => metadata.deletionTimestamp);
  await cluster.delete(Pod, going!.metadata, { gracePeriodSeconds: 0 });
  await cluster.settles();
  expect(conditions(cluster)[1]).toBe('Failed=True BackoffLimitExceeded: Job has reached the specified backoff limit');
  expect(told(cluster)).toEqual(['Warning BackoffLimitExceeded: Job has reached the specified backoff limit']);
  expect(status(cluster)).toMatchObject({ terminating: 0, failed: 2 });
  expect(status(cluster).completionTime).toBeUndefined();
});

test('a Job that is suspended has no start, and its deadline begins anew when it is resumed', async () => {
  await using cluster = await running({ activeDeadlineSeconds: 60 });
  const first = status(cluster).startTime;
  expect(first).toBeDefined();
  await cluster.passes('40s');
  await cluster.patch(Job, 'default/work', { spec: { suspend: true } });
  await cluster.passes('5m');
  expect(status(cluster).startTime).toBeUndefined();
  expect(conditions(cluster)).toEqual(['Suspended=True JobSuspended: Job suspended']);

  await cluster.patch(Job, 'default/work', { spec: { suspend: false } });
  await cluster.settles();
  expect(status(cluster).startTime).toBe(timestampOf(cluster.clock.now()));
  await cluster.passes('59s');
  expect(conditions(cluster)).toEqual(['Suspended=False JobResumed: Job resumed']);
  await cluster.passes('2s');
  expect(conditions(cluster).map((text) => text.split('=')[0])).toEqual(['Suspended', 'FailureTarget', 'Failed']);
  expect(told(cluster)).toEqual([
    'Normal Suspended: Job suspended',
    'Normal Resumed: Job resumed',
    'Warning DeadlineExceeded: Job was active longer than specified deadline',
  ]);
});

test('what a rule counts is a failure, what one ignores is none and is tried again', async () => {
  const rules = [
    { action: 'Ignore', onExitCodes: { operator: 'In', values: [7] } },
    { action: 'Count', onExitCodes: { operator: 'In', values: [8] } },
    { action: 'FailJob', onExitCodes: { operator: 'NotIn', values: [7, 8] } },
  ];
  await using cluster = await running({ backoffLimit: 1, podFailurePolicy: { rules } });
  const failed: (number | undefined)[] = [];
  for (const exitCode of [7, 8, 7]) {
    await ends(cluster, exitCode);
    await cluster.passes('2m');
    failed.push(status(cluster).failed);
  }
  expect(failed).toEqual([undefined, 1, 1]);
  expect(conditions(cluster)).toEqual([]);
  await ends(cluster, 8);
  expect(conditions(cluster).map((text) => text.split(':')[0])).toEqual([
    'FailureTarget=True BackoffLimitExceeded',
    'Failed=True BackoffLimitExceeded',
  ]);
});
