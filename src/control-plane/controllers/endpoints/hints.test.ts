import { expect, test } from 'vitest';
import { Event } from '#api/core/v1/event.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { Service } from '#api/core/v1/service.ts';
import { EndpointSlice } from '#api/discovery/v1/endpoint-slice.ts';
import { node, pod, service, startCluster, type TestCluster } from '#testing/cluster.ts';
import { endpointSliceController } from './endpoint-slice.ts';

const ZONE = 'topology.kubernetes.io/zone';
const AUTO = { 'service.kubernetes.io/topology-mode': 'Auto' };

/** Nodes by zone and cores; a zone '' is none. */
async function start(nodes: readonly (readonly [zone: string, cores: number])[]) {
  const cluster = await startCluster({ controllers: [endpointSliceController] });
  for (const [index, [zone, cores]] of nodes.entries()) {
    const created = await cluster.create(Node, node(`node${index}`, { ...(zone && { labels: { [ZONE]: zone } }) }));
    const conditions = [{ type: 'Ready', status: 'True' as const }];
    await cluster.updateStatus(Node, { ...created, status: { allocatable: { cpu: `${cores}` }, conditions } });
  }
  return cluster;
}

async function run(cluster: TestCluster, nodeNames: readonly string[], { ready = true } = {}) {
  const before = cluster.list(Pod).length;
  for (const [index, nodeName] of nodeNames.entries()) {
    const at = before + index + 1;
    const created = await cluster.create(Pod, pod(`web-${at}`, { nodeName }, { labels: { app: 'web' } }));
    const ip = `10.244.0.${at}`;
    const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False' }];
    await cluster.updateStatus(Pod, {
      ...created,
      status: { phase: 'Running', podIP: ip, podIPs: [{ ip }], conditions },
    });
    await cluster.settles();
  }
}

const hints = (cluster: TestCluster) =>
  cluster
    .list(EndpointSlice)
    .flatMap(({ endpoints }) => endpoints)
    .map(({ nodeName, hints: each }) => {
      const zones = (each?.forZones ?? []).map(({ name }) => name);
      return [nodeName, ...zones, ...(each?.forNodes ?? []).map(({ name }) => name)].join(' ');
    })
    .sort();
const told = async (cluster: TestCluster) => {
  await cluster.passes(1_000);
  return cluster.list(Event).map(({ type, reason, message }) => `${type} ${reason}: ${message}`);
};

test.each([
  ['PreferSameZone', ['node0 a', 'node1 b', 'node2']],
  ['PreferClose', ['node0 a', 'node1 b', 'node2']],
  ['PreferSameNode', ['node0 a node0', 'node1 b node1', 'node2 node2']],
])('with trafficDistribution %s an endpoint is for where it is', async (trafficDistribution, wanted) => {
  await using cluster = await start([
    ['a', 1],
    ['b', 1],
    ['', 1],
  ]);
  await cluster.create(Service, service('web', { trafficDistribution }));
  await run(cluster, ['node0', 'node1', 'node2']);
  expect(hints(cluster)).toEqual(wanted);
  const before = cluster.list(EndpointSlice).map(({ metadata }) => metadata.resourceVersion);
  await cluster.patch(Service, 'default/web', { metadata: { annotations: { touched: 'yes' } } });
  await cluster.settles();
  expect(cluster.list(EndpointSlice).map(({ metadata }) => metadata.resourceVersion)).toEqual(before);

  await cluster.patch(Service, 'default/web', { spec: { trafficDistribution: null } });
  await cluster.settles();
  expect(hints(cluster)).toEqual(['node0', 'node1', 'node2']);
  expect(await told(cluster)).toEqual([]);
});

test('endpoints that are not ready have no hints', async () => {
  await using cluster = await start([['a', 1]]);
  await cluster.create(Service, service('web', { trafficDistribution: 'PreferSameZone' }));
  await run(cluster, ['node0']);
  await run(cluster, ['node0'], { ready: false });
  expect(hints(cluster)).toEqual(['node0', 'node0 a']);
});

test('topology-aware routing gives zones endpoints by their share of CPU', async () => {
  await using cluster = await start([
    ['a', 4],
    ['b', 4],
    ['c', 4],
  ]);
  await cluster.create(Service, {
    ...service('web'),
    metadata: { name: 'web', namespace: 'default', annotations: AUTO },
  });
  await run(cluster, ['node0', 'node0', 'node0', 'node0', 'node1', 'node2']);
  const zones = hints(cluster).map((text) => text.split(' ')[1]);
  expect(zones.sort()).toEqual(['a', 'a', 'b', 'b', 'c', 'c']);
  expect(await told(cluster)).toContain(
    'Normal TopologyAwareHintsEnabled: Topology Aware Hints has been enabled, addressType: IPv4',
  );

  await cluster.patch(Service, 'default/web', { metadata: { annotations: null } });
  await cluster.settles();
  expect(hints(cluster).every((text) => !text.includes(' '))).toBe(true);
  expect((await told(cluster)).at(-1)).toBe(
    'Warning TopologyAwareHintsDisabled: Topology Aware Hints has been disabled, addressType: IPv4',
  );
});

test.each<[string, [string, number][], string[], string]>([
  [
    'a node has no zone',
    [
      ['a', 1],
      ['', 1],
    ],
    ['node0', 'node0'],
    'Insufficient Node information: allocatable CPU or zone not specified on one or more nodes',
  ],
  [
    'there are fewer endpoints than zones',
    [
      ['a', 1],
      ['b', 1],
      ['c', 1],
    ],
    ['node0', 'node1'],
    'Insufficient number of endpoints (2 endpoints, 3 zones)',
  ],
  [
    'one zone would have too few',
    [
      ['a', 1],
      ['b', 1],
    ],
    ['node0', 'node0', 'node1'],
    'Unable to allocate minimum required endpoints to each zone without exceeding overload threshold (3 endpoints, 2 zones)',
  ],
])('no hints where %s, and the Service is told', async (_, nodes, pods, why) => {
  await using cluster = await start(nodes);
  await cluster.create(Service, {
    ...service('web'),
    metadata: { name: 'web', namespace: 'default', annotations: AUTO },
  });
  await run(cluster, pods);
  expect(hints(cluster).every((text) => !text.includes(' '))).toBe(true);
  expect(await told(cluster)).toContain(`Warning TopologyAwareHintsDisabled: ${why}, addressType: IPv4`);
});

test('when zones gain or lose nodes, endpoints are given anew', async () => {
  await using cluster = await start([
    ['a', 4],
    ['b', 4],
  ]);
  await cluster.create(Service, {
    ...service('web'),
    metadata: { name: 'web', namespace: 'default', annotations: AUTO },
  });
  await run(cluster, ['node0', 'node0', 'node1', 'node1']);
  expect(hints(cluster)).toEqual(['node0 a', 'node0 a', 'node1 b', 'node1 b']);
  await cluster.delete(Node, 'node1');
  await cluster.settles();
  expect(hints(cluster).every((text) => !text.includes(' '))).toBe(true);
});
