import { expect, test } from 'vitest';
import { Endpoints } from '#api/core/v1/endpoints.ts';
import { Event } from '#api/core/v1/event.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { Service } from '#api/core/v1/service.ts';
import { EndpointSlice } from '#api/discovery/v1/endpoint-slice.ts';
import type { TestCluster } from '#testing/cluster.ts';
import { node, pod, service, startCluster } from '#testing/cluster.ts';
import { garbageCollector } from '../garbage-collector/garbage-collector.ts';
import { endpointSliceController } from './endpoint-slice.ts';
import { endpointsController } from './endpoints.ts';

const start = () => startCluster({ controllers: [endpointSliceController, endpointsController] });

interface Running {
  ip: string;
  ready?: boolean;
  nodeName?: string;
  containers?: Pod['spec']['containers'];
}

async function running(cluster: TestCluster, name: string, { ip, ready = true, ...spec }: Running) {
  const created = await cluster.create(Pod, pod(name, spec, { labels: { app: 'web' } }));
  await cluster.updateStatus(Pod, {
    ...created,
    status: {
      phase: 'Running',
      podIP: ip,
      podIPs: [{ ip }],
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    },
  });
}

const conditions = (ready: boolean, serving: boolean, terminating: boolean) => ({ ready, serving, terminating });

test('a Service leads to its pods, with the port that they listen on, the node and the zone', async () => {
  await using cluster = await start();
  await cluster.create(Node, node('node1', { labels: { 'topology.kubernetes.io/zone': 'a' } }));
  await cluster.create(Service, service('web'));
  await running(cluster, 'web-1', { ip: '10.244.0.2', nodeName: 'node1' });
  await cluster.settles();

  const [slice, ...others] = cluster.list(EndpointSlice);
  const uid = cluster.get(Pod, 'default/web-1')?.metadata.uid;
  expect(others).toEqual([]);
  expect(slice?.metadata.name).toMatch(/^web-[a-z0-9]{5}$/);
  expect(slice?.metadata.labels).toEqual({
    'kubernetes.io/service-name': 'web',
    'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
  });
  expect(slice).toMatchObject({
    addressType: 'IPv4',
    ports: [{ name: '', protocol: 'TCP', port: 8080 }],
    endpoints: [
      {
        addresses: ['10.244.0.2'],
        conditions: conditions(true, true, false),
        nodeName: 'node1',
        zone: 'a',
        targetRef: { kind: 'Pod', namespace: 'default', name: 'web-1', uid },
      },
    ],
  });
  expect(cluster.get(Endpoints, 'default/web')?.subsets).toEqual([
    {
      addresses: [
        { ip: '10.244.0.2', nodeName: 'node1', targetRef: { kind: 'Pod', namespace: 'default', name: 'web-1', uid } },
      ],
      ports: [{ port: 8080, protocol: 'TCP' }],
    },
  ]);
});

test('a pod that is not ready is an endpoint that is not ready; publishNotReadyAddresses makes it one that is', async () => {
  await using cluster = await start();
  await cluster.create(Service, service('web'));
  await running(cluster, 'web-1', { ip: '10.244.0.2', ready: false });
  await cluster.settles();
  expect(cluster.list(EndpointSlice)[0]?.endpoints[0]?.conditions).toEqual(conditions(false, false, false));
  expect(cluster.get(Endpoints, 'default/web')?.subsets?.[0]).toMatchObject({
    notReadyAddresses: [{ ip: '10.244.0.2' }],
  });
  await cluster.patch(Service, 'default/web', { spec: { publishNotReadyAddresses: true } });
  await cluster.settles();
  expect(cluster.list(EndpointSlice)[0]?.endpoints[0]?.conditions).toEqual(conditions(true, false, false));
  expect(cluster.get(Endpoints, 'default/web')?.subsets?.[0]).toMatchObject({ addresses: [{ ip: '10.244.0.2' }] });
});

test('a pod that is stopping serves on, but is no longer ready', async () => {
  await using cluster = await start();
  await cluster.create(Node, node('node1'));
  await cluster.create(Service, service('web'));
  await running(cluster, 'web-1', { ip: '10.244.0.2', nodeName: 'node1' });
  await cluster.delete(Pod, 'default/web-1');
  await cluster.settles();
  expect(cluster.list(EndpointSlice)[0]?.endpoints[0]?.conditions).toEqual(conditions(false, true, true));
  await cluster.delete(Pod, 'default/web-1', { gracePeriodSeconds: 0 });
  await cluster.settles();
  expect(cluster.list(EndpointSlice).map(({ endpoints }) => endpoints)).toEqual([[]]);
});

test('pods that give a port name another number stand in slices of their own', async () => {
  await using cluster = await start();
  await cluster.create(
    Service,
    service('web', { ports: [{ port: 80, targetPort: 'http', protocol: 'TCP', name: 'web' }] }),
  );
  const listening = (containerPort: number) => [
    { name: 'main', image: 'i', ports: [{ name: 'http', containerPort, protocol: 'TCP' as const }] },
  ];
  await running(cluster, 'old', { ip: '10.244.0.2', containers: listening(8080) as Pod['spec']['containers'] });
  await running(cluster, 'new', { ip: '10.244.0.3', containers: listening(9090) as Pod['spec']['containers'] });
  await cluster.settles();
  const byPort = cluster
    .list(EndpointSlice)
    .map(({ ports, endpoints }) => [ports?.[0]?.port, endpoints[0]?.addresses[0]]);
  expect(byPort.sort()).toEqual([
    [8080, '10.244.0.2'],
    [9090, '10.244.0.3'],
  ]);
});

test('in Endpoints a port that all of them offer stands apart from one that each has under another number', async () => {
  await using cluster = await start();
  const ports = [
    { port: 80, targetPort: 'http', protocol: 'TCP' as const, name: 'web' },
    { port: 90, targetPort: 9000, protocol: 'TCP' as const, name: 'metrics' },
  ];
  await cluster.create(Service, service('web', { ports }));
  for (const [name, ip, containerPort] of [
    ['old', '10.244.0.2', 8080],
    ['new', '10.244.0.3', 8081],
  ] as const)
    await running(cluster, name, {
      ip,
      containers: [
        { name: 'main', image: 'i', ports: [{ name: 'http', containerPort, protocol: 'TCP' }] },
      ] as Pod['spec']['containers'],
    });
  await cluster.settles();
  const { subsets = [] } = cluster.get(Endpoints, 'default/web')!;
  expect(subsets.map((each) => [each.ports?.map(({ port }) => port), each.addresses?.map(({ ip }) => ip)])).toEqual([
    [[9000], ['10.244.0.2', '10.244.0.3']],
    [[8080], ['10.244.0.2']],
    [[8081], ['10.244.0.3']],
  ]);
});

test('a headless Service says so on its slices, and its pods keep their own names', async () => {
  await using cluster = await start();
  await cluster.create(Service, service('web', { clusterIP: 'None' }));
  const created = await cluster.create(
    Pod,
    pod('web-0', { hostname: 'web-0', subdomain: 'web' }, { labels: { app: 'web' } }),
  );
  await cluster.updateStatus(Pod, {
    ...created,
    status: { phase: 'Running', podIP: '10.244.0.9', podIPs: [{ ip: '10.244.0.9' }] },
  });
  await cluster.settles();
  const [slice] = cluster.list(EndpointSlice);
  expect(slice?.metadata.labels).toHaveProperty(['service.kubernetes.io/headless'], '');
  expect(slice?.endpoints[0]?.hostname).toBe('web-0');
});

test('250 pods fill three slices, and one more pod changes only the one that has room', async () => {
  await using cluster = await start();
  for (let i = 0; i < 250; i++) await running(cluster, `web-${i}`, { ip: `10.244.${i >> 7}.${(i & 127) + 1}` });
  await cluster.create(Service, service('web'));
  await cluster.settles();
  const before = new Map(cluster.list(EndpointSlice).map((slice) => [slice.metadata.name, slice]));
  expect([...before.values()].map(({ endpoints }) => endpoints.length).sort((a, b) => a - b)).toEqual([50, 100, 100]);
  await running(cluster, 'web-more', { ip: '10.244.9.9' });
  await cluster.settles();
  const changed = cluster
    .list(EndpointSlice)
    .filter((slice) => slice.metadata.resourceVersion !== before.get(slice.metadata.name)?.metadata.resourceVersion);
  expect(changed.map(({ endpoints }) => endpoints.length)).toEqual([51]);
});

test('a Service without a selector is left to others; a deleted one takes its endpoints with it', async () => {
  await using cluster = await startCluster({
    controllers: [endpointSliceController, endpointsController, garbageCollector],
  });
  await cluster.create(Service, service('own', { selector: undefined }));
  await cluster.create(Service, service('web'));
  await running(cluster, 'web-1', { ip: '10.244.0.2' });
  await cluster.settles();
  expect(cluster.list(EndpointSlice)).toHaveLength(1);
  expect(cluster.list(Endpoints).map(({ metadata }) => metadata.name)).toEqual(['web']);
  await cluster.delete(Service, 'default/web');
  await cluster.settles();
  expect(cluster.list(EndpointSlice)).toEqual([]);
  expect(cluster.list(Endpoints)).toEqual([]);
});

test('Endpoints that somebody wrote for a Service go with it, also when the first try fails', async () => {
  await using cluster = await start();
  await cluster.create(Service, service('own', { selector: undefined }));
  await cluster.create(Endpoints, { metadata: { name: 'own', namespace: 'default' }, subsets: [] });
  await cluster.settles();
  const fault = cluster.faults.fail({ verb: 'delete', resource: 'endpoints', times: 1 });
  await cluster.delete(Service, 'default/own');
  await cluster.passes(1_000);
  expect(fault.hits).toBe(1);
  expect(cluster.list(Endpoints)).toEqual([]);
});

test('a pod on a node that is gone is no endpoint, unless the Service wants those that are not ready', async () => {
  await using cluster = await start();
  await cluster.create(Service, service('web'));
  await running(cluster, 'web-1', { ip: '10.244.0.2', nodeName: 'node1' });
  await cluster.settles();
  expect(cluster.list(EndpointSlice)[0]?.endpoints).toEqual([]);
  await cluster.patch(Service, 'default/web', { spec: { publishNotReadyAddresses: true } });
  await cluster.settles();
  expect(cluster.list(EndpointSlice)[0]?.endpoints).toHaveLength(1);
  await cluster.patch(Service, 'default/web', { spec: { publishNotReadyAddresses: false } });
  await cluster.create(Node, node('node1'));
  await cluster.settles();
  expect(cluster.list(EndpointSlice)[0]?.endpoints).toHaveLength(1);
});

test('with a Service go its Endpoints, also those that somebody else wrote; others stay', async () => {
  await using cluster = await start();
  await cluster.create(Service, service('bare', { selector: {} }));
  for (const name of ['bare', 'lock'])
    await cluster.create(Endpoints, { metadata: { name, namespace: 'default' }, subsets: [] });
  await cluster.settles();
  await cluster.delete(Service, 'default/bare');
  await cluster.settles();
  expect(cluster.list(Endpoints).map(({ metadata }) => metadata.name)).toEqual(['lock']);
});

test('what is refused is told', async () => {
  await using cluster = await start();
  cluster.faults.fail({ verb: 'create', resource: 'endpoints' }, { reason: 'Forbidden', message: 'not now' });
  cluster.faults.fail(
    { verb: 'create', resource: 'endpointslices.discovery.k8s.io' },
    { reason: 'Forbidden', message: 'not now' },
  );
  await cluster.create(Service, service('web'));
  await cluster.settles();
  const said = cluster.list(Event).map(({ involvedObject, reason, message }) => [involvedObject.kind, reason, message]);
  expect(said.sort()).toEqual([
    ['Endpoints', 'FailedToCreateEndpoint', 'Failed to create endpoint for service default/web: not now'],
    [
      'Service',
      'FailedToUpdateEndpointSlices',
      'Error updating Endpoint Slices for Service default/web: failed to create EndpointSlice for Service default/web: not now',
    ],
  ]);
});

const sliceNames = (cluster: TestCluster) => cluster.list(EndpointSlice).map(({ metadata }) => metadata.name);
const addresses = (cluster: TestCluster) =>
  cluster.list(EndpointSlice).map(({ endpoints }) => endpoints.flatMap((each) => each.addresses).sort());

test('a Service that has no endpoints any more, or other ports, keeps its slice', async () => {
  await using cluster = await start();
  await cluster.create(Service, service('web'));
  await cluster.settles();
  const [empty] = cluster.list(EndpointSlice);
  expect([empty?.endpoints, empty?.ports]).toEqual([[], []]);
  await running(cluster, 'web-1', { ip: '10.244.0.2' });
  await cluster.settles();
  expect([sliceNames(cluster), addresses(cluster)]).toEqual([[empty?.metadata.name], [['10.244.0.2']]]);
  await cluster.patch(Service, 'default/web', { spec: { ports: [{ port: 80, targetPort: 9090 }] } });
  await cluster.settles();
  expect(sliceNames(cluster)).toEqual([empty?.metadata.name]);
  expect(cluster.list(EndpointSlice)[0]?.ports?.map(({ port }) => port)).toEqual([9090]);
  await cluster.delete(Pod, 'default/web-1', { gracePeriodSeconds: 0 });
  await cluster.settles();
  expect([sliceNames(cluster), addresses(cluster)]).toEqual([[empty?.metadata.name], [[]]]);
});

test('slices that an earlier Service of the name has left are not used', async () => {
  await using cluster = await start();
  await cluster.create(Service, service('web'));
  await running(cluster, 'web-1', { ip: '10.244.0.2' });
  await cluster.settles();
  const [before] = cluster.list(EndpointSlice);
  const ownerReferences = [{ ...before!.metadata.ownerReferences![0]!, uid: 'earlier' }];
  await cluster.patch(EndpointSlice, `default/${before?.metadata.name}`, { metadata: { ownerReferences } });
  await cluster.settles();
  expect(sliceNames(cluster)).toEqual([expect.not.stringMatching(`^${before?.metadata.name}$`)]);
  expect(addresses(cluster)).toEqual([['10.244.0.2']]);
});

test('new endpoints come into the fullest slice that has room for all, when no other changes', async () => {
  await using cluster = await start();
  await cluster.create(Service, service('web'));
  for (let i = 0; i < 150; i++) await running(cluster, `web-${i}`, { ip: `10.244.1.${i}` });
  await cluster.settles();
  const sizes = () =>
    addresses(cluster)
      .map((all) => all.length)
      .sort((a, b) => a - b);
  const full = cluster.list(EndpointSlice).find(({ endpoints }) => endpoints.length === 100)!;
  expect(sizes()).toEqual([50, 100]);
  for (let i = 0; i < 40; i++)
    await cluster.delete(Pod, `default/${full.endpoints[i]?.targetRef?.name}`, { gracePeriodSeconds: 0 });
  await cluster.settles();
  expect(sizes()).toEqual([50, 60]);
  await running(cluster, 'more', { ip: '10.244.2.1' });
  await cluster.settles();
  expect(sizes()).toEqual([50, 61]);
});

test('a pod that names a node which nobody knows is told, and the Service is tried again', async () => {
  await using cluster = await start();
  await cluster.create(Service, service('web'));
  await running(cluster, 'web-1', { ip: '10.244.0.2', nodeName: 'nobody' });
  await cluster.settles();
  const events = cluster.list(Event).filter(({ reason }) => reason === 'FailedToUpdateEndpointSlices');
  expect(events.map(({ message }) => message)).toEqual([
    'Error updating Endpoint Slices for Service default/web: skipping Pod web-1 for Service default/web: Node nobody Not Found',
  ]);
  await cluster.create(Node, node('nobody'));
  await cluster.settles();
  expect(addresses(cluster)).toEqual([['10.244.0.2']]);
});

test('of a Service that is going the endpoints are kept current', async () => {
  await using cluster = await start();
  const { metadata, spec } = service('web') as { metadata: object; spec: object };
  await cluster.create(Service, { metadata: { ...metadata, finalizers: ['example.com/held'] }, spec } as never);
  await running(cluster, 'web-1', { ip: '10.244.0.2' });
  await cluster.settles();
  await cluster.delete(Service, 'default/web');
  await running(cluster, 'web-2', { ip: '10.244.0.3' });
  await cluster.settles();
  expect(addresses(cluster)).toEqual([['10.244.0.2', '10.244.0.3']]);
  expect(cluster.get(Endpoints, 'default/web')?.subsets?.[0]?.addresses).toHaveLength(2);
});

test('Endpoints and slices say when the change that they show has happened, and nothing when no pod says when', async () => {
  await using cluster = await start();
  const shown = () =>
    [cluster.get(Endpoints, 'default/web'), cluster.list(EndpointSlice)[0]].map(
      (one) => one?.metadata.annotations?.['endpoints.kubernetes.io/last-change-trigger-time'],
    );
  const { metadata } = await cluster.create(Service, service('web'));
  await cluster.settles();
  const made = metadata.creationTimestamp;
  expect(shown()).toEqual([made, made]);

  await running(cluster, 'web-1', { ip: '10.244.0.2' });
  await cluster.settles();
  expect(shown()).toEqual([undefined, undefined]);

  const lastTransitionTime = '2031-01-01T00:00:00Z';
  const web = cluster.get(Pod, 'default/web-1')!;
  const conditions = [{ type: 'Ready', status: 'False', lastTransitionTime }];
  await cluster.updateStatus(Pod, { ...web, status: { ...web.status!, conditions } } as Pod);
  await cluster.settles();
  expect(shown()).toEqual([lastTransitionTime, lastTransitionTime]);
});
