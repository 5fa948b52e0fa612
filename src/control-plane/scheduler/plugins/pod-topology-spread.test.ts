/** Where a pod that is to be spread may go, and where it goes best. Source: KEP-895, KEP-3022, KEP-3094, KEP-3243. */
import { expect, test } from 'vitest';
import type { Node, Pod, TopologySpreadConstraint } from '#api/generated/schema.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { schedulerView } from '#testing/scheduler-view.ts';
import type { ClusterView, Plugin } from '../define-plugin.ts';
import { podTopologySpread, podTopologySpreadWith } from './pod-topology-spread.ts';

const ZONE = 'topology.kubernetes.io/zone';
const HOSTNAME = 'kubernetes.io/hostname';

/** `a1` is in zone a; `x` stands for a node without a zone. */
const node = (name: string, taints: object[] = []): Node => {
  const labels = { [HOSTNAME]: name, ...(name !== 'x' && { [ZONE]: name[0] }) };
  return { metadata: { name, labels }, spec: { taints }, status: {} } as unknown as Node;
};
const pod = (name: string, labels: object, more: { metadata?: object; spec?: object } = {}): Pod =>
  ({
    metadata: { name, uid: name, namespace: 'default', labels, ...more.metadata },
    spec: { containers: [], ...more.spec },
  }) as unknown as Pod;

type There = Record<string, Pod[]>;
const web = (name: string, labels: object = {}) => pod(name, { app: 'web', ...labels });
/** Two in zone a, one in zone b. */
const THERE: There = { a1: [web('w1')], a2: [web('w2')], b1: [web('w3')] };

const zones = (more: Partial<TopologySpreadConstraint> = {}): TopologySpreadConstraint => ({
  ...{ topologyKey: ZONE, maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule' },
  labelSelector: { matchLabels: { app: 'web' } },
  ...more,
});
const spread = (constraints: readonly TopologySpreadConstraint[], spec: object = {}, labels: object = {}) =>
  pod('new', { app: 'web', ...labels }, { spec: { topologySpreadConstraints: constraints, ...spec } });

const TOO_MANY = "node(s) didn't match pod topology spread constraints";
const NOT_LABELLED = `${TOO_MANY} (missing required label)`;
const WORDS: Record<string, string> = { [TOO_MANY]: 'too many', [NOT_LABELLED]: 'no label' };

/** What is said of each node, alike by both ways to ask. */
function verdicts(plugin: Plugin, subject: Pod, cluster: ClusterView): Record<string, string> {
  const prepared = plugin.prepare?.(subject, cluster);
  if (prepared === 'skip' || !prepared || !('state' in prepared)) return { all: `${prepared}` };
  return Object.fromEntries(
    cluster.nodes.map((info, place) => {
      const verdict = plugin.filter?.(subject, info, prepared.state);
      expect(plugin.filterAt?.(place, prepared.state)).toEqual(verdict);
      const said = !verdict || verdict.fits ? 'fits' : (WORDS[verdict.reasons.join()] ?? verdict.reasons.join());
      return [info.node.metadata.name, said];
    }),
  );
}

const [NODES, FULL] = [['a1', 'a2', 'b1'].map((name) => node(name)), { key: 'full', effect: 'NoSchedule' }];
const WITH_C = [...NODES, node('c1', [FULL])];
const WITH_SOFT_C = [...NODES, node('c1', [{ ...FULL, effect: 'PreferNoSchedule' }])];
const ONLY_B = { a1: 'too many', a2: 'too many', b1: 'fits' };
const NO_OLD = { a1: 'too many', a2: 'too many', b1: 'too many' };
const ANY = { a1: 'fits', a2: 'fits', b1: 'fits' };
const MADE_WITH_1 = {
  matchLabels: { app: 'web' },
  matchExpressions: [{ key: 'version', operator: 'In' as const, values: ['1'] }],
};
const tolerations = [{ key: 'full', operator: 'Exists' }];

test.each<[string, Pod, Record<string, string>, { nodes?: Node[]; there?: There }?]>([
  ['the zone with fewer', spread([zones()]), ONLY_B],
  ['any zone within the skew', spread([zones({ maxSkew: 2 })]), ANY],
  ['any zone for a pod that does not count itself', pod('new', {}, { spec: spread([zones()]).spec }), ANY],
  ['nowhere that is there while there are fewer zones than asked for', spread([zones({ minDomains: 3 })]), NO_OLD],
  ['the zone with fewer once there are as many zones', spread([zones({ minDomains: 2 })]), ONLY_B],
  ['zones that it may not go to do not count', spread([zones()], { nodeSelector: { [ZONE]: 'a' } }), ANY],
  [
    'they count where affinity is ignored',
    spread([zones({ nodeAffinityPolicy: 'Ignore' })], { nodeSelector: { [ZONE]: 'a' } }),
    ONLY_B,
  ],
  ['a tainted zone counts', spread([zones()]), { ...NO_OLD, c1: 'fits' }, { nodes: WITH_C }],
  [
    'it does not where taints are honoured',
    spread([zones({ nodeTaintsPolicy: 'Honor' })]),
    { ...ONLY_B, c1: 'fits' },
    { nodes: WITH_C },
  ],
  [
    'it does for a pod that tolerates them',
    spread([zones({ nodeTaintsPolicy: 'Honor' })], { tolerations }),
    { ...NO_OLD, c1: 'fits' },
    { nodes: WITH_C },
  ],
  [
    'it does where the taint only asks',
    spread([zones({ nodeTaintsPolicy: 'Honor' })]),
    { ...NO_OLD, c1: 'fits' },
    { nodes: WITH_SOFT_C },
  ],
  ['only pods of the same version count', spread([zones({ matchLabelKeys: ['version'] })], {}, { version: '2' }), ANY],
  [
    'they do count',
    spread([zones({ matchLabelKeys: ['version'] })], {}, { version: '2' }),
    { a1: 'too many', a2: 'too many', b1: 'fits' },
    { there: { a1: [web('w1', { version: '2' })], b1: [web('w2', { version: '1' })] } },
  ],
  [
    'those of the version that it was made with count, whatever its label says now',
    spread([zones({ matchLabelKeys: ['version'], labelSelector: MADE_WITH_1 })], {}, { version: '2' }),
    { a1: 'fits', a2: 'fits', b1: 'too many' },
    { there: { a1: [web('w1', { version: '2' })], b1: ['w2', 'w3'].map((name) => web(name, { version: '1' })) } },
  ],
  ['a key that the pod lacks says nothing', spread([zones({ matchLabelKeys: ['version'] })]), ONLY_B],
  [
    'pods that are going do not count',
    spread([zones()]),
    ANY,
    { there: { a1: [pod('w1', { app: 'web' }, { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } })] } },
  ],
  [
    'nor do those of other namespaces',
    spread([zones()]),
    ANY,
    { there: { a1: [pod('w1', { app: 'web' }, { metadata: { namespace: 'other' } })] } },
  ],
  [
    'all constraints hold, and a node counts only with the labels of all',
    spread([zones({ maxSkew: 2 }), zones({ topologyKey: HOSTNAME })]),
    { a1: 'too many', a2: 'fits', b1: 'fits', x: 'no label' },
    { nodes: [...NODES, node('x')], there: { a1: [web('w1')], x: [web('w2'), web('w3')] } },
  ],
])('strictly: %s', (_what, subject, expected, { nodes = NODES, there = THERE } = {}) => {
  const known = new Set(nodes.map(({ metadata }) => metadata.name));
  const cluster = schedulerView(nodes, Object.fromEntries(Object.entries(there).filter(([name]) => known.has(name))));
  expect(verdicts(podTopologySpread, subject, cluster)).toEqual(expected);
});

test('without a constraint of its own it is not judged, unless the profile has one for it', () => {
  const plain = pod('new', { app: 'web' });
  const services = () => [{ metadata: { name: 's' }, spec: { selector: { app: 'web' } } } as unknown as KubeObject];
  const cluster = schedulerView(NODES, THERE, services);
  expect(podTopologySpread.prepare?.(plain, cluster)).toBe('skip');
  const listed = podTopologySpreadWith({ defaultConstraints: [zones()], defaultingType: 'List' });
  expect(verdicts(listed, plain, cluster)).toEqual(ONLY_B);
  expect(listed.prepare?.(pod('other', { app: 'db' }), cluster)).toBe('skip');
});

/** As they count, by node. */
function scores(subject: Pod, cluster: ClusterView, plugin = podTopologySpread): Record<string, number> | 'skip' {
  const { nodes } = cluster;
  const state = plugin.prepareScore?.(subject, nodes, cluster, undefined);
  if (state === 'skip') return 'skip';
  const raw = nodes.map((info) => plugin.score?.(subject, info, state) ?? Number.NaN);
  expect(nodes.map((info, place) => plugin.score?.(subject, info, state, place))).toEqual(raw); // alike by both ways to ask
  const given = Float64Array.from(raw);
  plugin.normalize?.(given, nodes, state);
  return Object.fromEntries(nodes.map(({ node: { metadata } }, i) => [metadata.name, given[i] ?? Number.NaN]));
}

const soft = (more: Partial<TopologySpreadConstraint> = {}) => zones({ whenUnsatisfiable: 'ScheduleAnyway', ...more });

test.each<[string, TopologySpreadConstraint[], There, Record<string, number>]>([
  // Two pods weigh round(2 ln 4) = 3, one round(ln 4) = 1: of 3 + 1 - 3 and 3 + 1 - 1, in parts of 3.
  ['the zone with fewer is best', [soft()], THERE, { a1: 33, a2: 33, b1: 100, x: 0 }],
  ['a larger skew makes less of it', [soft({ maxSkew: 3 })], THERE, { a1: 60, a2: 60, b1: 100, x: 0 }],
  ['where nobody is all are as good', [soft()], {}, { a1: 100, a2: 100, b1: 100, x: 0 }],
  // By host: ln 6 each, of four nodes that all have the label.
  ['by host each node counts by itself', [soft({ topologyKey: HOSTNAME })], THERE, { a1: 0, a2: 0, b1: 0, x: 100 }],
  // Of three nodes with both labels: ln 4 for zones, ln 5 for hosts; 2 × 1.39 + 1.61 = 4, and 1.39 + 1.61 = 3.
  ['constraints add up', [soft(), soft({ topologyKey: HOSTNAME })], THERE, { a1: 75, a2: 75, b1: 100, x: 0 }],
])('softly: %s', (_what, constraints, there, expected) => {
  const cluster = schedulerView([...NODES, node('x')], there);
  expect(scores(spread(constraints), cluster)).toEqual(expected);
});

test('a pod that says nothing is spread among those of its Service, also over nodes without a zone', () => {
  const services = () => [{ metadata: { name: 's' }, spec: { selector: { app: 'web' } } } as unknown as KubeObject];
  const cluster = schedulerView([...NODES, node('x')], THERE, services);
  // Hosts weigh ln 6 and 2 for the skew, zones ln 4 and 4: 11, 11, 9, and 2 for the node without a zone or a pod.
  expect(scores(web('new'), cluster)).toEqual({ a1: 18, a2: 18, b1: 36, x: 100 });
  expect(scores(pod('new', { app: 'db' }), cluster)).toBe('skip');
  expect(scores(web('new'), schedulerView(NODES, THERE))).toBe('skip');
});
