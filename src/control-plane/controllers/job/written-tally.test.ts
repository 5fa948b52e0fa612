import { expect, test } from 'vitest';
import type { Job, Pod } from '#api/generated/schema.ts';
import { TRACKING_FINALIZER } from './job-pods.ts';
import { tallyOf } from './tally.ts';
import { writtenTally } from './written-tally.ts';

const MOST = 500;
const names = (count: number, of: string) => Array.from({ length: count }, (_, number) => `${of}-${number}`);
const podOf = (name: string, phase = 'Succeeded') =>
  ({ metadata: { name, uid: name, finalizers: [TRACKING_FINALIZER] }, spec: {}, status: { phase } }) as unknown as Pod;

function written(pods: readonly Pod[], uncounted: { succeeded?: string[]; failed?: string[] }) {
  const job = {
    metadata: { name: 'work', namespace: 'default' },
    spec: { completions: 2_000, backoffLimit: 2_000, template: { spec: { restartPolicy: 'Never' } } },
    status: { uncountedTerminatedPods: uncounted },
  } as unknown as Job;
  const { status, toRelease } = writtenTally(job, { pods, tally: tallyOf(job, pods), ending: undefined });
  return { status, released: toRelease.map(({ metadata }) => metadata.name) };
}

test('so many are written down at a time, and let go; the others in the next step', () => {
  const pods = names(MOST + 1, 'pod').map((name) => podOf(name));
  const { status, released } = written(pods, {});
  expect(status.uncountedTerminatedPods?.succeeded).toEqual(names(MOST, 'pod'));
  expect(released).toEqual(names(MOST, 'pod'));
});

test.each(['succeeded', 'failed'] as const)(
  'as many as may wait have %s and were not let go: they are, before others',
  (outcome) => {
    const pods = [
      ...names(3, 'new').map((name) => podOf(name)),
      ...names(MOST, 'left').map((name) => podOf(name, outcome === 'failed' ? 'Failed' : 'Succeeded')),
    ];
    const { status, released } = written(pods, { [outcome]: names(MOST, 'left') });
    expect(status.uncountedTerminatedPods).toEqual({ [outcome]: names(MOST, 'left') });
    expect(released).toEqual(names(MOST, 'left'));
  },
);

test('beside what was left there is room for some', () => {
  const left = names(MOST - 2, 'left');
  const pods = [...names(3, 'new'), ...left].map((name) => podOf(name));
  const { status, released } = written(pods, { succeeded: left });
  expect(status.uncountedTerminatedPods?.succeeded).toEqual([...left, 'new-0', 'new-1']);
  expect(released).toEqual(['new-0', 'new-1', ...left]);
});
