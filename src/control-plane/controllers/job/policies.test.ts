/** Which rule of a user's policies counts, and in which words. Source: KEP-3329, KEP-3850, KEP-3998. */
import { expect, test } from 'vitest';
import type { Job, Pod, PodFailurePolicyRule, SuccessPolicyRule } from '#api/generated/schema.ts';
import { CompletionIndexes } from './completion-indexes.ts';
import { failureMatch, successMatch } from './policies.ts';

const jobWith = (spec: object) => ({ metadata: { name: 'work' }, spec }) as unknown as Job;

interface Ended {
  main?: number;
  side?: number;
  init?: number;
  conditions?: { type: string; status: string }[];
}
/** With the exit codes of its containers; one of which nothing is said runs on. */
function podThat({ main, side, init, conditions = [] }: Ended): Pod {
  const statusOf = (name: string, exitCode: number | undefined) => ({
    name,
    state: exitCode === undefined ? { running: {} } : { terminated: { exitCode } },
  });
  const containerStatuses = [statusOf('main', main), statusOf('side', side)];
  const status = { phase: 'Failed', conditions, containerStatuses, initContainerStatuses: [statusOf('init', init)] };
  return { metadata: { namespace: 'default', name: 'p' }, spec: {}, status } as unknown as Pod;
}

type Rule = PodFailurePolicyRule;
const onCodes = (action: Rule['action'], operator: 'In' | 'NotIn', values: number[], containerName?: string): Rule =>
  ({ action, onExitCodes: { operator, values, ...(containerName && { containerName }) } }) as Rule;
const onCondition = (action: Rule['action'], type: string, status?: string): Rule =>
  ({ action, onPodConditions: [{ type, ...(status && { status }) }] }) as Rule;
const because = (container: string, code: number, action: string, index: number) =>
  `Container ${container} for pod default/p failed with exit code ${code} matching ${action} rule at index ${index}`;
const disrupted = (status: string) => ({ conditions: [{ type: 'DisruptionTarget', status }] });

test.each<[string, Rule[], Ended, string | undefined]>([
  ['an exit code that is listed', [onCodes('FailJob', 'In', [3, 42])], { main: 42 }, because('main', 42, 'FailJob', 0)],
  ['not one that is not', [onCodes('FailJob', 'In', [3, 42])], { main: 4 }, undefined],
  ['one that is not listed', [onCodes('Count', 'NotIn', [3])], { main: 4 }, because('main', 4, 'Count', 0)],
  ['never success', [onCodes('FailJob', 'NotIn', [3])], { main: 0 }, undefined],
  ['any of its containers', [onCodes('Ignore', 'In', [9])], { main: 1, side: 9 }, because('side', 9, 'Ignore', 0)],
  ['only the container that is named', [onCodes('Ignore', 'In', [9], 'main')], { main: 1, side: 9 }, undefined],
  [
    'also one that runs first',
    [onCodes('FailIndex', 'In', [9], 'init')],
    { init: 9 },
    because('init', 9, 'FailIndex', 0),
  ],
  [
    'of two containers the first',
    [onCodes('Count', 'NotIn', [7])],
    { main: 1, side: 2 },
    because('main', 1, 'Count', 0),
  ],
  [
    'of two rules the first that matches',
    [onCodes('Count', 'In', [5]), onCodes('Ignore', 'In', [6]), onCodes('FailJob', 'In', [5, 6])],
    { main: 6 },
    because('main', 6, 'Ignore', 1),
  ],
  [
    'a condition that is true, unless the rule says otherwise',
    [onCondition('Ignore', 'DisruptionTarget')],
    disrupted('True'),
    'Pod default/p has condition DisruptionTarget matching Ignore rule at index 0',
  ],
  ['not when it is false', [onCondition('Ignore', 'DisruptionTarget')], disrupted('False'), undefined],
  [
    'a condition as the rule wants it',
    [onCondition('Ignore', 'DisruptionTarget'), onCondition('Count', 'DisruptionTarget', 'Unknown')],
    disrupted('Unknown'),
    'Pod default/p has condition DisruptionTarget matching Count rule at index 1',
  ],
  [
    'what stands first, not what is worse',
    [onCondition('Ignore', 'DisruptionTarget'), onCodes('FailJob', 'In', [42])],
    { main: 42, ...disrupted('True') },
    'Pod default/p has condition DisruptionTarget matching Ignore rule at index 0',
  ],
])('of a failed pod counts %s', (_what, rules, ended, message) => {
  const found = failureMatch(jobWith({ podFailurePolicy: { rules } }), podThat(ended));
  expect(found?.message).toBe(message);
  if (found) expect(message).toContain(` matching ${found.action} rule `);
});

test.each<[string, SuccessPolicyRule[], string, string | undefined]>([
  ['all of the indexes named', [{ succeededIndexes: '0,2-3' }], '0,2,3', 'Matched rules at index 0'],
  ['not while one is missing', [{ succeededIndexes: '0,2-3' }], '0-2', undefined],
  ['so many of them', [{ succeededIndexes: '0-3', succeededCount: 2 }], '1,3,7', 'Matched rules at index 0'],
  ['others do not count', [{ succeededIndexes: '0-3', succeededCount: 2 }], '1,7-9', undefined],
  ['so many of any', [{ succeededCount: 3 }], '1,7,9', 'Matched rules at index 0'],
  ['not fewer', [{ succeededCount: 3 }], '1,7', undefined],
  [
    'the first rule that is met',
    [{ succeededCount: 9 }, { succeededIndexes: '5' }, { succeededCount: 1 }],
    '5',
    'Matched rules at index 1',
  ],
  ['nothing without a success', [{ succeededCount: 0 }], '', undefined],
  ['nothing without a policy', [], '0-9', undefined],
])('success enough is %s', (_what, rules, succeeded, message) => {
  const job = jobWith({ completions: 10, ...(rules.length > 0 && { successPolicy: { rules } }) });
  expect(successMatch(job, CompletionIndexes.parse(succeeded, 10))).toBe(message);
});
