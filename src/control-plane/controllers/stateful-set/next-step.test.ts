/** Which pods go for a new template where a number of them may be unavailable: a set keeps it that has it. Source: KEP-961. */
import { expect, test } from 'vitest';
import type { Pod, StatefulSet } from '#api/generated/schema.ts';
import { nextStep } from './next-step.ts';
import { Replicas } from './replicas.ts';

const version = (revision: string) => ({ revision, template: {} as never });
const VERSIONS = { current: version('old'), update: version('new') };

/** Of pods from ordinal 0 on: their template, `!` for those that are down, `.` for those that have ended, `-` for one that is missing. */
function removed(pods: readonly string[], maxUnavailable: number | string | undefined, partition = 0): string[] {
  const set = {
    metadata: { name: 'web' },
    spec: {
      replicas: pods.length,
      podManagementPolicy: 'Parallel',
      updateStrategy: {
        type: 'RollingUpdate',
        rollingUpdate: { partition, ...(maxUnavailable && { maxUnavailable }) },
      },
    },
  } as unknown as StatefulSet;
  const there = pods.flatMap((text, ordinal) => (text === '-' ? [] : [podOf(text, ordinal)]));
  return nextStep(set, new Replicas(set, there, 0), VERSIONS).remove.map(({ metadata }) => metadata.name);
}

const podOf = (text: string, ordinal: number): Pod =>
  ({
    metadata: { name: `web-${ordinal}`, labels: { 'controller-revision-hash': text.replace(/[!.]/, '') } },
    status: {
      phase: text.endsWith('.') ? 'Failed' : 'Running',
      conditions: [{ type: 'Ready', status: /[!.]$/.test(text) ? 'False' : 'True' }],
    },
  }) as unknown as Pod;

test.each<[string, string[], number | string | undefined, number, string[]]>([
  ['the highest goes first', ['old', 'old', 'old'], undefined, 0, ['web-2']],
  ['one that is new and down is waited for', ['old', 'old', 'new!'], undefined, 0, []],
  ['one that is old and down goes', ['old', 'old!', 'new'], undefined, 0, ['web-1']],
  ['a missing one is waited for', ['old', 'old', '-'], undefined, 0, []],
  ['one that has ended is waited for, new', ['old', 'old', 'new.'], undefined, 0, []],
  ['and old', ['old', 'old', 'old.'], undefined, 0, []],
  ['one that has ended takes its turn', ['old', 'old', 'old.'], 2, 0, []],
  ['as many as may be', ['old', 'old', 'old', 'old'], 2, 0, ['web-3', 'web-2']],
  ['a share is rounded down', ['old', 'old', 'old'], '70%', 0, ['web-2', 'web-1']],
  ['but one may always be', ['old', 'old', 'old'], '10%', 0, ['web-2']],
  ['what is down takes of it', ['old', 'old', 'old!'], 2, 0, ['web-2']],
  ['also below the partition', ['old!', 'old', 'old'], 1, 1, []],
  ['more than enough are down', ['old!', 'old!', 'old'], 1, 0, []],
  ['those below the partition stay', ['old', 'old', 'old'], 3, 2, ['web-2']],
  ['all are new', ['new', 'new'], 2, 0, []],
])('%s', (_, pods, maxUnavailable, partition, expected) => {
  expect(removed(pods, maxUnavailable, partition)).toEqual(expected);
});
