/** Beside whom a pod may go, and beside whom it goes best. Source: "Assigning Pods to Nodes"; KEP-2249, KEP-3633. */
import { expect, test } from 'vitest';
import type { Affinity, Node, Pod, PodAffinityTerm } from '#api/generated/schema.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { schedulerView } from '#testing/scheduler-view.ts';
import { interPodAffinity, interPodAffinityWith } from './inter-pod-affinity.ts';

const ZONE = 'topology.kubernetes.io/zone';

/** `a1` is in zone a; `x` stands for a node without a zone. */
const NODES = ['a1', 'a2', 'b1', 'c1', 'x'].map(
  (name) =>
    ({ metadata: { name, labels: name === 'x' ? {} : { [ZONE]: name[0] } }, spec: {}, status: {} }) as unknown as Node,
);
const pod = (labels: object, affinity: Affinity = {}, namespace = 'default') =>
  ({
    metadata: { name: 'p', uid: `${JSON.stringify([labels, affinity, namespace])}`, namespace, labels },
    spec: { containers: [], affinity },
  }) as unknown as Pod;

const term = (app: string, more: Partial<PodAffinityTerm> = {}): PodAffinityTerm => ({
  topologyKey: ZONE,
  labelSelector: { matchLabels: { app } },
  ...more,
});
const beside = (...terms: PodAffinityTerm[]): Affinity => ({
  podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms },
});
const apart = (...terms: PodAffinityTerm[]): Affinity => ({
  podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms },
});
const gladly = (weight: number, podAffinityTerm: PodAffinityTerm): Affinity => ({
  podAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight, podAffinityTerm }] },
});
const reluctantly = (weight: number, podAffinityTerm: PodAffinityTerm): Affinity => ({
  podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight, podAffinityTerm }] },
});

const [db, cache] = [pod({ app: 'db' }), pod({ app: 'cache' })];
const NAMESPACES = ['default', 'shop', 'bank'].map(
  (name) => ({ metadata: { name, labels: { team: name } } }) as unknown as KubeObject,
);
const viewOf = (there: Record<string, Pod[]>) =>
  schedulerView(NODES, there, ({ kind }) => (kind === 'Namespace' ? NAMESPACES : []));

/** The nodes that it may go to, alike by both ways to ask. */
function places(subject: Pod, there: Record<string, Pod[]>): string[] {
  const cluster = viewOf(there);
  const prepared = interPodAffinity.prepare?.(subject, cluster);
  if (prepared === 'skip') return ['any'];
  const state = prepared && 'state' in prepared ? prepared.state : undefined;
  return cluster.nodes.flatMap((info, place) => {
    const verdict = interPodAffinity.filter?.(subject, info, state);
    expect(interPodAffinity.filterAt?.(place, state)).toEqual(verdict);
    return verdict?.fits ? [info.node.metadata.name] : [];
  });
}

const keyed = { matchLabelKeys: ['version'] };
const madeWith = (version: string) => ({
  matchLabels: { app: 'db' },
  matchExpressions: [{ key: 'version', operator: 'In' as const, values: [version] }],
});
const unlike = { mismatchLabelKeys: ['tenant'], labelSelector: {} };

test.each<[string, Pod, Record<string, Pod[]>, string[]]>([
  ['that has no wishes, of whom nobody has any', pod({}), { a1: [db] }, ['any']],
  ['in the zone of the one to be beside', pod({}, beside(term('db'))), { a1: [db] }, ['a1', 'a2']],
  [
    'where one pod meets all of its terms',
    pod({}, beside(term('db'), { topologyKey: ZONE, labelSelector: { matchLabels: { tier: 'gold' } } })),
    { a1: [db], b1: [pod({ app: 'db', tier: 'gold' })], c1: [pod({ tier: 'gold' })] },
    ['b1'],
  ],
  [
    'anywhere with a zone, as the first of its own kind',
    pod({ app: 'me' }, beside(term('me'))),
    {},
    ['a1', 'a2', 'b1', 'c1'],
  ],
  ['nowhere, when it is not of the kind that is missing', pod({ app: 'me' }, beside(term('db'))), {}, []],
  ['outside the zone of the one to be apart from', pod({}, apart(term('db'))), { a1: [db] }, ['b1', 'c1', 'x']],
  [
    'outside the zones of all that it is to be apart from',
    pod({}, apart(term('db'), term('cache'))),
    { a1: [db], b1: [cache] },
    ['c1', 'x'],
  ],
  [
    'outside the zone of one that wants to be apart from it',
    pod({ app: 'me' }),
    { b1: [pod({}, apart(term('me')))] },
    ['a1', 'a2', 'c1', 'x'],
  ],
  [
    'beside those of its own version',
    pod({ version: '2' }, beside(term('db', keyed))),
    { a1: [pod({ app: 'db', version: '1' })], b1: [pod({ app: 'db', version: '2' })] },
    ['b1'],
  ],
  [
    'beside those of the version that it was made with, whatever its label says now',
    pod({ version: '2' }, beside(term('db', { ...keyed, labelSelector: madeWith('1') }))),
    { a1: [pod({ app: 'db', version: '1' })], b1: [pod({ app: 'db', version: '2' })] },
    ['a1', 'a2'],
  ],
  [
    'apart from those of another tenant, not of its own and not of none',
    pod({ tenant: 'mine' }, apart(term('', unlike))),
    { a1: [pod({ tenant: 'other' })], b1: [pod({ tenant: 'mine' })] },
    ['b1', 'c1', 'x'],
  ],
  [
    'apart from its own namespace only',
    pod({}, apart(term('db'))),
    { a1: [pod({ app: 'db' }, {}, 'shop')] },
    ['a1', 'a2', 'b1', 'c1', 'x'],
  ],
  [
    'apart from a namespace by name',
    pod({}, apart(term('db', { namespaces: ['shop'] }))),
    { a1: [pod({ app: 'db' }, {}, 'shop')], b1: [db] },
    ['b1', 'c1', 'x'],
  ],
  [
    'apart from namespaces by label, and by name',
    pod({}, apart(term('db', { namespaces: ['bank'], namespaceSelector: { matchLabels: { team: 'shop' } } }))),
    { a1: [pod({ app: 'db' }, {}, 'shop')], b1: [pod({ app: 'db' }, {}, 'bank')], c1: [db] },
    ['c1', 'x'],
  ],
  [
    'apart from every namespace, where the selector is empty',
    pod({}, apart(term('db', { namespaceSelector: {} }))),
    { a1: [pod({ app: 'db' }, {}, 'shop')], b1: [pod({ app: 'db' }, {}, 'bank')], c1: [db] },
    ['x'],
  ],
])('a pod goes %s', (_what, subject, there, expected) => {
  expect(places(subject, there).sort()).toEqual(expected);
});

/** As they count, by node. */
function scores(
  subject: Pod,
  there: Record<string, Pod[]>,
  plugin = interPodAffinity,
): Record<string, number> | 'skip' {
  const cluster = viewOf(there);
  const prepared = plugin.prepare?.(subject, cluster);
  const known = prepared && prepared !== 'skip' && 'state' in prepared ? prepared.state : undefined;
  const state = plugin.prepareScore?.(subject, cluster.nodes, cluster, known);
  if (state === 'skip') return 'skip';
  const given = Float64Array.from(cluster.nodes, (info) => plugin.score?.(subject, info, state) ?? Number.NaN);
  plugin.normalize?.(given, cluster.nodes, state);
  return Object.fromEntries(cluster.nodes.map(({ node: { metadata } }, i) => [metadata.name, given[i] ?? Number.NaN]));
}

const NOWHERE = 'skip';
test.each<[string, Pod, Record<string, Pod[]>, Record<string, number> | 'skip']>([
  ['nothing, where nobody wishes anything', pod({}), { a1: [db] }, NOWHERE],
  ['nothing, where nobody is whom it wishes for', pod({}, gladly(10, term('db'))), { a1: [cache] }, NOWHERE],
  [
    'each pod that it likes, by the weight',
    pod({}, gladly(10, term('db'))),
    { a1: [db], b1: ['x', 'y'].map((of) => pod({ app: 'db', of })) },
    { a1: 50, a2: 50, b1: 100, c1: 0, x: 0 },
  ],
  [
    'against one that it does not like',
    pod({}, reluctantly(10, term('db'))),
    { a1: [db] },
    { a1: 0, a2: 0, b1: 100, c1: 100, x: 100 },
  ],
  [
    'likes and dislikes together',
    pod({}, { ...gladly(30, term('db')), ...reluctantly(10, term('cache')) }),
    { a1: [db], b1: [cache] },
    { a1: 100, a2: 100, b1: 0, c1: 25, x: 25 },
  ],
  [
    'what pods that are there like and dislike',
    pod({ app: 'me' }),
    { a1: [pod({}, gladly(20, term('me')))], b1: [pod({}, reluctantly(20, term('me')))] },
    { a1: 100, a2: 100, b1: 0, c1: 50, x: 50 },
  ],
  [
    'a little that a pod there must be beside one like it',
    pod({ app: 'me' }),
    { a1: [pod({}, beside(term('me')))], b1: [pod({}, gladly(4, term('me')))] },
    { a1: 25, a2: 25, b1: 100, c1: 0, x: 0 },
  ],
])('for the score counts %s', (_what, subject, there, expected) => {
  expect(scores(subject, there)).toEqual(expected);
});

test('a profile says how much a required term counts, and whether the wishes of others do for a pod without any', () => {
  const there = { a1: [pod({}, beside(term('me')))], b1: [pod({}, gladly(10, term('me')))] };
  const heavy = interPodAffinityWith({ hardPodAffinityWeight: 20 });
  expect(scores(pod({ app: 'me' }), there, heavy)).toEqual({ a1: 100, a2: 100, b1: 50, c1: 0, x: 0 });
  const none = interPodAffinityWith({ hardPodAffinityWeight: 0 });
  expect(scores(pod({ app: 'me' }), there, none)).toEqual({ a1: 0, a2: 0, b1: 100, c1: 0, x: 0 });
  const deaf = interPodAffinityWith({ ignorePreferredTermsOfExistingPods: true });
  expect(scores(pod({ app: 'me' }), there, deaf)).toBe('skip');
});
