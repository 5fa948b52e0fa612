import { expect, test } from 'vitest';
import { Job } from '#api/batch/v1/job.ts';
import { Event } from '#api/core/v1/event.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { Job as JobObject, Submitted } from '#api/generated/schema.ts';
import { keyOf } from '#api/machinery/object.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import { startCluster, type TestCluster } from '#testing/cluster.ts';
import { countedSteps } from '#testing/counted-steps.ts';
import { podsThatRun } from '#testing/pods-that-run.ts';
import { nodeLifecycle } from '../nodes/node-lifecycle.ts';
import { jobController } from './job.ts';
import { isFinished } from './verdict.ts';

const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'work:1' }] } };
/** Deleted, they take their time. */
const onNode = { template: { spec: { ...template.spec, nodeName: 'node1' } } } as unknown as Submitted<
  JobObject['spec']
>;
const controllers = () => [jobController, podsThatRun()];
const job = (spec: Submitted<JobObject['spec']> = {}) => ({
  metadata: { name: 'work', namespace: 'default' },
  spec: { template, ...spec } as Submitted<JobObject['spec']>,
});
const read = (cluster: TestCluster) => cluster.get(Job, 'default/work')!;
const status = (cluster: TestCluster) => read(cluster).status!;
const conditions = (cluster: TestCluster) =>
  (status(cluster).conditions ?? []).map(({ type, status: is, reason }) => `${type} ${is} ${reason}`);
const running = (cluster: TestCluster) =>
  cluster.list(Pod).filter((pod) => pod.status?.phase === 'Running' && !pod.metadata.deletionTimestamp);

interface End {
  exitCode?: number;
  conditions?: { type: string; status: string }[];
}
async function end(cluster: TestCluster, pod: Pod, { exitCode = 0, conditions: said = [] }: End = {}) {
  const now = timestampOf(cluster.clock.now());
  const terminated = { exitCode, finishedAt: now, startedAt: now };
  await cluster.updateStatus(Pod, {
    ...pod,
    status: {
      ...pod.status,
      phase: exitCode === 0 && said.length === 0 ? 'Succeeded' : 'Failed',
      conditions: [...(pod.status?.conditions ?? []).filter(({ type }) => type !== 'Ready'), ...said],
      containerStatuses: [
        { name: 'main', image: 'work:1', imageID: '', ready: false, restartCount: 0, state: { terminated } },
      ],
    },
  });
  await cluster.settles();
}
const indexesOf = (pods: Pod[]) =>
  pods.map(({ metadata }) => Number(metadata.annotations?.['batch.kubernetes.io/job-completion-index'])).sort();

test('a Job is not looked at for a pod that is given a node, nor for what it says itself', async () => {
  const { controller, steps } = countedSteps(jobController);
  await using cluster = await startCluster({
    controllers: [controller, nodeLifecycle()],
    scheduler: true,
    simulatedNodes: 1,
  });
  await cluster.create(Job, job());
  await cluster.settles();
  expect(cluster.list(Pod)[0]?.spec.nodeName).toBeDefined();
  expect(steps).toHaveLength(2); // it is new, and has a pod
  await cluster.passes('10s');
  expect([steps.length, status(cluster).ready]).toEqual([3, 1]);
  await end(cluster, running(cluster)[0]!);
  expect(conditions(cluster).at(-1)).toBe('Complete True CompletionsReached');
  expect(steps).toHaveLength(5); // the end is written down, and counted when the pod is let go
});

test('what somebody changes of a pod that waits is seen at once: its index, that it is ready', async () => {
  await using cluster = await startCluster({ controllers: [jobController] });
  await cluster.create(Job, job({ completionMode: 'Indexed', completions: 2, parallelism: 2 }));
  await cluster.settles();
  const first = cluster.list(Pod).find((pod) => indexesOf([pod])[0] === 0)!;
  const annotations = { 'batch.kubernetes.io/job-completion-index': '7' };
  await cluster.patch(Pod, keyOf(first), { metadata: { annotations } });
  await cluster.settles();
  expect(indexesOf(cluster.list(Pod))).toEqual([0, 1]);
  const [one] = cluster.list(Pod);
  const conditions = [{ type: 'Ready', status: 'True' as const }];
  await cluster.updateStatus(Pod, { ...one!, status: { phase: 'Pending', conditions } });
  await cluster.settles();
  expect(status(cluster).ready).toBe(1);
});

test('a Job runs its pods, counts each end once, and is complete', async () => {
  await using cluster = await startCluster({ controllers: controllers() });
  await cluster.create(Job, job({ completions: 3, parallelism: 2 }));
  await cluster.settles();
  expect(running(cluster)).toHaveLength(2);
  expect(running(cluster)[0]?.metadata.finalizers).toEqual(['batch.kubernetes.io/job-tracking']);
  expect(status(cluster)).toMatchObject({ active: 2, ready: 2, uncountedTerminatedPods: {} });

  await end(cluster, running(cluster)[0]!);
  expect(status(cluster)).toMatchObject({ active: 2, succeeded: 1 });
  for (const pod of running(cluster)) await end(cluster, pod);

  expect(status(cluster)).toMatchObject({ succeeded: 3, ready: 0, terminating: 0, uncountedTerminatedPods: {} });
  expect(status(cluster).active).toBeUndefined();
  expect(status(cluster).completionTime).toBeDefined();
  expect(conditions(cluster)).toEqual([
    'SuccessCriteriaMet True CompletionsReached',
    'Complete True CompletionsReached',
  ]);
  expect(cluster.list(Pod).every(({ metadata }) => !metadata.finalizers?.length)).toBe(true);
  expect(cluster.list(Event).map(({ reason }) => reason)).toContain('Completed');
});

test('failed pods are replaced after 10 s, then 20 s, until the limit is reached', async () => {
  await using cluster = await startCluster({ controllers: controllers() });
  await cluster.create(Job, job({ backoffLimit: 2 }));
  await cluster.settles();
  for (const waitMs of [10_000, 20_000]) {
    await end(cluster, running(cluster)[0]!, { exitCode: 1 });
    await cluster.passes(waitMs - 1_000);
    expect(running(cluster)).toHaveLength(0);
    await cluster.passes(2_000);
    expect(running(cluster)).toHaveLength(1);
  }
  await end(cluster, running(cluster)[0]!, { exitCode: 1 });
  expect(status(cluster)).toMatchObject({ failed: 3 });
  expect(conditions(cluster)).toEqual(['FailureTarget True BackoffLimitExceeded', 'Failed True BackoffLimitExceeded']);
  const warning = cluster.list(Event).find(({ type }) => type === 'Warning');
  expect(warning?.message).toBe('Job has reached the specified backoff limit');
});

test('an Indexed Job has a pod for each index, with its name, host name and variable', async () => {
  await using cluster = await startCluster({ controllers: controllers() });
  await cluster.create(Job, job({ completionMode: 'Indexed', completions: 5, parallelism: 3 }));
  await cluster.settles();
  expect(indexesOf(running(cluster))).toEqual([0, 1, 2]);
  const second = running(cluster).find(({ metadata }) => metadata.name.startsWith('work-1-'))!;
  expect(second.spec.hostname).toBe('work-1');
  expect(second.spec.containers[0]?.env?.[0]).toMatchObject({ name: 'JOB_COMPLETION_INDEX' });
  await end(cluster, second);
  expect(status(cluster)).toMatchObject({ completedIndexes: '1', succeeded: 1 });
  expect(indexesOf(running(cluster))).toEqual([0, 2, 3]);
  for (let turn = 0; turn < 4; turn++) await end(cluster, running(cluster)[0]!);
  expect(status(cluster)).toMatchObject({ completedIndexes: '0-4', succeeded: 5 });
  expect(conditions(cluster)).toContain('Complete True CompletionsReached');
});

test('with a limit for each index, the others go on when one has failed', async () => {
  await using cluster = await startCluster({ controllers: controllers() });
  const spec = { completionMode: 'Indexed', completions: 2, parallelism: 2, backoffLimitPerIndex: 1 } as const;
  await cluster.create(Job, job(spec));
  await cluster.settles();
  const ofIndex = (index: number) =>
    running(cluster).find(({ metadata }) => metadata.name.startsWith(`work-${index}-`))!;
  await end(cluster, ofIndex(0), { exitCode: 1 });
  await cluster.passes(11_000);
  expect(ofIndex(0).metadata.annotations?.['batch.kubernetes.io/job-index-failure-count']).toBe('1');
  await end(cluster, ofIndex(0), { exitCode: 1 });
  await cluster.passes(60_000);
  expect(status(cluster)).toMatchObject({ failedIndexes: '0', failed: 2, active: 1 });
  await end(cluster, ofIndex(1));
  expect(status(cluster)).toMatchObject({ completedIndexes: '1', succeeded: 1 });
  expect(conditions(cluster)).toEqual(['FailureTarget True FailedIndexes', 'Failed True FailedIndexes']);
});

test('more failed indexes than allowed end the Job at once', async () => {
  await using cluster = await startCluster({ controllers: controllers() });
  await cluster.create(
    Job,
    job({ completionMode: 'Indexed', completions: 4, parallelism: 4, backoffLimitPerIndex: 0, maxFailedIndexes: 1 }),
  );
  await cluster.settles();
  for (const pod of running(cluster).slice(0, 2)) await end(cluster, pod, { exitCode: 1 });
  expect(conditions(cluster)).toEqual([
    'FailureTarget True MaxFailedIndexesExceeded',
    'Failed True MaxFailedIndexesExceeded',
  ]);
  expect(running(cluster)).toHaveLength(0);
});

test('a failure policy fails the Job by an exit code, and ignores a disruption', async () => {
  await using cluster = await startCluster({ controllers: controllers() });
  const rules = [
    { action: 'Ignore' as const, onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
    { action: 'FailJob' as const, onExitCodes: { operator: 'In' as const, values: [42] } },
  ];
  await cluster.create(Job, job({ backoffLimit: 0, parallelism: 1, completions: 2, podFailurePolicy: { rules } }));
  await cluster.settles();
  await end(cluster, running(cluster)[0]!, { conditions: [{ type: 'DisruptionTarget', status: 'True' }] });
  expect(status(cluster).failed).toBeUndefined();
  await cluster.passes(11_000);
  const [second] = running(cluster);
  await end(cluster, second!, { exitCode: 42 });
  expect(conditions(cluster)).toEqual(['FailureTarget True PodFailurePolicy', 'Failed True PodFailurePolicy']);
  expect(status(cluster).conditions?.[0]?.message).toBe(
    `Container main for pod default/${second?.metadata.name} failed with exit code 42 matching FailJob rule at index 1`,
  );
});

test('what is said later of a pod that has failed can fail the Job', async () => {
  await using cluster = await startCluster({ controllers: controllers() });
  const rules = [{ action: 'FailJob' as const, onPodConditions: [{ type: 'example.com/Fatal', status: 'True' }] }];
  await cluster.create(Job, job({ podFailurePolicy: { rules } }));
  await cluster.settles();
  const [first] = running(cluster);
  await end(cluster, first!, { exitCode: 1 });
  expect(status(cluster).failed).toBe(1);
  expect(conditions(cluster)).toEqual([]);
  const failed = cluster.get(Pod, `default/${first!.metadata.name}`)!;
  const said = [{ type: 'example.com/Fatal', status: 'True' }];
  await cluster.updateStatus(Pod, { ...failed, status: { ...failed.status, conditions: said } } as Pod);
  await cluster.passes('1m');
  expect(conditions(cluster)).toEqual(['FailureTarget True PodFailurePolicy', 'Failed True PodFailurePolicy']);
  expect(status(cluster).conditions?.[0]?.message).toBe(
    `Pod default/${first!.metadata.name} has condition example.com/Fatal matching FailJob rule at index 0`,
  );
});

test('FailIndex gives an index up whatever its limit', async () => {
  await using cluster = await startCluster({ controllers: controllers() });
  const rules = [{ action: 'FailIndex' as const, onExitCodes: { operator: 'In' as const, values: [3] } }];
  await cluster.create(
    Job,
    job({
      completionMode: 'Indexed',
      completions: 2,
      parallelism: 1,
      backoffLimitPerIndex: 5,
      podFailurePolicy: { rules },
    }),
  );
  await cluster.settles();
  await end(cluster, running(cluster)[0]!, { exitCode: 3 });
  expect(status(cluster)).toMatchObject({ failedIndexes: '0' });
  expect(indexesOf(running(cluster))).toEqual([1]);
});

test('a success policy is content with some indexes; the other pods end and do not count', async () => {
  await using cluster = await startCluster({ controllers: controllers() });
  const successPolicy = { rules: [{ succeededIndexes: '0,2', succeededCount: 1 }] };
  await cluster.create(Job, job({ completionMode: 'Indexed', completions: 3, parallelism: 3, successPolicy }));
  await cluster.settles();
  await end(cluster, running(cluster).find(({ metadata }) => metadata.name.startsWith('work-2-'))!);
  expect(conditions(cluster)).toEqual(['SuccessCriteriaMet True SuccessPolicy', 'Complete True SuccessPolicy']);
  expect(status(cluster)).toMatchObject({ completedIndexes: '2', succeeded: 1, ready: 0 });
  expect(running(cluster)).toHaveLength(0);
});

test('a suspended Job has no pods and no start; resumed, it starts anew', async () => {
  await using cluster = await startCluster({ controllers: controllers() });
  await cluster.create(Job, job({ suspend: true }));
  await cluster.settles();
  expect(cluster.list(Pod)).toHaveLength(0);
  expect(status(cluster).startTime).toBeUndefined();
  expect(conditions(cluster)).toEqual(['Suspended True JobSuspended']);
  await cluster.patch(Job, 'default/work', { spec: { suspend: false } });
  await cluster.settles();
  expect(running(cluster)).toHaveLength(1);
  expect(conditions(cluster)).toEqual(['Suspended False JobResumed']);
  await cluster.patch(Job, 'default/work', { spec: { suspend: true } });
  await cluster.settles();
  expect(cluster.list(Pod)).toHaveLength(0);
  expect(status(cluster)).toMatchObject({ ready: 0, terminating: 0 });
  expect(status(cluster).failed).toBeUndefined();
  expect(cluster.list(Event).map(({ reason }) => reason)).toEqual(
    expect.arrayContaining(['Suspended', 'Resumed', 'SuccessfulDelete']),
  );
});

test('a deadline ends it', async () => {
  await using cluster = await startCluster({ controllers: controllers() });
  await cluster.create(Job, job({ activeDeadlineSeconds: 30 }));
  await cluster.passes(29_000);
  expect(running(cluster)).toHaveLength(1);
  await cluster.passes(2_000);
  expect(conditions(cluster)).toEqual(['FailureTarget True DeadlineExceeded', 'Failed True DeadlineExceeded']);
});

test.each([false, true])('a deadline ends a Job without any pod, that was suspended: %s', async (suspend) => {
  await using cluster = await startCluster({ controllers: controllers() });
  await cluster.create(Job, job({ parallelism: 0, activeDeadlineSeconds: 30, suspend }));
  await cluster.settles();
  await cluster.patch(Job, 'default/work', { spec: { suspend: false } });
  await cluster.passes(29_000);
  expect(isFinished(cluster.get(Job, 'default/work')!)).toBe(false);
  await cluster.passes(2_000);
  expect(conditions(cluster).slice(-2)).toEqual([
    'FailureTarget True DeadlineExceeded',
    'Failed True DeadlineExceeded',
  ]);
});

test('lower parallelism takes pods away that do not count as failed', async () => {
  await using cluster = await startCluster({ controllers: controllers() });
  await cluster.create(Job, job({ parallelism: 4, completions: 9 }));
  await cluster.settles();
  await cluster.patch(Job, 'default/work', { spec: { parallelism: 1 } });
  await cluster.settles();
  expect(running(cluster)).toHaveLength(1);
  expect(status(cluster)).toMatchObject({ active: 1 });
  expect(status(cluster).failed).toBeUndefined();
});

test('without a number of completions, one success ends it when the other pods have ended', async () => {
  await using cluster = await startCluster({ controllers: controllers() });
  await cluster.create(Job, job({ parallelism: 2 }));
  await cluster.settles();
  await end(cluster, running(cluster)[0]!);
  expect(conditions(cluster)).toEqual([]);
  expect(running(cluster)).toHaveLength(1);
  await end(cluster, running(cluster)[0]!);
  expect(status(cluster)).toMatchObject({ succeeded: 2 });
  expect(conditions(cluster)).toContain('Complete True CompletionsReached');
});

test('after one success without a number of completions, a lower parallelism takes no pods away', async () => {
  await using cluster = await startCluster({ controllers: controllers() });
  await cluster.create(Job, job({ parallelism: 4 }));
  await cluster.settles();
  await end(cluster, running(cluster)[0]!);
  await cluster.patch(Job, 'default/work', { spec: { parallelism: 1 } });
  await cluster.settles();
  expect(running(cluster)).toHaveLength(3);
});

test('its pods go when it is deleted, whether with it or left behind', async () => {
  for (const propagationPolicy of ['Orphan', 'Background'] as const) {
    await using cluster = await startCluster({ controllers: controllers() });
    await cluster.create(Job, job());
    await cluster.settles();
    const [pod] = running(cluster);
    await cluster.client.delete(Job, { name: 'work', namespace: 'default' }, { propagationPolicy });
    await cluster.settles();
    const left = cluster.get(Pod, `default/${pod?.metadata.name}`);
    expect(left?.metadata.finalizers ?? []).toEqual([]);
  }
});

test('a pod that loses all its labels is let go whole: nothing of its Job keeps it from going', async () => {
  await using cluster = await startCluster({ controllers: controllers() });
  await cluster.create(Job, job());
  await cluster.settles();
  const [pod] = running(cluster);
  await cluster.patch(Pod, keyOf(pod!), { metadata: { labels: null } });
  await cluster.settles();
  const { ownerReferences, finalizers } = cluster.get(Pod, keyOf(pod!))?.metadata ?? {};
  expect({ ownerReferences, finalizers }).toEqual({ ownerReferences: undefined, finalizers: undefined });
  expect(status(cluster)).toMatchObject({ active: 1 });
});

test('a Job that somebody else manages is left alone', async () => {
  await using cluster = await startCluster({ controllers: controllers() });
  await cluster.create(Job, job({ managedBy: 'example.com/other' }));
  await cluster.settles();
  expect(cluster.list(Pod)).toHaveLength(0);
});

test('what a success policy leaves over ends uncounted, and the Job waits for it', async () => {
  await using cluster = await startCluster({ controllers: [jobController, podsThatRun({ neverEnd: true })] });
  const successPolicy = { rules: [{ succeededIndexes: '0' }] };
  await cluster.create(
    Job,
    job({ ...onNode, completionMode: 'Indexed', completions: 2, parallelism: 2, successPolicy }),
  );
  await cluster.settles();
  await end(cluster, running(cluster).find(({ metadata }) => metadata.name.startsWith('work-0-'))!);
  expect(status(cluster)).toMatchObject({ succeeded: 1, terminating: 1, ready: 0, uncountedTerminatedPods: {} });
  expect(conditions(cluster)).toEqual(['SuccessCriteriaMet True SuccessPolicy']);
  const [last] = cluster.list(Pod).filter(({ metadata }) => metadata.deletionTimestamp);
  expect(last?.metadata.finalizers ?? []).toEqual([]);
  await cluster.delete(Pod, last!.metadata, { gracePeriodSeconds: 0 });
  await cluster.settles();
  expect(status(cluster).failed).toBeUndefined();
  expect(conditions(cluster)).toEqual(['SuccessCriteriaMet True SuccessPolicy', 'Complete True SuccessPolicy']);
});

test('what a failed Job leaves over counts as failed at once', async () => {
  await using cluster = await startCluster({ controllers: [jobController, podsThatRun({ neverEnd: true })] });
  await cluster.create(Job, job({ ...onNode, parallelism: 2, completions: 2, backoffLimit: 0 }));
  await cluster.settles();
  await end(cluster, running(cluster)[0]!, { exitCode: 1 });
  expect(status(cluster)).toMatchObject({ failed: 2, terminating: 1 });
  expect(conditions(cluster)).toEqual(['FailureTarget True BackoffLimitExceeded']);
});

test('a pod that somebody deletes is a failure, and replaced after a back-off though nothing is left of it', async () => {
  await using cluster = await startCluster({ controllers: controllers() });
  await cluster.create(Job, job());
  await cluster.settles();
  await cluster.delete(Pod, running(cluster)[0]!.metadata);
  await cluster.passes(9_000);
  expect(cluster.list(Pod)).toHaveLength(0);
  expect(status(cluster)).toMatchObject({ failed: 1 });
  await cluster.passes(2_000);
  expect(running(cluster)).toHaveLength(1);
});

test('of an index the failures are handed on, also when its pod was deleted', async () => {
  await using cluster = await startCluster({ controllers: controllers() });
  const spec = { completionMode: 'Indexed', completions: 2, parallelism: 1, backoffLimitPerIndex: 3 } as const;
  await cluster.create(Job, job(spec));
  await cluster.settles();
  await cluster.delete(Pod, running(cluster)[0]!.metadata);
  await cluster.settles();
  // It is held back, not counted yet, and its index keeps its turn.
  expect(cluster.list(Pod)[0]?.metadata.finalizers).toEqual(['batch.kubernetes.io/job-tracking']);
  expect(status(cluster).failed).toBeUndefined();
  await cluster.passes(11_000);
  expect(cluster.list(Pod)).toHaveLength(1);
  expect(running(cluster)[0]?.metadata.annotations).toMatchObject({
    'batch.kubernetes.io/job-completion-index': '0',
    'batch.kubernetes.io/job-index-failure-count': '1',
  });
  expect(status(cluster)).toMatchObject({ failed: 1 });
});

test('a pod that is taken on counts when it ends', async () => {
  await using cluster = await startCluster({ controllers: controllers() });
  await cluster.create(Job, job({ suspend: true, completions: 1 }));
  await cluster.settles();
  const { labels } = read(cluster).spec.template.metadata!;
  await cluster.create(Pod, {
    metadata: { name: 'found', namespace: 'default', ...(labels && { labels }) },
    spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'work:1' }] },
  });
  await cluster.patch(Job, 'default/work', { spec: { suspend: false } });
  await cluster.settles();
  const found = cluster.list(Pod).find(({ metadata }) => metadata.finalizers?.length);
  expect(found).toBeDefined();
});

test('more successes than asked for are warned of', async () => {
  await using cluster = await startCluster({ controllers: controllers() });
  await cluster.create(Job, job({ completions: 2, parallelism: 2 }));
  await cluster.settles();
  cluster.stop('job-controller');
  for (const pod of running(cluster)) await end(cluster, pod);
  const [pod] = cluster.list(Pod);
  await cluster.create(Pod, {
    metadata: { ...pod!.metadata, name: 'third', uid: undefined, resourceVersion: undefined } as never,
    spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'work:1' }] },
  });
  await cluster.settles();
  await end(cluster, cluster.get(Pod, 'default/third')!);
  await cluster.passes(1_000);
  cluster.start('job-controller');
  await cluster.settles();
  expect(status(cluster)).toMatchObject({ succeeded: 3 });
  const events = cluster.list(Event).map(({ reason, message }) => `${reason}: ${message}`);
  expect(events).toContain('TooManySucceededPods: Too many succeeded pods running after completion count reached');
});

test('the cause of a failed Job is the first of the pod’s own conditions that a rule names', async () => {
  await using cluster = await startCluster({ controllers: controllers() });
  const named = ['DisruptionTarget', 'Broken'].map((type) => ({ type, status: 'True' }));
  const rules = [{ action: 'FailJob' as const, onPodConditions: named }];
  await cluster.create(Job, job({ podFailurePolicy: { rules } }));
  await cluster.settles();
  const [pod] = running(cluster);
  await end(cluster, pod!, { conditions: [...named].reverse() });
  expect(status(cluster).conditions?.[0]?.message).toBe(
    `Pod default/${pod?.metadata.name} has condition Broken matching FailJob rule at index 0`,
  );
});

test.each([
  ['TerminatingOrFailed', 1],
  ['Failed', 0],
] as const)('by the policy %s a pod that goes is replaced at once, or when it has ended', async (policy, meanwhile) => {
  await using cluster = await startCluster({ controllers: [jobController, podsThatRun({ neverEnd: true })] });
  await cluster.create(Job, job({ ...onNode, podReplacementPolicy: policy }));
  await cluster.settles();
  const [first] = running(cluster);
  await cluster.delete(Pod, first!.metadata);
  await cluster.passes(11_000);
  expect(status(cluster)).toMatchObject({ terminating: 1 });
  expect(running(cluster)).toHaveLength(meanwhile);
  if (policy === 'TerminatingOrFailed') return;
  expect(status(cluster).failed).toBeUndefined();
  await end(cluster, cluster.get(Pod, `default/${first?.metadata.name}`)!, { exitCode: 143 });
  await cluster.delete(Pod, first!.metadata, { gracePeriodSeconds: 0 });
  await cluster.passes(11_000);
  expect(status(cluster)).toMatchObject({ failed: 1 });
  expect(running(cluster)).toHaveLength(1);
});

test('a pod that has lost its owner is taken on again, and counts when it ends', async () => {
  await using cluster = await startCluster({ controllers: controllers() });
  await cluster.create(Job, job());
  await cluster.settles();
  const [pod] = running(cluster);
  await cluster.patch(Pod, pod!.metadata, { metadata: { ownerReferences: null } });
  await cluster.settles();
  expect(running(cluster).map(({ metadata }) => metadata.finalizers)).toEqual([['batch.kubernetes.io/job-tracking']]);
  await end(cluster, running(cluster)[0]!);
  expect(status(cluster)).toMatchObject({ succeeded: 1, uncountedTerminatedPods: {} });
});
