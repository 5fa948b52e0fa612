import { expect, test } from 'vitest';
import type { EndpointSlice, Service } from '#api/generated/schema.ts';
import { servicePortsOf } from './service-port.ts';

const service = {
  metadata: { name: 'web', namespace: 'shop' },
  spec: { type: 'LoadBalancer', clusterIP: '10.96.0.20', externalTrafficPolicy: 'Local', ports: [{ port: 80 }] },
} as Service;
const ready = { ready: true, serving: true, terminating: false };
const terminating = { ready: false, serving: true, terminating: true };

test.each([
  ['the ready ones', [ready, terminating], ['10.244.1.1'], ['10.244.1.1']],
  ['none, where the last ones terminate', [terminating], ['10.244.1.1'], []],
])('traffic that stays local goes to what serves; health checks are told %s', (_, conditions, served, told) => {
  const slice = {
    addressType: 'IPv4',
    metadata: {},
    ports: [{ port: 8080 }],
    endpoints: [
      ...conditions.map((each, i) => ({ addresses: [`10.244.1.${i + 1}`], nodeName: 'node1', conditions: each })),
      { addresses: ['10.244.2.1'], nodeName: 'node2', conditions: ready },
    ],
  } as EndpointSlice;
  const [port] = servicePortsOf(service, [slice], { nodeName: 'node1', family: 'ipv4' });
  expect(port?.localEndpoints.map(({ ip }) => ip)).toEqual(served);
  expect(port?.readyLocalIPs).toEqual(told);
});

test('flows of UDP may stay with whoever serves, wherever that is', () => {
  const slice = {
    addressType: 'IPv4',
    metadata: {},
    ports: [{ port: 8080 }],
    endpoints: [ready, terminating, { ready: false }].map((conditions, i) => ({
      ...{ addresses: [`10.244.1.${i + 1}`], nodeName: `node${i + 1}`, conditions },
      hints: { forZones: [{ name: 'a' }] },
    })),
  } as EndpointSlice;
  const over = (protocol: string) => ({ ...service, spec: { ...service.spec, ports: [{ port: 80, protocol }] } });
  const of = (protocol: string) =>
    servicePortsOf(over(protocol) as Service, [slice], { nodeName: 'node1', zone: 'b', family: 'ipv4' })[0];
  expect([of('UDP')?.servingIPs, of('TCP')?.servingIPs]).toEqual([['10.244.1.1', '10.244.1.2'], []]);
});

test('endpoints that are meant for other zones or nodes are left out, but not where traffic stays local', () => {
  const slice = {
    addressType: 'IPv4',
    metadata: {},
    ports: [{ port: 8080 }],
    endpoints: ['a', 'b'].map((zone, i) => ({
      addresses: [`10.244.1.${i + 1}`],
      nodeName: `node${i + 1}`,
      conditions: ready,
      hints: { forZones: [{ name: zone }] },
    })),
  } as EndpointSlice;
  const of = (zone?: string) => servicePortsOf(service, [slice], { nodeName: 'node1', zone, family: 'ipv4' })[0];
  expect(of('b')?.endpoints.map(({ ip }) => ip)).toEqual(['10.244.1.2']);
  expect(of('b')?.localEndpoints.map(({ ip }) => ip)).toEqual(['10.244.1.1']);
  expect(of()?.endpoints).toHaveLength(2);
});

test('an endpoint that stands in two slices for a moment counts once, as the later slice has it', () => {
  const service = {
    metadata: { name: 'web', namespace: 'default' },
    spec: { clusterIP: '10.96.0.20', ports: [{ port: 80 }] },
  } as unknown as Service;
  const slice = (ready: boolean, ...ips: string[]) =>
    ({
      addressType: 'IPv4',
      ports: [{ port: 8080 }],
      endpoints: ips.map((ip) => ({ addresses: [ip], conditions: { ready, serving: ready } })),
    }) as unknown as EndpointSlice;
  const slices = [slice(true, '10.244.1.3', '10.244.1.2'), slice(false, '10.244.1.3')];
  const [port] = servicePortsOf(service, slices, { nodeName: 'node1', family: 'ipv4' });
  expect(port?.endpoints.map(({ ip }) => ip)).toEqual(['10.244.1.2']);
});

test('a Service has no fronts in a family that it is not offered in', () => {
  const service = {
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      type: 'NodePort',
      clusterIP: '10.96.0.20',
      clusterIPs: ['10.96.0.20'],
      ports: [{ port: 80, nodePort: 30_080 }],
    },
  } as unknown as Service;
  expect(servicePortsOf(service, [], { nodeName: 'node1', family: 'ipv6' })).toEqual([]);
});

test('an address that is written in two ways is one: the kernel refuses two rules for it, and with them all others', () => {
  const doubled = {
    metadata: { name: 'web', namespace: 'shop' },
    spec: {
      type: 'LoadBalancer',
      clusterIP: 'FD00:96:0::20',
      clusterIPs: ['FD00:96:0::20'],
      externalIPs: ['2001:db8::9', '2001:0DB8::9'],
      loadBalancerSourceRanges: ['fd00::/8'],
      ports: [{ port: 80 }],
    },
    status: { loadBalancer: { ingress: [{ ip: '2001:DB8::8', ipMode: 'VIP' }] } },
  } as unknown as Service;
  expect(servicePortsOf(doubled, [], { nodeName: 'node1', family: 'ipv6' })[0]).toMatchObject({
    clusterIPs: ['fd00:96::20'],
    externalIPs: ['2001:db8::9', '2001:db8::8'],
    guardedIPs: ['2001:db8::8'],
  });
});

test.each([
  ['ipv4', ['10.0.0.0/8'], ['10.0.0.0/8'], ['192.0.2.8']],
  ['ipv4', ['fd00::/8'], [], []],
  ['ipv6', [' fd00::/8'], ['fd00::/8'], ['2001:db8::8']],
  ['ipv6', ['10.0.0.0/8'], [], []],
] as const)('of %s the source ranges %j guard by %j', (family, loadBalancerSourceRanges, sourceRanges, guardedIPs) => {
  const both = {
    metadata: { name: 'web', namespace: 'shop' },
    spec: {
      type: 'LoadBalancer',
      clusterIP: '10.96.0.20',
      clusterIPs: ['10.96.0.20', 'fd00:96::20'],
      loadBalancerSourceRanges,
      ports: [{ port: 80 }],
    },
    status: { loadBalancer: { ingress: [{ ip: '192.0.2.8', ipMode: 'VIP' }, { ip: '2001:db8::8' }] } },
  } as unknown as Service;
  expect(servicePortsOf(both, [], { nodeName: 'node1', family })[0]).toMatchObject({ sourceRanges, guardedIPs });
});

test('an address of IPv6 is one endpoint, in whichever ways it is written', () => {
  const service = {
    metadata: { name: 'web', namespace: 'default' },
    spec: { clusterIP: 'fd00:96::20', ports: [{ port: 80 }] },
  } as unknown as Service;
  const slice = {
    addressType: 'IPv6',
    ports: [{ port: 8080 }],
    endpoints: ['FD00:244:0:0::2', 'fd00:244::2'].map((ip) => ({ addresses: [ip], conditions: ready })),
  } as unknown as EndpointSlice;
  const [port] = servicePortsOf(service, [slice], { nodeName: 'node1', family: 'ipv6' });
  expect(port?.endpoints.map(({ ip }) => ip)).toEqual(['fd00:244::2']);
});
