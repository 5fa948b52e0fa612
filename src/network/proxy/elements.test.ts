import { expect, test } from 'vitest';
import { affinityCommands } from './affinity.ts';
import { render } from './elements.ts';
import { wantedOf } from './fronts.ts';
import type { Endpoint, ServicePort } from './service-port.ts';

const at = (ip: string, isLocal = false): Endpoint => ({ ip, port: 8080, isLocal });
const web = (change: Partial<ServicePort> = {}): ServicePort => ({
  id: 'default/web:http',
  protocol: 'tcp',
  port: 80,
  clusterIPs: ['10.96.0.20'],
  externalIPs: [],
  guardedIPs: [],
  sourceRanges: [],
  nodePort: undefined,
  endpoints: [at('10.244.1.2', true), at('10.244.2.2')],
  localEndpoints: [at('10.244.1.2', true)],
  readyLocalIPs: [],
  servingIPs: [],
  isExternalLocal: false,
  isInternalLocal: false,
  affinitySeconds: undefined,
  ...change,
});
const rendered = (...ports: ServicePort[]) => render(ports.map((port) => wantedOf([port])));
const elementsOf = (...ports: ServicePort[]) =>
  [...rendered(...ports).elements].flatMap(([map, elements]) => elements.map((element) => `${map}: ${element}`));

test('a ClusterIP goes to the chain for its number of endpoints', () => {
  expect(elementsOf(web())).toEqual([
    'lb2-tcp-eps: 10.96.0.20 . 80 . 0 : 10.244.1.2 . 8080',
    'lb2-tcp-eps: 10.96.0.20 . 80 . 1 : 10.244.2.2 . 8080',
    'svc: 10.96.0.20 . tcp . 80 : goto lb2-tcp',
    'cluster-ips: 10.96.0.20',
  ]);
});

test('a NodePort under the Local policy uses the endpoints of this node and keeps the source address', () => {
  const lines = elementsOf(web({ nodePort: 30_080, isExternalLocal: true }));
  expect(lines).toContain('np: tcp . 30080 : goto npl1-tcp');
  expect(lines).toContain('npl1-tcp-eps: 30080 . 0 : 10.244.1.2 . 8080');
});

test('a Service without endpoints is refused at all its fronts', () => {
  const lines = elementsOf(web({ endpoints: [], localEndpoints: [], nodePort: 30_080 }));
  expect(lines).toContain('no-endpoints: 10.96.0.20 . tcp . 80 : goto refuse');
  expect(lines).toContain('no-endpoints-np: tcp . 30080 : goto refuse');
  expect(lines.some((line) => line.startsWith('svc:'))).toBe(false);
});

test('a Local policy without an endpoint here drops, so that a balancer looks elsewhere', () => {
  expect(elementsOf(web({ nodePort: 30_080, isExternalLocal: true, localEndpoints: [] }))).toContain(
    'no-endpoints-np: tcp . 30080 : drop',
  );
});

test('session affinity gets a chain of its own whose name changes with the endpoints', () => {
  const [one] = rendered(web({ affinitySeconds: 60 })).affinities.keys();
  const changed = web({ affinitySeconds: 60, endpoints: [at('10.244.1.9')] });
  const [other] = rendered(changed).affinities.keys();
  expect(one).toMatch(/^aff-[0-9a-f]{12}$/);
  expect(other).not.toBe(one);
});

test('session affinity has as few sets as it can, and room is made in none before clients come', () => {
  const [affinity] = rendered(web({ affinitySeconds: 60 })).affinities.values();
  if (!affinity) throw new Error('there is none');
  const podRanges = ['10.244.0.0/17', '10.244.128.0/17'];
  const commands = affinityCommands(affinity, { table: 'ip kube-proxy', addressType: 'ipv4_addr', podRanges });
  const [sets, rest] = [true, false].map((isSet) => commands.filter((line) => line.startsWith('add set ') === isSet));
  expect(sets).toHaveLength(2);
  expect(sets?.join()).not.toContain('size');
  // nft makes a set of each other brace: that of the choice, and none that each endpoint has
  expect(rest?.filter((line) => line.includes('{') && !line.includes('update @'))).toEqual([
    expect.stringContaining('numgen random mod 2 vmap {'),
  ]);
});

test('only endpoints on this node can reach themselves through it', () => {
  expect(rendered(web()).hairpins).toEqual(['10.244.1.2']);
});

test('an address of a load balancer that is not for everybody names who may use it', () => {
  const lines = elementsOf(
    web({ externalIPs: ['192.0.2.1'], guardedIPs: ['192.0.2.1'], sourceRanges: ['10.0.0.0/8'] }),
  );
  expect(lines).toContain('guarded: 192.0.2.1 . tcp . 80');
  expect(lines).toContain('sources: 192.0.2.1 . tcp . 80 . 10.0.0.0/8');
});

test('under a Local policy whoever asks from within is led to all endpoints, at addresses for outside alone', () => {
  const lines = elementsOf(
    web({ nodePort: 30_080, externalIPs: ['192.0.2.1'], isExternalLocal: true, localEndpoints: [] }),
  );
  expect(lines).toContain('svc-inside: 192.0.2.1 . tcp . 80 : goto lb2-tcp');
  expect(lines).toContain('np-inside: tcp . 30080 : goto np2-tcp');
  expect(lines).toContain('no-endpoints: 192.0.2.1 . tcp . 80 : drop');
  expect(lines.filter((line) => line.includes('-inside: 10.96.0.20'))).toEqual([]);
  expect(elementsOf(web({ isInternalLocal: true })).some((line) => line.includes('-inside'))).toBe(false);
});
