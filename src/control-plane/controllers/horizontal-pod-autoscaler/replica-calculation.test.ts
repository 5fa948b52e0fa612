import { describe, expect, test } from 'vitest';
import type { Pod } from '#api/generated/schema.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import {
  averageProposal,
  type PodMetric,
  type Situation,
  shareProposal,
  utilizationProposal,
  valueProposal,
} from './replica-calculation.ts';

const NOW = Date.UTC(2026, 0, 1, 12);
const tolerances = { down: 0.1, up: 0.1 };

interface Given {
  /** Milli; undefined: no metric. */
  used?: number | undefined;
  phase?: string;
  ready?: boolean;
  /** Ago. */
  startedS?: number;
  changedS?: number;
  going?: boolean;
}

const pod = (index: number, { phase = 'Running', ready = true, startedS = 3600, changedS = 3500, going }: Given) =>
  ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `web-${index}`, namespace: 'default', ...(going && { deletionTimestamp: timestampOf(NOW) }) },
    spec: { containers: [{ name: 'main', resources: { requests: { cpu: '1', memory: '1Gi' } } }] },
    status: {
      phase,
      startTime: timestampOf(NOW - startedS * 1000),
      conditions: [
        { type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: timestampOf(NOW - changedS * 1000) },
      ],
    },
  }) as unknown as Pod;

function given(all: readonly Given[], over: Partial<Situation> = {}) {
  const metrics = new Map<string, PodMetric>();
  for (const [index, { used }] of all.entries())
    if (used !== undefined) metrics.set(`web-${index}`, { value: used, timestampMs: NOW, windowMs: 60_000 });
  const situation = {
    pods: all.map((each, index) => pod(index, each)),
    currentReplicas: all.length,
    tolerances,
    nowMs: NOW,
  };
  return { metrics, situation: { ...situation, ...over } };
}

const using = (...used: (number | undefined)[]): Given[] => used.map((each) => ({ used: each }));

describe('a share of what is asked for, of one CPU each', () => {
  test.each<[string, Given[], number, Partial<Situation>, number, number]>([
    ['more is used', using(300, 500, 700), 30, {}, 5, 50],
    ['less is used', using(100, 300, 500, 250, 250), 50, {}, 3, 28],
    ['within the tolerance nothing changes', using(1010, 1030, 1020), 100, {}, 3, 102],
    [
      'a narrower tolerance lets it change',
      using(1030, 1030, 1030),
      100,
      { tolerances: { down: 0, up: 0.01 } },
      4,
      103,
    ],
    ['a missing pod uses nothing on the way up', using(800, 800, 800, undefined), 50, {}, 5, 80],
    ['a missing pod uses all on the way down', using(100, 100, undefined), 50, {}, 3, 10],
    ['nothing changes when missing pods turn the direction', using(600, undefined), 50, {}, 2, 60],
    [
      'a pod that waits uses nothing on the way up',
      [...using(1000, 1000), { used: 100, phase: 'Pending' }],
      50,
      {},
      4,
      100,
    ],
    [
      'an unready pod is left out on the way down',
      [...using(100), { used: 900, ready: false, startedS: 20, changedS: 15 }],
      50,
      {},
      1,
      10,
    ],
    [
      'one that starts counts only a whole window after it got ready',
      [...using(800), { used: 900, startedS: 100, changedS: 30 }],
      50,
      {},
      2,
      80,
    ],
    [
      'one that was ready once counts although it is not now',
      [...using(800), { used: 800, ready: false, changedS: 60 }],
      50,
      {},
      4,
      80,
    ],
    [
      'failed and going pods are left out',
      [...using(600), { used: 9, phase: 'Failed' }, { used: 9, going: true }],
      30,
      {},
      2,
      60,
    ],
  ])('%s', (_, pods, percent, over, replicas, utilization) => {
    const { metrics, situation } = given(pods, over);
    expect(utilizationProposal({ resource: 'cpu', percent }, metrics, situation)).toMatchObject({
      replicas,
      utilization,
    });
  });

  test.each<[string, Given[], object, string]>([
    ['no pods', [], {}, 'no pods returned by selector while calculating replica count'],
    ['no metrics', using(undefined), {}, 'did not receive metrics for targeted pods (pods might be unready)'],
    [
      'a request that is missing',
      using(5),
      { resource: 'example.com/gpu' },
      'missing request for example.com/gpu in container main of Pod web-0',
    ],
    ['a container that is missing', using(5), { container: 'side' }, 'container side not found in Pod web-0'],
  ])('there is no answer for %s', (_, pods, over, text) => {
    const { metrics, situation } = given(pods);
    expect(() => utilizationProposal({ resource: 'cpu', percent: 50, ...over }, metrics, situation)).toThrow(text);
  });
});

test.each<[string, Given[], number, number, number]>([
  ['more', using(20_000, 10_000, 30_000), 15_000, 4, 20_000],
  ['less', using(12_000, 12_000, 12_000, 12_000, 12_000), 20_000, 3, 12_000],
  ['a missing pod uses just the target on the way down', using(10_000, 10_000, undefined), 20_000, 2, 10_000],
])('an average per pod: %s', (_, pods, average, replicas, usage) => {
  const { metrics, situation } = given(pods);
  expect(averageProposal({ average }, metrics, situation)).toEqual({ replicas, usage });
});

test.each<[number, number, number]>([
  [20_000, 0, 2],
  [11_000, 3, 3],
  [12_000, 3, 4],
  [1_000, 3, 1],
  [Number.MAX_SAFE_INTEGER, 3, 2 ** 31 - 1],
])('one value of %d towards 10000, with %d pods: %d', (value, count, replicas) => {
  const { situation } = given(Array.from({ length: count }, () => ({})));
  expect(valueProposal(value, 10_000, situation).replicas).toBe(replicas);
});

test('a share of a value follows the value, and shows the share', () => {
  expect(shareProposal(8_600, 2_150, { currentReplicas: 3, tolerances })).toEqual({ replicas: 4, usage: 2_867 });
  expect(shareProposal(8_600, 2_150, { currentReplicas: 4, tolerances })).toEqual({ replicas: 4, usage: 2_150 });
});
