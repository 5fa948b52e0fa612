/** Jobs and CronJobs with real pods. All at once: schedules are told in minutes. */
import { describe, expect, test } from 'vitest';
import type { CronJob } from '#api/batch/v1/cron-job.ts';
import type { Job } from '#api/batch/v1/job.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import type { JobSpec, Submitted } from '#api/generated/schema.ts';
import { eventually } from '../running-cluster.ts';
import { object, playground, shell } from './playground.ts';

const LONG_MS = 200_000;

describe.concurrent('jobs', () => {
  const ground = playground('batch', async () => undefined);
  const path = (name: string) => ground().path('Job', 'batch/v1', name);
  const read = (name: string) => ground().api.get<Job>(path(name));
  const podsOf = (name: string) => ground().pods(`batch.kubernetes.io/job-name=${name}`);
  const template = (script: string, spec: object = {}, labels: Record<string, string> = {}) => ({
    metadata: { labels },
    spec: { restartPolicy: 'Never' as const, terminationGracePeriodSeconds: 1, containers: [shell(script)], ...spec },
  });
  const make = (name: string, spec: Submitted<JobSpec>, parts: object = {}) =>
    ground().create(object('Job', name, { spec, ...parts }, 'batch/v1'));
  const ended = (name: string, type: 'Complete' | 'Failed') =>
    eventually(
      `${name} is ${type}`,
      async () => {
        const job = await read(name);
        return job.status?.conditions?.some((each) => each.type === type && each.status === 'True') && job;
      },
      LONG_MS,
    );
  const condition = (job: Job, type: string) => job.status?.conditions?.find((each) => each.type === type);
  const indexesOf = (pods: Pod[], phase: string) =>
    pods
      .filter(({ status }) => status?.phase === phase)
      .map(({ metadata }) => Number(metadata.annotations?.['batch.kubernetes.io/job-completion-index']))
      .sort();

  test('Job should run a job to completion when tasks sometimes fail and are locally restarted', async () => {
    const script = 'if [ -e /data/tried ]; then exit 0; fi; touch /data/tried; exit 1';
    const spec = {
      restartPolicy: 'OnFailure',
      containers: [shell(script, { volumeMounts: [{ name: 'data', mountPath: '/data' }] })],
      volumes: [{ name: 'data', emptyDir: {} }],
    };
    await make('local-restart', { completions: 4, parallelism: 2, template: template('', spec) });
    const job = await ended('local-restart', 'Complete');
    expect(job.status).toMatchObject({ succeeded: 4, ready: 0, terminating: 0 });
    const pods = await podsOf('local-restart');
    expect(pods.filter(({ status }) => status?.phase === 'Succeeded')).toHaveLength(4);
    expect(pods.every(({ status }) => (status?.containerStatuses?.[0]?.restartCount ?? 0) >= 1)).toBe(true);
  });

  test('Job should create pods for an Indexed job with completion indexes and specified hostname', async () => {
    const script = 'echo $JOB_COMPLETION_INDEX $(hostname)';
    await make('indexed', { completionMode: 'Indexed', completions: 4, parallelism: 2, template: template(script) });
    const job = await ended('indexed', 'Complete');
    expect(job.status?.completedIndexes).toBe('0-3');
    const pods = await podsOf('indexed');
    expect(indexesOf(pods, 'Succeeded')).toEqual([0, 1, 2, 3]);
    const said = await Promise.all(pods.map(({ metadata }) => ground().log(metadata.name)));
    expect(said.map((line) => line.trim()).sort()).toEqual([0, 1, 2, 3].map((index) => `${index} indexed-${index}`));
  });

  test('Job should allow to use the pod failure policy on exit code to fail the job early', async () => {
    const rules = [{ action: 'FailJob' as const, onExitCodes: { operator: 'In' as const, values: [1] } }];
    await make('fail-early', { backoffLimit: 6, podFailurePolicy: { rules }, template: template('exit 1') });
    const job = await ended('fail-early', 'Failed');
    expect(condition(job, 'Failed')).toMatchObject({ reason: 'PodFailurePolicy' });
    expect(await podsOf('fail-early')).toHaveLength(1);
  });

  test('Job should allow to use a pod failure policy to ignore failure matching on DisruptionTarget condition', async () => {
    const rules = [{ action: 'Ignore' as const, onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }];
    const spec = { backoffLimit: 0, podFailurePolicy: { rules }, template: template('sleep 600') };
    await make('disrupted', { ...spec, completions: 1, suspend: false });
    const [first] = await eventually('the pod runs', async () => {
      const pods = await podsOf('disrupted');
      return pods[0]?.status?.phase === 'Running' && pods;
    });
    const name = first?.metadata.name ?? '';
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name } };
    await ground().api.post(`${ground().path('Pod', 'v1', name)}/eviction`, eviction);
    await eventually(
      'there is another pod',
      async () => (await podsOf('disrupted')).some(({ metadata }) => metadata.name !== name),
      LONG_MS,
    );
    const { status } = await read('disrupted');
    expect(status?.failed).toBeUndefined();
    expect(status?.conditions).toBeUndefined();
    await ground().api.delete(path('disrupted'), { propagationPolicy: 'Background' });
  });

  const perIndex = { completionMode: 'Indexed', completions: 4, parallelism: 4 } as const;
  const ODD_FAIL = 'exit $((JOB_COMPLETION_INDEX % 2))';

  test('Job should execute all indexes despite some failing when using backoffLimitPerIndex', async () => {
    await make('per-index', { ...perIndex, backoffLimitPerIndex: 1, template: template(ODD_FAIL) });
    const job = await ended('per-index', 'Failed');
    expect(condition(job, 'Failed')).toMatchObject({ reason: 'FailedIndexes', message: 'Job has failed indexes' });
    expect(job.status).toMatchObject({ completedIndexes: '0,2', failedIndexes: '1,3', succeeded: 2, failed: 4 });
  });

  test('Job should terminate job execution when the number of failed indexes exceeds maxFailedIndexes', async () => {
    const script = 'if [ $JOB_COMPLETION_INDEX = 0 ]; then exit 1; fi; sleep 600';
    await make('too-many', { ...perIndex, backoffLimitPerIndex: 0, maxFailedIndexes: 0, template: template(script) });
    const job = await ended('too-many', 'Failed');
    expect(condition(job, 'Failed')).toMatchObject({ reason: 'MaxFailedIndexesExceeded' });
    expect(job.status).toMatchObject({ failedIndexes: expect.stringMatching(/^0/), ready: 0 });
    expect(job.status?.completedIndexes).toBeUndefined();
  });

  test('Job should mark indexes as failed when the FailIndex action is matched in podFailurePolicy', async () => {
    const rules = [{ action: 'FailIndex' as const, onExitCodes: { operator: 'In' as const, values: [1] } }];
    const spec = { ...perIndex, backoffLimitPerIndex: 3, podFailurePolicy: { rules } };
    await make('fail-index', { ...spec, template: template(ODD_FAIL) });
    const job = await ended('fail-index', 'Failed');
    expect(job.status).toMatchObject({ completedIndexes: '0,2', failedIndexes: '1,3', failed: 2 });
  });

  const only = (index: number) => `if [ $JOB_COMPLETION_INDEX = ${index} ]; then exit 0; fi; sleep 600`;
  test('Job with successPolicy should succeeded when all indexes succeeded', async () => {
    const successPolicy = { rules: [{ succeededIndexes: '0-1', succeededCount: 2 }] };
    await make('all-indexes', { ...perIndex, completions: 2, successPolicy, template: template('exit 0') });
    const job = await ended('all-indexes', 'Complete');
    expect(condition(job, 'SuccessCriteriaMet')).toMatchObject({ status: 'True', reason: 'SuccessPolicy' });
    expect(job.status).toMatchObject({ completedIndexes: '0,1', succeeded: 2, ready: 0, terminating: 0 });
  });
  test('Job with successPolicy succeededIndexes rule should succeeded even when some indexes remain pending', async () => {
    const successPolicy = { rules: [{ succeededIndexes: '0' }] };
    await make('one-index', { ...perIndex, completions: 2, successPolicy, template: template(only(0)) });
    expect((await ended('one-index', 'Complete')).status).toMatchObject({
      completedIndexes: '0',
      ready: 0,
      terminating: 0,
    });
  });
  test('Job with successPolicy succeededCount rule should succeeded even when some indexes remain pending', async () => {
    const successPolicy = { rules: [{ succeededCount: 1 }] };
    await make('one-of-them', { ...perIndex, completions: 2, successPolicy, template: template(only(1)) });
    expect((await ended('one-of-them', 'Complete')).status).toMatchObject({
      completedIndexes: '1',
      ready: 0,
      terminating: 0,
    });
  });

  test('Job should delete a job', async () => {
    await make('deleted', { parallelism: 2, completions: 2, template: template('sleep 600') });
    await eventually('its pods are there', async () => (await read('deleted')).status?.active === 2);
    await ground().api.delete(path('deleted'), { propagationPolicy: 'Foreground' });
    await ground().gone(path('deleted'));
    expect(await podsOf('deleted')).toEqual([]);
  });

  test('Job should adopt matching orphans and release non-matching pods', async () => {
    await make('adopting', { parallelism: 2, completions: 2, template: template('sleep 600') });
    const pods = await eventually('its pods are there', async () => {
      const all = await podsOf('adopting');
      return all.length === 2 && all;
    });
    const [pod] = pods;
    const podPath = ground().path('Pod', 'v1', pod?.metadata.name);
    await ground().api.patch(podPath, { metadata: { ownerReferences: null } });
    const owner = async () => (await ground().api.get<Pod>(podPath)).metadata.ownerReferences?.[0]?.name;
    await eventually('it is adopted', async () => (await owner()) === 'adopting');
    const labels = Object.fromEntries(Object.keys(pod?.metadata.labels ?? {}).map((label) => [label, null]));
    await ground().api.patch(podPath, { metadata: { labels } });
    await eventually('it is released', async () => (await owner()) === undefined);
    await ground().api.delete(path('adopting'), { propagationPolicy: 'Background' });
    await ground().api.delete(podPath);
    await ground().gone(podPath); // nothing of the Job holds it
  });

  test('Job should apply changes to a job status', async () => {
    await make('status', { parallelism: 1, completions: 1, template: template('sleep 600') });
    await eventually('it is active', async () => (await read('status')).status?.active === 1);
    const statusPath = `${path('status')}/status`;
    const at = (lastTransitionTime: string) =>
      ({
        type: 'CustomConditionType',
        status: 'True',
        reason: 'E2E',
        message: 'set by a test',
        lastTransitionTime,
      }) as const;
    const before = await read('status');
    const patched = await ground().api.patch<Job>(statusPath, {
      metadata: { annotations: { patched: 'yes' } },
      status: { conditions: [...(before.status?.conditions ?? []), at('2026-01-01T00:00:00Z')] },
    });
    expect(condition(patched, 'CustomConditionType')).toMatchObject(at('2026-01-01T00:00:00Z'));
    expect(patched.metadata.annotations).toMatchObject({ patched: 'yes' });
    /** The controller may write beside us. */
    const put = (changed: (job: Job) => object) =>
      eventually('it is said', async () => {
        const now = await read('status');
        const { code, text } = await ground().api.try('PUT', statusPath, { ...now, status: changed(now) });
        return code === 409 ? undefined : { code, text };
      });
    const updated = await put(({ status }) => ({
      ...status,
      conditions: [
        ...(status?.conditions ?? []).filter(({ type }) => type !== 'CustomConditionType'),
        at('2026-01-02T00:00:00Z'),
      ],
    }));
    expect(updated.code).toBe(200);
    const told = await ground().api.get<Job>(statusPath);
    expect(told.metadata.uid).toBe(before.metadata.uid);
    expect(condition(told, 'CustomConditionType')).toMatchObject(at('2026-01-02T00:00:00Z'));
    const restarted = await put(({ status }) => ({ ...status, startTime: '2026-01-01T00:00:00Z' }));
    expect(restarted.code).toBe(422); // the start of a Job that runs does not change
    expect(restarted.text).toContain('field is immutable for unsuspended job once set');
    await ground().api.delete(path('status'), { propagationPolicy: 'Background' });
  });

  test('Job should manage the lifecycle of a job', async () => {
    const labels = { 'e2e-job': 'cycle' };
    await make(
      'cycle',
      { parallelism: 1, completions: 1, suspend: true, backoffLimit: 6, template: template('exit 0') },
      { metadata: { name: 'cycle', labels } },
    );
    const patched = await ground().api.patch<Job>(
      path('cycle'),
      { metadata: { labels: { patched: 'true' } } },
      'strategic',
    );
    expect(patched.metadata.labels).toEqual({ ...labels, patched: 'true' });
    await eventually('it is resumed', async () => {
      const now = await read('cycle');
      const { code } = await ground().api.try('PUT', path('cycle'), { ...now, spec: { ...now.spec, suspend: false } });
      return code === 200;
    });
    await ended('cycle', 'Complete');
    const everywhere = await ground().api.get<{ items: Job[] }>('/apis/batch/v1/jobs?labelSelector=e2e-job%3Dcycle');
    expect(everywhere.items.map(({ metadata }) => metadata.name)).toEqual(['cycle']);
    await ground().api.delete(`${ground().path('Job', 'batch/v1')}?labelSelector=e2e-job%3Dcycle`, {
      propagationPolicy: 'Foreground',
    });
    await ground().gone(path('cycle'));
  });

  const cronPath = (name: string) => ground().path('CronJob', 'batch/v1', name);
  const cron = (name: string) => ground().api.get<CronJob>(cronPath(name));
  const jobsOf = async (name: string) =>
    (await ground().api.get<{ items: Job[] }>(ground().path('Job', 'batch/v1'))).items.filter(
      ({ metadata }) => metadata.ownerReferences?.[0]?.name === name,
    );
  const makeCron = (name: string, spec: object, script = 'sleep 600') =>
    ground().create(
      object(
        'CronJob',
        name,
        { spec: { schedule: '* * * * *', jobTemplate: { spec: { template: template(script) } }, ...spec } },
        'batch/v1',
      ),
    );
  const removed = (name: string) => ground().api.delete(cronPath(name), { propagationPolicy: 'Background' });

  test('CronJob should schedule multiple jobs concurrently', async () => {
    await makeCron('concurrent', { concurrencyPolicy: 'Allow' });
    await eventually('two are active', async () => (await cron('concurrent')).status?.active?.length === 2, LONG_MS);
    await eventually('both run', async () => {
      const running = (await jobsOf('concurrent')).filter(({ status }) => (status?.active ?? 0) > 0);
      return running.length > 1;
    });
    await removed('concurrent');
  });

  test('CronJob should not schedule jobs when suspended', async () => {
    await makeCron('suspended', { suspend: true });
    await new Promise((done) => setTimeout(done, 65_000)); // a minute has passed for certain
    expect(await jobsOf('suspended')).toEqual([]);
    expect((await cron('suspended')).status?.active).toBeUndefined();
    await removed('suspended');
  });

  test('CronJob should not schedule new jobs when ForbidConcurrent', async () => {
    await makeCron('forbidding', { concurrencyPolicy: 'Forbid' });
    await eventually('one is active', async () => (await cron('forbidding')).status?.active?.length === 1, LONG_MS);
    const told = () =>
      ground().cluster.kubectl(
        '-n',
        ground().namespace,
        'get',
        'events',
        '--field-selector',
        'involvedObject.name=forbidding,reason=JobAlreadyActive',
        '-o',
        'name',
      );
    await eventually('the next one is refused', async () => (await told()) !== '', LONG_MS);
    expect(await jobsOf('forbidding')).toHaveLength(1);
    await removed('forbidding');
  });

  test('CronJob should replace jobs when ReplaceConcurrent', async () => {
    await makeCron('replacing', { concurrencyPolicy: 'Replace' });
    const [first] = await eventually(
      'there is a job',
      async () => {
        const jobs = await jobsOf('replacing');
        return jobs.length === 1 && jobs;
      },
      LONG_MS,
    );
    await eventually(
      'it is another',
      async () => {
        const jobs = (await jobsOf('replacing')).filter(({ metadata }) => !metadata.deletionTimestamp);
        return jobs.length === 1 && jobs[0]?.metadata.uid !== first?.metadata.uid;
      },
      LONG_MS,
    );
    await removed('replacing');
  });
}, 500_000);
