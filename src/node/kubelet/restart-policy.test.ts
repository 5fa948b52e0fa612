import { expect, test } from 'vitest';
import type { Container, Pod } from '#api/generated/schema.ts';
import { isReady } from '#api/core/v1/pod-conditions.ts';
import { IMAGE, withKubelet } from '../../../test/node/simulated-kubelet.ts';
import { mayRestart } from './restart-policy.ts';

const rule = (operator: 'In' | 'NotIn', ...values: number[]) => ({
  action: 'Restart',
  exitCodes: { operator, values },
});

test.each<[string, string, Partial<Container>, number, boolean]>([
  ['a pod’s Always', 'Always', {}, 0, true],
  ['a pod’s OnFailure, of success', 'OnFailure', {}, 0, false],
  ['a pod’s OnFailure, of failure', 'OnFailure', {}, 1, true],
  ['a pod’s Never', 'Never', {}, 1, false],
  ['its own Always over Never', 'Never', { restartPolicy: 'Always' }, 0, true],
  ['its own Never over Always', 'Always', { restartPolicy: 'Never' }, 1, false],
  ['a rule over its Never', 'Never', { restartPolicy: 'Never', restartPolicyRules: [rule('In', 42)] }, 42, true],
  ['a rule that does not fit', 'Never', { restartPolicy: 'Never', restartPolicyRules: [rule('In', 42)] }, 1, false],
  ['a rule by exclusion', 'Never', { restartPolicy: 'Never', restartPolicyRules: [rule('NotIn', 0, 1)] }, 2, true],
  ['rules that stop nothing', 'Never', { restartPolicy: 'OnFailure', restartPolicyRules: [rule('In', 9)] }, 1, true],
])('%s', (_what, restartPolicy, container, exitCode, expected) => {
  const pod = { spec: { restartPolicy } } as Pod;
  expect(mayRestart(pod, { name: 'main', ...container } as Container, exitCode)).toBe(expected);
});

test('in a pod that never restarts, a container whose rule says so does, and the pod runs on', () => {
  let code = 42;
  const program = () => ({ runsForMs: 1_000, exitCode: code });
  const programs = new Proxy({}, { get: (_target, name) => (name === 'retries' ? program() : { runsForMs: 1_000 }) });
  return withKubelet({ programs }, async ({ cluster, create, pod, runtime }) => {
    await create('mixed', {
      restartPolicy: 'Never',
      containers: [
        { name: 'retries', image: IMAGE, restartPolicy: 'Never', restartPolicyRules: [rule('In', 42)] },
        { name: 'once', image: IMAGE },
      ],
    });
    expect(isReady(pod('mixed')!)).toBe(true);
    await cluster.passes(5_000);
    expect(pod('mixed')?.status?.phase).toBe('Running');
    code = 7;
    await cluster.passes(60_000);
    const starts = (name: string) => runtime.calls.filter((call) => call === `StartContainer ${name}`).length;
    expect([starts('retries'), starts('once')]).toEqual([3, 1]); // the second run began before its code changed
    expect(pod('mixed')?.status?.phase).toBe('Failed');
  });
});
