import { expect, test } from 'vitest';
import type { Node } from '#api/core/v1/node.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import { NodeInfo } from '../node-info.ts';
import { assumedRequestsOf, requestsOf } from '../resources.ts';
import { balancedAllocation, balancedAllocationWith } from './balanced-allocation.ts';
import { nodeResourcesFitWith } from './node-resources-fit.ts';
import { LEAST_ALLOCATED, type ScoringStrategy, scorerOf } from './resource-scores.ts';

type Amounts = Record<string, string>;

const podOf = (...containers: Amounts[]): Pod =>
  ({
    metadata: { name: 'p', uid: 'p' },
    spec: { containers: containers.map((requests, index) => ({ name: `c${index}`, resources: { requests } })) },
  }) as unknown as Pod;

const nodeWith = (allocatable: Amounts, ...pods: Pod[]): NodeInfo =>
  NodeInfo.of({ metadata: { name: 'n' }, spec: {}, status: { allocatable } } as unknown as Node, pods);

const scoreOf = (strategy: ScoringStrategy, pod: Pod, { assumed, allocatable }: NodeInfo): number =>
  scorerOf(strategy)(assumedRequestsOf(pod), assumed, allocatable);

const CPU_AND_MEMORY = LEAST_ALLOCATED.resources;
const MOST: ScoringStrategy = { type: 'MostAllocated', resources: CPU_AND_MEMORY };
const ratio = (...shape: [utilization: number, score: number][]): ScoringStrategy => ({
  type: 'RequestedToCapacityRatio',
  resources: CPU_AND_MEMORY,
  shape: shape.map(([utilization, score]) => ({ utilization, score })),
});
const FULLER = ratio([0, 0], [100, 10]);
const GPU = 'example.com/gpu';

test.each<[string, ScoringStrategy, Amounts, Amounts, Amounts | undefined, number]>([
  [
    'what is left, in percent',
    LEAST_ALLOCATED,
    { cpu: '3', memory: '5000' },
    { cpu: '4', memory: '10000' },
    undefined,
    37,
  ],
  [
    'with what is there',
    LEAST_ALLOCATED,
    { cpu: '1', memory: '2000' },
    { cpu: '4', memory: '10000' },
    { cpu: '2', memory: '3000' },
    37,
  ],
  ['nothing left is 0', LEAST_ALLOCATED, { cpu: '5', memory: '5000' }, { cpu: '4', memory: '10000' }, undefined, 25],
  [
    'a resource that the node lacks does not count',
    LEAST_ALLOCATED,
    { cpu: '1', memory: '1' },
    { cpu: '4' },
    undefined,
    75,
  ],
  [
    'what a container does not say is taken to be a little',
    LEAST_ALLOCATED,
    {},
    { cpu: '1', memory: '2000Mi' },
    undefined,
    90,
  ],
  ['what is in use, in percent', MOST, { cpu: '3', memory: '5000' }, { cpu: '4', memory: '10000' }, undefined, 62],
  [
    'more than there is counts as all',
    MOST,
    { cpu: '5', memory: '5000' },
    { cpu: '4', memory: '10000' },
    undefined,
    75,
  ],
  ['a line through points', FULLER, { cpu: '3', memory: '5000' }, { cpu: '4', memory: '10000' }, undefined, 63],
  [
    'a falling line',
    ratio([0, 10], [100, 0]),
    { cpu: '3', memory: '5000' },
    { cpu: '4', memory: '10000' },
    undefined,
    38,
  ],
  [
    'a bent line',
    ratio([0, 0], [50, 10], [100, 0]),
    { cpu: '3', memory: '5000' },
    { cpu: '4', memory: '10000' },
    undefined,
    75,
  ],
  ['more than there is is full', FULLER, { cpu: '5', memory: '5000' }, { cpu: '4', memory: '10000' }, undefined, 75],
])('%s', (_, strategy, asked, allocatable, used, expected) => {
  const node = nodeWith(allocatable, ...(used ? [podOf(used)] : []));
  expect(scoreOf(strategy, podOf(asked), node)).toBe(expected);
});

test('resources count by their weight, extended ones only for a pod that asks for them', () => {
  const strategy: ScoringStrategy = {
    type: 'MostAllocated',
    resources: [
      { name: 'cpu', weight: 1 },
      { name: GPU, weight: 3 },
    ],
  };
  const node = nodeWith({ cpu: '4', [GPU]: '4' }, podOf({ cpu: '1', [GPU]: '1' }));
  expect(scoreOf(strategy, podOf({ cpu: '1', [GPU]: '2' }), node)).toBe(Math.floor((50 + 3 * 75) / 4));
  expect(scoreOf(strategy, podOf({ cpu: '1' }), node)).toBe(50);
});

const ALLOCATABLE = { cpu: '4', memory: '10000' };
test.each<[string, Amounts, Amounts, Amounts, number]>([
  ['stays balanced', { cpu: '2', memory: '5000' }, {}, ALLOCATABLE, 75],
  ['loses balance', { cpu: '4', memory: '5000' }, {}, ALLOCATABLE, 62],
  ['gains balance', { cpu: '1', memory: '5000' }, { cpu: '1' }, ALLOCATABLE, 75 + 6],
  ['has one of them only', { cpu: '1', memory: '0' }, {}, { cpu: '4' }, 75],
])('a node that %s by the pod is judged by the change', (_, asked, before, allocatable, expected) => {
  const pod = podOf(asked);
  const node = nodeWith(allocatable, podOf(before));
  const state = balancedAllocation.prepareScore?.(pod, [node], undefined as never, undefined);
  expect(balancedAllocation.score?.(pod, node, state)).toBe(expected);
});

test('balance can be asked for of other resources, and of more than two', () => {
  const plugin = balancedAllocationWith(['cpu', 'memory', GPU]);
  const pod = podOf({ cpu: '3', memory: '5000', [GPU]: '1' });
  const node = nodeWith({ ...ALLOCATABLE, [GPU]: '4' });
  const deviation = Math.sqrt((0.25 ** 2 + 0 + 0.25 ** 2) / 3);
  const state = plugin.prepareScore?.(pod, [node], undefined as never, undefined);
  const after = Math.trunc((1 - deviation) * 100);
  expect(plugin.score?.(pod, node, state)).toBe(50 + Math.trunc((50 + after - 100) / 2));
  expect(balancedAllocationWith([GPU]).prepareScore?.(podOf({ cpu: '3' }), [node], undefined as never, undefined)).toBe(
    'skip',
  );
});

test('extended resources that somebody else looks after are not counted', () => {
  const fit = nodeResourcesFitWith({ ignoredResources: [GPU], ignoredResourceGroups: ['other.org'] });
  const node = nodeWith({ cpu: '4', pods: '10' });
  const verdictOn = (pod: Pod) => {
    const prepared = fit.prepare?.(pod, { cached: () => ({ list: () => [] }) } as never) as { state: unknown };
    return fit.filter?.(pod, node, prepared.state);
  };
  expect(verdictOn(podOf({ cpu: '1', [GPU]: '1', 'other.org/fpga': '1' }))).toMatchObject({ fits: true });
  expect(verdictOn(podOf({ cpu: '1', 'third.net/x': '1' }))).toMatchObject({
    isUnresolvable: true,
    reasons: ['Insufficient third.net/x'],
  });
});

test('overhead, sidecars and what is said for the whole pod are part of what it asks for', () => {
  const spec = {
    containers: [{ name: 'main', resources: { requests: { cpu: '1' } } }],
    initContainers: [
      { name: 'sidecar', restartPolicy: 'Always', resources: { requests: { cpu: '200m' } } },
      { name: 'init', resources: { requests: { cpu: '1500m', [GPU]: '1' } } },
    ],
    overhead: { cpu: '50m' },
  };
  const requested = (more: object) => {
    const { common, others } = requestsOf({ metadata: {}, spec: { ...spec, ...more } } as unknown as Pod);
    return [common[0], others.get(GPU)];
  };
  expect(requested({})).toEqual([1_750, 1]);
  expect(requested({ resources: { requests: { cpu: '3' } } })).toEqual([3_050, 1]);
});
