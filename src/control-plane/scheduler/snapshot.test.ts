import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Node } from '#api/core/v1/node.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import { matchesLabels, selectorOfLabels } from '#api/machinery/label-selector.ts';
import type { Tally } from './define-plugin.ts';
import { NodeInfo } from './node-info.ts';
import { OwnedTerms } from './plugins/owned-terms.ts';
import { affinityTermsOf } from './plugins/pod-affinity-terms.ts';
import { TopologyCounts } from './plugins/topology-counts.ts';
import { Snapshot } from './snapshot.ts';
import { Tallies } from './tallies.ts';

const ZONE = 'topology.kubernetes.io/zone';

interface NodeOf {
  name: string;
  zone: string | undefined;
  cpu: number;
  heartbeat: number;
}

const nodeOf = ({ name, zone, cpu, heartbeat }: NodeOf): Node =>
  ({
    metadata: { name, labels: { host: name, ...(zone && { [ZONE]: zone }) } },
    spec: {},
    status: {
      allocatable: { cpu: String(cpu), pods: '10' },
      conditions: [{ type: 'Ready', lastHeartbeatTime: heartbeat }],
    },
  }) as unknown as Node;

interface PodOf {
  name: string;
  color: string;
  cpu: number;
  gpus: number;
  hostPort: number;
  isShy: boolean;
  isGoing: boolean;
}

const podOf = ({ name, color, cpu, gpus, hostPort, isShy, isGoing }: PodOf, nodeName?: string): Pod => {
  const term = { labelSelector: { matchLabels: { color } }, topologyKey: ZONE };
  return {
    metadata: {
      name,
      namespace: 'default',
      uid: name,
      labels: { color },
      ...(isGoing && { deletionTimestamp: 'now' }),
    },
    spec: {
      ...(nodeName && { nodeName }),
      containers: [
        {
          name: 'main',
          resources: {
            requests: { ...(cpu > 0 && { cpu: `${cpu}m` }), ...(gpus > 0 && { 'example.com/gpu': String(gpus) }) },
          },
          ports: hostPort > 0 ? [{ hostPort, protocol: 'TCP' }] : [],
        },
      ],
      ...(isShy && { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } } }),
    },
  } as unknown as Pod;
};

const nodeNames = fc.constantFrom('a', 'b');
const nodes = fc.record({
  name: nodeNames,
  zone: fc.constantFrom('x', 'y', undefined),
  cpu: fc.constantFrom(1, 2),
  heartbeat: fc.nat(3),
});
const pods = fc.record({
  name: fc.constantFrom('p', 'q', 'r'),
  color: fc.constantFrom('blue', 'red'),
  cpu: fc.constantFrom(0, 0, 0, 250),
  gpus: fc.constantFrom(0, 0, 0, 0, 0, 1),
  hostPort: fc.constantFrom(0, 0, 0, 0, 0, 80),
  isShy: fc.constantFrom(false, false, false, true),
  isGoing: fc.boolean(),
});
const events = fc.oneof(
  { weight: 3, arbitrary: fc.record({ what: fc.constant('put node' as const), node: nodes }) },
  fc.record({ what: fc.constant('remove node' as const), name: nodeNames }),
  { weight: 4, arbitrary: fc.record({ what: fc.constant('put pod' as const), pod: pods, on: nodeNames }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('assume' as const), pod: pods, on: nodeNames }) },
  fc.record({ what: fc.constant('forget' as const), pod: pods }),
  { weight: 2, arbitrary: fc.record({ what: fc.constant('remove pod' as const), pod: pods }) },
  fc.record({ what: fc.constant('count' as const) }),
);
type Event = typeof events extends fc.Arbitrary<infer T> ? T : never;

function apply(snapshot: Snapshot, event: Event): void {
  if (event.what === 'put node') snapshot.putNode(nodeOf(event.node));
  else if (event.what === 'remove node') snapshot.removeNode(event.name);
  else if (event.what === 'put pod') snapshot.putPod(podOf(event.pod, event.on));
  else if (event.what === 'assume') snapshot.assume(podOf(event.pod, event.on), event.on);
  else if (event.what === 'forget') snapshot.forget(podOf(event.pod));
  else if (event.what === 'remove pod') snapshot.removePod(podOf(event.pod));
  else countAll(snapshot);
}

const blue = selectorOfLabels({ color: 'blue' });
const counts = () =>
  new TopologyCounts({
    domainOf: ({ node }) => node.metadata.labels?.[ZONE],
    matches: ({ metadata }) => !metadata.deletionTimestamp && matchesLabels(blue, metadata.labels),
  });
const guards = () => new OwnedTerms((pod) => affinityTermsOf(pod).requiredAnti);
const cluster = { cached: () => ({ get: () => undefined, list: () => [], inNamespace: () => [] }) };
const probe = (color: string) =>
  podOf({ name: 'probe', color, cpu: 0, gpus: 0, hostPort: 0, isShy: false, isGoing: false });

function countAll(snapshot: { tally<T extends Tally>(key: string, make: () => T): T }) {
  const zones = snapshot.tally('zones', counts);
  const said = snapshot.tally('guards', guards);
  return {
    zones: ['x', 'y'].map((zone) => [
      zones.has(zone),
      zones.at(zone),
      zones.leastWith(zone, 1),
      zones.leastWith(zone, -1),
    ]),
    least: zones.leastWith(),
    total: zones.total,
    domains: zones.domains,
    guards: ['blue', 'red'].map((color) =>
      said.about(probe(color), cluster as never).map(({ domains }) => [...domains].sort()),
    ),
  };
}

/** As one would count by hand. */
function naively({ nodes: there }: Snapshot) {
  const inZone = (zone: string) => there.filter(({ node }) => node.metadata.labels?.[ZONE] === zone);
  const isBlue = ({ metadata }: Pod) => !metadata.deletionTimestamp && metadata.labels?.color === 'blue';
  const zones = new Map(
    ['x', 'y'].flatMap((zone) => {
      const among = inZone(zone);
      return among.length > 0 ? [[zone, among.flatMap(({ pods: placed }) => placed.filter(isBlue)).length]] : [];
    }),
  );
  const leastWith = (zone: string, extra: number) =>
    zones.size > 0 ? Math.min(...[...zones].map(([name, count]) => count + (name === zone ? extra : 0))) : 0;
  return {
    zones: ['x', 'y'].map((zone) => [zones.has(zone), zones.get(zone) ?? 0, leastWith(zone, 1), leastWith(zone, -1)]),
    least: leastWith('', 0),
    total: [...zones.values()].reduce((sum, count) => sum + count, 0),
    domains: zones.size,
  };
}

const sums = (info: NodeInfo) => ({
  pods: info.pods,
  podCount: info.podCount,
  podsWithAffinity: info.podsWithAffinity,
  podsWithRequiredAntiAffinity: info.podsWithRequiredAntiAffinity,
  hostPorts: info.hostPorts,
  ...Object.fromEntries(
    (['requested', 'assumed', 'allocatable'] as const).map((name) => [
      name,
      [[...info[name].common], [...info[name].others].sort()],
    ]),
  ),
});

test('whatever comes and goes, a node adds up to what a new count of its pods gives', () => {
  fc.assert(
    fc.property(fc.array(events, { minLength: 30, maxLength: 80 }), (history) => {
      const snapshot = new Snapshot();
      for (const event of history) {
        apply(snapshot, event);
        for (const info of snapshot.nodes) {
          expect(sums(info)).toEqual(sums(NodeInfo.of(info.node, info.pods)));
          expect(snapshot.node(info.node.metadata.name)).toBe(info);
        }
      }
    }),
  );
});

test('what is counted over the cluster and kept current is what a new count gives', () => {
  fc.assert(
    fc.property(fc.array(events, { minLength: 30, maxLength: 80 }), (history) => {
      const snapshot = new Snapshot();
      countAll(snapshot); // from now on it is kept
      for (const event of history) apply(snapshot, event);
      const anew = new Tallies();
      const fresh = { tally: <T extends Tally>(key: string, make: () => T) => anew.of(key, snapshot.nodes, make) };
      expect(countAll(snapshot)).toEqual(countAll(fresh));
      expect(countAll(snapshot)).toMatchObject(naively(snapshot));
    }),
    { numRuns: 300 },
  );
});

test('a pod is on one node at most, and on none that it is not said to be on', () => {
  fc.assert(
    fc.property(fc.array(events, { minLength: 30, maxLength: 80 }), (history) => {
      const snapshot = new Snapshot();
      const where = new Map<string, string>();
      const known = new Set<string>();
      for (const event of history) {
        const assumed = 'pod' in event && snapshot.isAssumed(podOf(event.pod));
        apply(snapshot, event);
        if (event.what === 'put pod' || event.what === 'assume') where.set(event.pod.name, event.on);
        if (event.what === 'remove pod' || (event.what === 'forget' && assumed)) where.delete(event.pod.name);
        if (event.what === 'put node') known.add(event.node.name);
        if (event.what === 'remove node') known.delete(event.name);
      }
      const found = snapshot.nodes.flatMap(({ node, pods }) =>
        pods.map((pod) => [pod.metadata.name, node.metadata.name]),
      );
      expect(found.sort()).toEqual([...where].filter(([, on]) => known.has(on)).sort());
    }),
  );
});

test('a count that has missed too much is made anew', () => {
  const snapshot = new Snapshot();
  snapshot.putNode(nodeOf({ name: 'a', zone: 'x', cpu: 1, heartbeat: 0 }));
  snapshot.tally('zones', counts);
  const pod = { name: 'p', color: 'blue', cpu: 0, gpus: 0, hostPort: 0, isShy: false, isGoing: false };
  for (let i = 0; i < 30_001; i++) {
    if (i % 2 === 0) snapshot.putPod(podOf(pod, 'a'));
    else snapshot.removePod(podOf(pod));
  }
  expect(snapshot.tally('zones', counts).at('x')).toBe(1);
});
