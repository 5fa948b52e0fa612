import { expect, test } from 'vitest';
import type { NodeExplanation, SchedulingExplanation } from '#api/kedge/v1alpha1/scheduling-explanation.ts';
import { smallestChange, whyText } from './why-text.ts';

const refusing = (name: string, plugin: string, reason: string, ...changes: string[]): NodeExplanation => ({
  name,
  complaints: [{ plugin, reasons: [reason], changes }],
  scores: [],
  total: 0,
});
const about = { pod: { namespace: 'default', name: 'web' }, schedulerName: 'default-scheduler' };

test('nodes that say the same are told once, and what would help is told with them', () => {
  const why: SchedulingExplanation = {
    ...about,
    state: 'waiting',
    message: '0/5 nodes are available: …',
    nodes: [
      ...['a', 'b', 'c', 'd'].map((name) => refusing(name, 'NodeResourcesFit', 'Insufficient cpu', 'free 500m cpu')),
      refusing('e', 'TaintToleration', 'node(s) had untolerated taint(s)', 'tolerate taint gpu:NoSchedule'),
    ],
  };
  expect(whyText(why)).toBe(`pod default/web has no node.
  it says: 0/5 nodes are available: …

It fits no node (5):
  a, b, c and 1 more
    NodeResourcesFit: Insufficient cpu
      → free 500m cpu
  e
    TaintToleration: node(s) had untolerated taint(s)
      → tolerate taint gpu:NoSchedule

Smallest change: free 500m cpu (node a)
`);
});

test('of a pod that is placed the scores are told, its own node marked', () => {
  const scores = (fit: number, spread: number) => [
    { plugin: 'NodeResourcesFit', score: fit, weight: 1 },
    { plugin: 'PodTopologySpread', score: spread, weight: 2 },
  ];
  const why: SchedulingExplanation = {
    ...about,
    state: 'placed',
    nodeName: 'b',
    nodes: [
      { name: 'b', complaints: [], scores: scores(90, 100), total: 290 },
      { name: 'a', complaints: [], scores: scores(50, 0), total: 50 },
      refusing('c', 'NodeUnschedulable', 'node(s) were unschedulable', 'uncordon node c'),
    ],
  };
  expect(whyText(why)).toBe(`pod default/web is on node b.

Nodes that it fits now, as if it had none (2):
  NODE   TOTAL   NODERESOURCESFIT   PODTOPOLOGYSPREAD
* b      290     90                 100×2
  a      50      50                 0×2

Nodes that it does not fit (1):
  c
    NodeUnschedulable: node(s) were unschedulable
      → uncordon node c
`);
});

test('the smallest change is that of the node with the fewest, and none where a reason has no known one', () => {
  const two = {
    ...refusing('a', 'X', 'x', 'do x'),
    complaints: [...refusing('a', 'X', 'x', 'do x').complaints, ...refusing('a', 'Y', 'y', 'do y').complaints],
  };
  const unknown = refusing('b', 'Z', 'z');
  expect(smallestChange({ ...about, state: 'waiting', nodes: [two, unknown] })).toBe('do x and do y (node a)');
  expect(smallestChange({ ...about, state: 'waiting', nodes: [two, refusing('c', 'X', 'x', 'do x')] })).toBe(
    'do x (node c)',
  );
  expect(smallestChange({ ...about, state: 'waiting', nodes: [unknown] })).toBeUndefined();
});

test('what is said before any node, or by a gate, is told as it is', () => {
  const general = {
    plugin: 'SchedulingGates',
    reasons: ['waiting'],
    changes: ['remove scheduling gate example.org/a'],
  };
  expect(whyText({ ...about, state: 'gated', general, nodes: [] })).toBe(`pod default/web may not be scheduled yet.

Before any node was looked at:
  SchedulingGates: waiting
    → remove scheduling gate example.org/a

Smallest change: remove scheduling gate example.org/a
`);
});
