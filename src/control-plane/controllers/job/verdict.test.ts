import { expect, test } from 'vitest';
import type { Job } from '#api/batch/v1/job.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import type { JobCondition } from '#api/generated/schema.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import { failureMatch } from './policies.ts';
import { tallyOf } from './tally.ts';
import { verdictOn, withCondition } from './verdict.ts';

const job = (spec: object) =>
  ({
    metadata: { name: 'work', namespace: 'default' },
    spec: { backoffLimit: 3, parallelism: 1, template: { spec: { restartPolicy: 'OnFailure' } }, ...spec },
    status: {},
  }) as unknown as Job;
const restarted = (restartCount: number, { phase = 'Running', deletionTimestamp = '' } = {}) =>
  ({
    metadata: { name: 'a', uid: 'a', namespace: 'default', ...(deletionTimestamp && { deletionTimestamp }) },
    spec: {},
    status: { phase, containerStatuses: [{ name: 'main', restartCount }] },
  }) as unknown as Pod;

test.each([
  ['is not reached', 3, restarted(2), undefined],
  ['is reached', 3, restarted(3), 'BackoffLimitExceeded'],
  [
    'is reached by a pod that is going',
    3,
    restarted(3, { deletionTimestamp: '2026-01-01T00:00:00Z' }),
    'BackoffLimitExceeded',
  ],
  ['is not reached by a pod that has ended', 3, restarted(3, { phase: 'Succeeded' }), undefined],
  ['of none is reached with the first restart', 0, restarted(1), 'BackoffLimitExceeded'],
])('the limit of restarts %s', (_what, backoffLimit, pod, reason) => {
  const work = job({ backoffLimit });
  const evidence = { tally: tallyOf(work, [pod]), pods: [pod], active: [], nowMs: 0 };
  expect(verdictOn(work, evidence)?.reason).toBe(reason);
});

test('an exit code counts also where the pod has not ended yet', () => {
  const onExitCodes = { operator: 'In', values: [42] };
  const work = job({ podFailurePolicy: { rules: [{ action: 'Ignore', onExitCodes }] } });
  const pod = restarted(0);
  const state = { terminated: { exitCode: 42 } };
  const ended = { ...pod, status: { ...pod.status, containerStatuses: [{ name: 'main', state }] } } as unknown as Pod;
  expect(failureMatch(work, ended)?.action).toBe('Ignore');
  expect(failureMatch(work, pod)).toBeUndefined();
});

test('a condition that has only another reason is said anew, in its place', () => {
  const said = { type: 'Failed', status: 'True', message: 'why' } as const;
  const known = { ...said, reason: 'BackoffLimitExceeded', lastTransitionTime: timestampOf(0) };
  const other: JobCondition = { type: 'Suspended', status: 'False' };
  const changed = withCondition([known, other], { ...said, reason: 'DeadlineExceeded' }, 1_000);
  expect(changed).toEqual([expect.objectContaining({ ...said, reason: 'DeadlineExceeded' }), other]);
  expect(withCondition([known, other], { ...said, reason: known.reason }, 1_000)).toEqual([known, other]);
});
