/** Plugins that look at one thing only. */
import { describe, expect, test } from 'vitest';
import type { Pod } from '#api/core/v1/pod.ts';
import type { NodeInfo } from '../node-info.ts';
import type { With } from '../points.ts';
import { finalScores } from '../scoring.ts';
import { nodeDeclaredFeatures } from './node-declared-features.ts';
import { nodeName } from './node-name.ts';
import { prioritySort } from './priority-sort.ts';
import { schedulingGates } from './scheduling-gates.ts';
import { taintToleration } from './taint-toleration.ts';

const pod = (spec: object) =>
  ({ metadata: { name: 'p', uid: 'p' }, spec: { containers: [], ...spec } }) as unknown as Pod;
const node = (name: string) => ({ node: { metadata: { name } } }) as unknown as NodeInfo;
const queued = (priority: number | undefined, sinceMs: number) => ({
  pod: pod(priority === undefined ? {} : { priority }),
  sinceMs,
  attempts: 0,
});

test('NodeName: a pod that names a node fits nowhere else, and no preemption helps it', () => {
  const named = pod({ nodeName: 'a' });
  expect(nodeName.filter?.(named, node('a'), undefined)).toMatchObject({ fits: true });
  expect(nodeName.filter?.(named, node('b'), undefined)).toMatchObject({
    fits: false,
    reasons: ["node(s) didn't match the requested node name"],
  });
  expect(nodeName.prepare?.(pod({}), undefined as never)).toBe('skip');
});

describe('NodeDeclaredFeatures', () => {
  const restarting = { name: 'c', restartPolicyRules: [{ action: 'RestartAllContainers' }] };
  const declaring = (...declaredFeatures: string[]) =>
    ({ node: { metadata: { name: 'n' }, status: { declaredFeatures } } }) as unknown as NodeInfo;

  test.each<[string, object]>([
    ['a container', { containers: [restarting] }],
    ['an init container', { initContainers: [restarting] }],
  ])('what %s needs its node must have declared; no preemption helps', (_, spec) => {
    const prepared = nodeDeclaredFeatures.prepare?.(pod(spec), undefined as never);
    const { state } = prepared as { state: unknown };
    const on = (node: NodeInfo) => nodeDeclaredFeatures.filter?.(pod(spec), node, state);
    expect(on(declaring('Another', 'RestartAllContainersOnContainerExits'))).toMatchObject({ fits: true });
    for (const lacking of [declaring('Another'), node('old')])
      expect(on(lacking)).toMatchObject({
        fits: false,
        isUnresolvable: true,
        reasons: ["node(s) didn't match Pod's required features"],
      });
  });

  test('has no say about a pod that any kubelet can run, and tells it from others', () => {
    const plain = pod({ containers: [{ name: 'c', restartPolicyRules: [{ action: 'Restart' }] }] });
    expect(nodeDeclaredFeatures.prepare?.(plain, undefined as never)).toBe('skip');
    const signed = [plain, pod({ containers: [restarting] })].map((each) => nodeDeclaredFeatures.sign?.(each));
    expect(signed).toEqual([[], ['RestartAllContainersOnContainerExits']]);
  });
});

test('SchedulingGates: a pod waits outside the queue until its last gate is gone', () => {
  expect(schedulingGates.preEnqueue?.(pod({ schedulingGates: [{ name: 'a' }] })).fits).toBe(false);
  expect(schedulingGates.preEnqueue?.(pod({})).fits).toBe(true);
});

test('PrioritySort: the more important first, then who came first; none said is 0', () => {
  const sort = (a: ReturnType<typeof queued>, b: ReturnType<typeof queued>) =>
    Math.sign(prioritySort.queueSort?.(a, b) ?? 0);
  expect(sort(queued(5, 9), queued(1, 1))).toBe(-1);
  expect(sort(queued(undefined, 9), queued(-1, 1))).toBe(-1);
  expect(sort(queued(1, 9), queued(1, 1))).toBe(1);
});

test('TaintToleration: of nodes that a pod may go to those are better that ask less to be left alone', () => {
  const soft = (key: string) => ({ key, effect: 'PreferNoSchedule' });
  const tainted = (...taints: object[]) =>
    ({ node: { metadata: { name: 'n' }, spec: { taints } } }) as unknown as NodeInfo;
  const nodes = [
    tainted(soft('a'), soft('b')),
    tainted(soft('a')),
    tainted(),
    tainted({ key: 'x', effect: 'NoSchedule' }),
  ];
  const scores = (tolerations: object[]) =>
    nodes.map((each) => taintToleration.score?.(pod({ tolerations }), each, undefined));
  expect(scores([])).toEqual([2, 1, 0, 0]);
  expect(scores([{ key: 'a', operator: 'Exists' }])).toEqual([1, 0, 0, 0]);
  expect(scores([{ key: 'a', operator: 'Exists', effect: 'NoSchedule' }])).toEqual([2, 1, 0, 0]);
  expect(scores([{ operator: 'Exists' }])).toEqual([0, 0, 0, 0]);
  const totals = finalScores(
    { plugin: taintToleration as With<'score'>, state: undefined },
    Float64Array.of(2, 1, 0),
    nodes.slice(0, 3),
  );
  expect([...totals]).toEqual([0, 50, 100]);
});
