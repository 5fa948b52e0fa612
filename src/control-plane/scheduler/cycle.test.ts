import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Node } from '#api/core/v1/node.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import { seededRandom } from '#base/random.ts';
import { type CycleOptions, decide } from './cycle.ts';
import type { Extender } from './define-extender.ts';
import type { ClusterView, Plugin } from './define-plugin.ts';
import { definePlugin, fits, unschedulable } from './define-plugin.ts';
import type { NodeInfo } from './node-info.ts';
import { defaultProfile } from './profile.ts';
import { refusalMessage } from './refusal-message.ts';
import { RememberedAnswers } from './remembered-answers.ts';
import { Snapshot } from './snapshot.ts';

const ZONE = 'topology.kubernetes.io/zone';
const HOSTNAME = 'kubernetes.io/hostname';

interface NodeOf {
  zone?: string;
  cpu?: number;
  isTainted?: boolean;
  isCordoned?: boolean;
}

const nodeOf = (name: string, { zone = 'x', cpu = 2, isTainted = false, isCordoned = false }: NodeOf = {}): Node =>
  ({
    metadata: { name, labels: { [HOSTNAME]: name, [ZONE]: zone } },
    spec: {
      ...(isTainted && { taints: [{ key: 'gpu', effect: 'NoSchedule' }] }),
      ...(isCordoned && { unschedulable: true }),
    },
    status: { allocatable: { cpu: String(cpu), memory: '4Gi', pods: '2' } },
  }) as unknown as Node;

interface PodOf {
  cpu?: number;
  color?: string;
  wants?: 'zone x' | 'spread' | 'alone' | 'together' | 'preferably x' | 'port';
  tolerates?: boolean;
}

function podOf(name: string, { cpu = 100, color = 'blue', wants, tolerates = false }: PodOf = {}): Pod {
  const labelSelector = { matchLabels: { color } };
  const inX = { matchExpressions: [{ key: ZONE, operator: 'In', values: ['x'] }] };
  const affinity = {
    'zone x': { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [inX] } } },
    'preferably x': {
      nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 5, preference: inX }] },
    },
    alone: {
      podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ labelSelector, topologyKey: HOSTNAME }] },
    },
    together: {
      podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ labelSelector, topologyKey: ZONE }] },
    },
  };
  return {
    metadata: { name, namespace: 'default', uid: name, labels: { color } },
    spec: {
      schedulerName: 'default-scheduler',
      containers: [
        {
          name: 'main',
          image: 'i',
          resources: { requests: { cpu: `${cpu}m` } },
          ...(wants === 'port' && { ports: [{ containerPort: 80, hostPort: 80, protocol: 'TCP' }] }),
        },
      ],
      ...(wants && wants in affinity && { affinity: affinity[wants as keyof typeof affinity] }),
      ...(wants === 'spread' && {
        topologySpreadConstraints: [
          { maxSkew: 1, topologyKey: ZONE, whenUnsatisfiable: 'DoNotSchedule', labelSelector },
        ],
      }),
      ...(tolerates && { tolerations: [{ key: 'gpu', operator: 'Exists' }] }),
    },
  } as unknown as Pod;
}

const nothingCached = { get: () => undefined, list: () => [], inNamespace: () => [] };

const viewOf = (snapshot: Snapshot): ClusterView => ({
  get nodes() {
    return snapshot.nodes;
  },
  get versions() {
    return snapshot.versions;
  },
  nodeNamed: (name) => snapshot.node(name),
  cached: () => nothingCached,
  tally: (key, make) => snapshot.tally(key, make),
  nowMs: 0,
  domains: (topologyKey) => snapshot.domains(topologyKey),
});

const { plugins } = defaultProfile();
const optionsOf = (options: Partial<CycleOptions> = {}): CycleOptions => ({
  plugins,
  random: seededRandom(1),
  breathe: () => undefined,
  nominatedOn: undefined,
  startAt: 0,
  ...options,
});

function snapshotOf(count: number, of: (index: number) => NodeOf = () => ({})): Snapshot {
  const snapshot = new Snapshot();
  for (let i = 0; i < count; i++) snapshot.putNode(nodeOf(`n${i}`, of(i)));
  return snapshot;
}

const nodesOf = fc.record({
  zone: fc.constantFrom('x', 'y', 'z'),
  cpu: fc.constantFrom(1, 2),
  isTainted: fc.boolean(),
  isCordoned: fc.constantFrom(false, false, true),
});
const asked = fc.record({
  cpu: fc.constantFrom(100, 1500),
  color: fc.constantFrom('blue', 'red'),
  wants: fc.constantFrom(undefined, undefined, 'zone x', 'spread', 'alone', 'together', 'preferably x', 'port'),
  tolerates: fc.boolean(),
});
const steps = fc.oneof(
  { weight: 5, arbitrary: fc.record({ pod: asked }) },
  fc.record({ node: nodesOf, index: fc.nat(119) }),
  fc.record({ gone: fc.nat(40) }),
);

test('what is remembered of pods that asked the same changes no decision', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(nodesOf, { minLength: 120, maxLength: 120 }),
      fc.array(steps, { minLength: 20, maxLength: 80 }),
      async (nodes, history) => {
        const snapshot = snapshotOf(nodes.length, (index) => nodes[index] as NodeOf);
        const remembered = new RememberedAnswers();
        const cluster = viewOf(snapshot);
        for (const [index, step] of history.entries()) {
          if ('node' in step) snapshot.putNode(nodeOf(`n${step.index}`, step.node));
          if ('gone' in step) snapshot.removePod(podOf(`p${step.gone}`));
          if (!('pod' in step)) continue;
          const pod = podOf(`p${index}`, step.pod as PodOf);
          const same = { startAt: index * 7 };
          const anew = await decide(pod, cluster, optionsOf({ ...same, random: seededRandom(index) }));
          const decision = await decide(pod, cluster, optionsOf({ ...same, random: seededRandom(index), remembered }));
          expect(essence(decision)).toEqual(essence(anew));
          if ('nodeName' in decision)
            snapshot.assume({ ...pod, spec: { ...pod.spec, nodeName: decision.nodeName } }, decision.nodeName);
        }
      },
    ),
    { numRuns: 25 },
  );
});

const essence = (decision: Awaited<ReturnType<typeof decide>>) =>
  'nodeName' in decision
    ? [decision.nodeName, decision.looked]
    : [refusalMessage(decision.refusal, ''), decision.refusal.refusedBy.map(({ name }) => name).sort()];

test.each([
  [50, 0, 50],
  [100, 0, 100],
  [200, 0, 100],
  [1_000, 0, 420],
  [5_000, 0, 500],
  [1_000, 20, 200],
  [1_000, 100, 1_000],
])('of %i nodes, at %i percent, %i that fit are enough', async (count, percentageOfNodesToScore, expected) => {
  const { looked } = await decide(podOf('p'), viewOf(snapshotOf(count)), optionsOf({ percentageOfNodesToScore }));
  expect(looked).toBe(expected);
});

test('the search begins where the one before ended, and zones take turns in it', async () => {
  const cluster = viewOf(snapshotOf(300, (index) => ({ zone: index < 100 ? 'x' : index < 200 ? 'y' : 'z' })));
  expect(cluster.nodes.slice(0, 4).map(({ node }) => node.metadata.labels?.[ZONE])).toEqual(['x', 'y', 'z', 'x']);
  const seen: string[] = [];
  const watching = definePlugin({
    name: 'Watching',
    filter: (_, { node }) => {
      seen.push(node.metadata.name);
      return fits;
    },
  });
  await decide(podOf('p'), cluster, optionsOf({ plugins: [watching], startAt: 299 }));
  expect(seen.slice(0, 2)).toEqual([cluster.nodes[299], cluster.nodes[0]].map((info) => info?.node.metadata.name));
});

test('where room was made for it a pod goes at once, if it fits there', async () => {
  const cluster = viewOf(snapshotOf(3, (index) => ({ cpu: index + 1 })));
  const nominated = { ...podOf('p'), status: { nominatedNodeName: 'n0' } } as unknown as Pod;
  expect(await decide(nominated, cluster, optionsOf())).toMatchObject({ nodeName: 'n0', looked: 0 });
  const large = { ...podOf('p', { cpu: 1500 }), status: { nominatedNodeName: 'n0' } } as unknown as Pod;
  expect(await decide(large, cluster, optionsOf())).not.toMatchObject({ nodeName: 'n0' });
});

test('room that was made for others of no lower priority is taken, for lower ones it is not', async () => {
  const cluster = viewOf(snapshotOf(1));
  const other = (priority: number): Pod => ({
    ...podOf('other', { cpu: 1500 }),
    spec: { ...podOf('other', { cpu: 1500 }).spec, priority },
  });
  const beside = (priority: number) => optionsOf({ nominatedOn: () => [other(priority)] });
  expect('refusal' in (await decide(podOf('p', { cpu: 700 }), cluster, beside(0)))).toBe(true);
  expect('refusal' in (await decide(podOf('p', { cpu: 700 }), cluster, beside(-1)))).toBe(false);
});

test('plugins that narrow down are believed together; the rest is not looked at', async () => {
  const only = (name: string, ...names: string[]): Plugin =>
    definePlugin({
      name,
      prepare: () => ({ state: undefined, onlyNodes: new Set(names) }),
      filter: () => unschedulable('no'),
    });
  const narrowing = [only('B', 'n0', 'n1'), only('A', 'n1', 'n2', 'absent')];
  const decision = await decide(podOf('p'), viewOf(snapshotOf(4)), optionsOf({ plugins: narrowing }));
  expect(decision.looked).toBe(1);
  expect('refusal' in decision && refusalMessage(decision.refusal, '')).toBe(
    "0/4 nodes are available: 1 no, 3 node(s) didn't satisfy plugin(s) [A B].",
  );
});

test('an extender takes nodes away and adds to the scores', async () => {
  const cluster = viewOf(snapshotOf(4));
  const refused = new Map([[cluster.nodes[0] as NodeInfo, unschedulable('not there')]]);
  const extender: Extender = {
    name: 'outside',
    isIgnorable: false,
    isInterested: () => true,
    filter: async () => refused,
    prioritize: async (_, nodes) => nodes.map(({ node }) => (node.metadata.name === 'n2' ? 1_000 : 0)),
  };
  expect(await decide(podOf('p'), cluster, optionsOf({ extenders: [extender] }))).toMatchObject({ nodeName: 'n2' });
  const all: Extender = {
    ...extender,
    filter: async (_, nodes) => new Map(nodes.map((node) => [node, unschedulable('not there')])),
  };
  const decision = await decide(podOf('p'), cluster, optionsOf({ extenders: [all] }));
  expect('refusal' in decision && refusalMessage(decision.refusal, '')).toBe('0/4 nodes are available: 4 not there.');
  expect('refusal' in decision && decision.refusal.refusedBy.every(({ retryWhen }) => retryWhen === undefined)).toBe(
    true,
  );
});

test('others run between the nodes when it is time', async () => {
  let pauses = 0;
  const breathe = async () => {
    pauses++;
  };
  await decide(podOf('p'), viewOf(snapshotOf(1_000)), optionsOf({ breathe }));
  expect(pauses).toBeGreaterThan(3);
});
