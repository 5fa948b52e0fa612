import { expect, test } from 'vitest';
import { Endpoints } from '#api/core/v1/endpoints.ts';
import { Event } from '#api/core/v1/event.ts';
import { Service } from '#api/core/v1/service.ts';
import { EndpointSlice } from '#api/discovery/v1/endpoint-slice.ts';
import { service, startCluster, type TestCluster } from '#testing/cluster.ts';
import { endpointSliceMirroringController } from './mirroring.ts';

const start = () => startCluster({ controllers: [endpointSliceMirroringController] });
const endpoints = (ips: string[], metadata: object = {}, port = 80) => ({
  metadata: { name: 'custom', namespace: 'default', ...metadata },
  subsets: [{ addresses: ips.map((ip) => ({ ip })), ports: [{ name: 'http', port, protocol: 'TCP' as const }] }],
});
const bare = service('custom', { selector: {} });
const addresses = (cluster: TestCluster) =>
  cluster
    .list(EndpointSlice)
    .map(({ addressType, endpoints: all }) => [addressType, ...all.flatMap((each) => each.addresses)]);

test('Endpoints of a Service without a selector are shown as slices, and follow every change', async () => {
  await using cluster = await start();
  await cluster.create(Service, bare);
  await cluster.create(Endpoints, endpoints(['10.1.2.3', 'fd00::1'], { labels: { team: 'a' } }));
  await cluster.settles();
  expect(addresses(cluster).sort()).toEqual([
    ['IPv4', '10.1.2.3'],
    ['IPv6', 'fd00::1'],
  ]);
  const slice = cluster.list(EndpointSlice).find(({ addressType }) => addressType === 'IPv4');
  expect(slice?.metadata).toMatchObject({
    labels: {
      team: 'a',
      'kubernetes.io/service-name': 'custom',
      'endpointslice.kubernetes.io/managed-by': 'endpointslicemirroring-controller.k8s.io',
    },
    ownerReferences: [{ kind: 'Endpoints', name: 'custom' }],
  });
  const { name } = slice!.metadata;
  await cluster.patch(Endpoints, 'default/custom', endpoints(['10.2.3.4'], {}, 81));
  await cluster.settles();
  expect(addresses(cluster)).toEqual([['IPv4', '10.2.3.4']]);
  expect(cluster.list(EndpointSlice)[0]).toMatchObject({ metadata: { name }, ports: [{ port: 81 }] });
  await cluster.delete(Endpoints, 'default/custom');
  await cluster.settles();
  expect(addresses(cluster)).toEqual([]);
});

test.each([
  ['whose Service has a selector', service('custom'), {}],
  ['that ask not to be', bare, { labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } }],
  ['that are a lock', bare, { annotations: { 'control-plane.alpha.kubernetes.io/leader': '{}' } }],
])('Endpoints %s are not mirrored', async (_, target, metadata) => {
  await using cluster = await start();
  await cluster.create(Service, target);
  await cluster.create(Endpoints, endpoints(['10.1.2.3'], metadata));
  await cluster.settles();
  expect(addresses(cluster)).toEqual([]);
});

test('they are mirrored when the Service comes later, and no longer when it gets a selector', async () => {
  await using cluster = await start();
  await cluster.create(Endpoints, endpoints(['10.1.2.3']));
  await cluster.settles();
  expect(addresses(cluster)).toEqual([]);
  await cluster.create(Service, bare);
  await cluster.settles();
  expect(addresses(cluster)).toHaveLength(1);
  await cluster.patch(Service, 'default/custom', { spec: { selector: { app: 'web' } } });
  await cluster.settles();
  expect(addresses(cluster)).toEqual([]);
});

test('a slice carries the annotations of its Endpoints, but for those about the Endpoints alone', async () => {
  await using cluster = await start();
  await cluster.create(Service, bare);
  const annotations = {
    team: 'a',
    'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-01T00:00:00Z',
    'kubectl.kubernetes.io/last-applied-configuration': '{}',
  };
  await cluster.create(Endpoints, endpoints(['10.1.2.3'], { annotations }));
  await cluster.settles();
  expect(cluster.list(EndpointSlice)[0]?.metadata.annotations).toEqual({ team: 'a' });
  await cluster.patch(Endpoints, 'default/custom', { metadata: { annotations: { team: null } } });
  await cluster.settles();
  expect(cluster.list(EndpointSlice)[0]?.metadata.annotations ?? {}).toEqual({});
});

test('subsets of the same ports share a slice', async () => {
  await using cluster = await start();
  await cluster.create(Service, bare);
  const ports = [{ name: 'http', port: 80, protocol: 'TCP' as const }];
  await cluster.create(Endpoints, {
    metadata: { name: 'custom', namespace: 'default' },
    subsets: [
      { addresses: [{ ip: '10.1.2.3' }], ports },
      { notReadyAddresses: [{ ip: '10.1.2.4' }], ports },
    ],
  });
  await cluster.settles();
  expect(addresses(cluster)).toEqual([['IPv4', '10.1.2.3', '10.1.2.4']]);
});

test('a subset with too many addresses is cut off, and the Endpoints are told', async () => {
  await using cluster = await start();
  await cluster.create(Service, bare);
  const ips = Array.from({ length: 1003 }, (_, i) => `10.1.${i >> 8}.${i & 255}`);
  await cluster.create(Endpoints, endpoints(ips));
  await cluster.settles();
  expect(cluster.list(EndpointSlice).map(({ endpoints: all }) => all.length)).toEqual([1000]);
  expect(cluster.list(Event).map(({ type, reason, message }) => `${type} ${reason}: ${message}`)).toEqual([
    'Warning TooManyAddressesToMirror: A max of 1000 addresses can be mirrored to EndpointSlices per Endpoints subset. 3 addresses were skipped',
  ]);
});

test('a slice goes on with the ports that it has, whatever stands before them now, and follows new Endpoints of the name', async () => {
  await using cluster = await start();
  await cluster.create(Service, bare);
  await cluster.create(Endpoints, endpoints(['10.1.2.3']));
  await cluster.settles();
  const [slice] = cluster.list(EndpointSlice);
  const more = { addresses: [{ ip: '10.9.9.9' }], ports: [{ name: 'a', port: 79, protocol: 'TCP' as const }] };
  await cluster.patch(Endpoints, 'default/custom', { subsets: [more, ...endpoints(['10.1.2.3']).subsets] });
  await cluster.settles();
  expect(cluster.list(EndpointSlice)).toHaveLength(2);
  const at = `default/${slice?.metadata.name}`;
  expect(cluster.get(EndpointSlice, at)?.endpoints.map((each) => each.addresses)).toEqual([['10.1.2.3']]);

  const ownerReferences = [{ ...slice!.metadata.ownerReferences![0]!, uid: 'earlier' }];
  await cluster.patch(EndpointSlice, at, { metadata: { ownerReferences } });
  await cluster.settles();
  expect(cluster.get(EndpointSlice, at)?.metadata.ownerReferences).toEqual(slice?.metadata.ownerReferences);
});
