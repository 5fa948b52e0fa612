import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Node } from '#api/core/v1/node.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import { type Random, seededRandom } from '#base/random.ts';
import { decide, type Refusal } from '../cycle.ts';
import type { ClusterView } from '../define-plugin.ts';
import { definePlugin, fits, unschedulable } from '../define-plugin.ts';
import { NodeInfo } from '../node-info.ts';
import type { With } from '../points.ts';
import { defaultProfile } from '../profile.ts';
import { Answers, RememberedAnswers } from '../remembered-answers.ts';
import { Snapshot } from '../snapshot.ts';
import { Trial } from '../trial.ts';
import { defaultPreemptionWith, type PreemptionOptions } from './default-preemption.ts';

const podOf = (name: string, priority: number, spec: object = {}): Pod =>
  ({
    metadata: { name, namespace: 'default', uid: name, labels: { app: name } },
    spec: { priority, schedulerName: 'default-scheduler', containers: [], ...spec },
  }) as unknown as Pod;
const nodeOf = (name: string, allocatable: object = {}): Node =>
  ({
    metadata: { name, labels: { 'kubernetes.io/hostname': name } },
    spec: {},
    status: { allocatable },
  }) as unknown as Node;
const infoOf = (name: string, ...pods: Pod[]) => NodeInfo.of(nodeOf(name), pods);
const always = (next: number): Random => ({ next: () => next });

/** A pod fits where nobody is; how often that was asked is counted. */
function asking() {
  let count = 0;
  const alone = definePlugin({
    name: 'Alone',
    filter(_, { podCount }) {
      count++;
      return podCount === 0 ? fits : unschedulable('somebody is there');
    },
  }) as With<'filter'>;
  const since = () => {
    const asked = count;
    count = 0;
    return asked;
  };
  return { alone, since };
}

interface Asked {
  random?: Random;
  alike?: object;
  budgets?: object[];
  /** By the node's name: room was made there for these. */
  nominated?: Record<string, Pod>;
  priority?: number;
  options?: PreemptionOptions;
}

function makerWith(plugin: With<'filter'>) {
  return (
    { priority = 9, random = always(0), budgets = [], options = {}, nominated = {}, alike }: Asked,
    ...nodes: NodeInfo[]
  ) => {
    const pod = podOf('urgent', priority);
    const trialOn = (node: NodeInfo) => {
      const trial = new Trial(pod, node, [{ plugin, state: undefined }]);
      const other = nominated[node.node.metadata.name];
      return other ? trial.with(other) : trial;
    };
    const refused = {
      ...{ random, alike, trialOn, extenders: [] },
      cluster: { cached: () => ({ list: () => budgets, inNamespace: () => budgets }) },
      verdicts: new Map(nodes.map((node) => [node, unschedulable('so')])),
    };
    return defaultPreemptionWith(options).makeRoom?.(pod, refused as never, undefined);
  };
}

const [low, middle, high] = [1, 5, 9];
const guard = { spec: { selector: { matchLabels: { app: 'guarded' } } }, status: { disruptionsAllowed: 0 } };
const three = [
  infoOf('n0', podOf('guarded', low)),
  infoOf('n1', podOf('dear', middle)),
  infoOf('n2', podOf('cheap', low)),
];
const ONE = { minCandidateNodesPercentage: 0, minCandidateNodesAbsolute: 1 };

test.each<[string, Asked, string]>([
  ['where it begins', { options: ONE, random: always(0.4) }, 'n1'],
  ['where it begins, last', { options: ONE, random: always(0.9) }, 'n2'],
  ['further on until it violates no budget', { options: ONE, budgets: [guard] }, 'n1'],
  ['the cheapest of all where no more are there than are tried', { budgets: [guard], random: always(0.4) }, 'n2'],
])('of the nodes one is taken: %s', async (_, asked, nodeName) => {
  expect(await makerWith(asking().alone)(asked, ...three)).toMatchObject({ nodeName });
});

test('for pods that are alike no node is tried again before somebody comes or goes there', async () => {
  const { alone, since } = asking();
  const roomFor = makerWith(alone);
  const [alike, others] = [{}, {}];
  const [one, other] = [infoOf('n0', podOf('a', low)), infoOf('n1', podOf('b', low))];
  const first = await roomFor({ alike }, one, other);
  expect(since()).toBe(4); // without the pod, and with it again
  expect(await roomFor({ alike }, one, other)).toEqual(first);
  expect(since()).toBe(0);
  expect(await roomFor({ alike }, infoOf('n0', podOf('a', high)), other)).toMatchObject({ nodeName: 'n1' });
  expect(since()).toBe(0);
  await roomFor({ alike: others }, one, other);
  expect(since()).toBe(4);
  expect(await roomFor({ alike: others, priority: low }, one, other)).toHaveProperty('message');
  expect(since()).toBe(0); // nobody is less important
  await roomFor({ alike: others }, one, other);
  expect(since()).toBe(4);
});

test.each<[string, Asked]>([
  ['that nothing is known to be like', {}],
  ['where budgets are', { alike: {}, budgets: [guard] }],
  ['beside one that room was made for', { alike: {}, nominated: { n0: podOf('next', high) } }],
])('for a pod %s each node is tried anew', async (_, asked) => {
  const { alone, since } = asking();
  const roomFor = makerWith(alone);
  const node = infoOf('n0', podOf('a', low));
  await roomFor(asked, node);
  const tried = since();
  expect(tried).toBeGreaterThan(0);
  await roomFor(asked, node);
  expect(since()).toBe(tried);
});

const nothingCached = { get: () => undefined, list: () => [], inNamespace: () => [] };
const viewOf = (snapshot: Snapshot): ClusterView => ({
  nodes: snapshot.nodes,
  versions: snapshot.versions,
  nodeNamed: (name) => snapshot.node(name),
  cached: () => nothingCached,
  tally: (key, make) => snapshot.tally(key, make),
  nowMs: 0,
  domains: (topologyKey) => snapshot.domains(topologyKey),
});

const cpu = (amount: number) => ({ containers: [{ name: 'c', resources: { requests: { cpu: `${amount}m` } } }] });
const alone = {
  affinity: {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [{ labelSelector: {}, topologyKey: 'kubernetes.io/hostname' }],
    },
  },
};
const NODES = 101; // of fewer nothing is remembered

test('what is kept of rooms changes none of those that are found', async () => {
  const { plugins } = defaultProfile();
  const preemption = defaultPreemptionWith({});
  let alikes = 0;
  const wishes = fc.record({
    priority: fc.constantFrom(low, middle, high),
    amount: fc.constantFrom(500, 1_500, 2_500),
    isAlone: fc.constantFrom(false, false, true),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(low, middle), { minLength: 9 }),
      fc.array(wishes),
      async (there, asked) => {
        const snapshot = new Snapshot();
        for (let i = 0; i < NODES; i++) {
          snapshot.putNode(nodeOf(`n${i}`, { cpu: '2', pods: '110' }));
          for (const at of [0, 1])
            snapshot.assume(
              podOf(`p${i}-${at}`, there[(2 * i + at) % there.length] ?? low, cpu(800 + 10 * i)),
              `n${i}`,
            );
        }
        const remembered = new RememberedAnswers();
        for (const [index, { priority, amount, isAlone }] of asked.entries()) {
          const pod = podOf(`urgent-${index}`, priority, { ...cpu(amount), ...(isAlone && alone) });
          const cluster = viewOf(snapshot);
          const random = seededRandom(index);
          const decision = await decide(pod, cluster, {
            ...{ plugins, random, remembered, startAt: 0, nominatedOn: undefined },
            breathe: () => undefined,
          });
          if ('nodeName' in decision) {
            snapshot.assume(pod, decision.nodeName);
            continue;
          }
          const roomBy = (alike: Refusal['alike']) => {
            const refused = { ...decision.refusal, alike, cluster, extenders: [], random: seededRandom(index) };
            return preemption.makeRoom?.(pod, refused as never, undefined);
          };
          const room = await roomBy(decision.refusal.alike);
          if (isAlone) expect(decision.refusal.alike).toBeUndefined();
          expect(decision.refusal.alike).not.toBeInstanceOf(Answers); // each node may keep another
          if (decision.refusal.alike) alikes++;
          expect(room).toEqual(await roomBy(undefined));
          if (!room || !('victims' in room)) continue;
          for (const victim of room.victims) snapshot.removePod(victim);
          snapshot.assume(pod, room.nodeName);
        }
      },
    ),
    { numRuns: 20 },
  );
  expect(alikes).toBeGreaterThan(10);
});
