import { expect, test, vi } from 'vitest';
import { service, slice, start, turn, world } from '../../../test/network/proxied-world.ts';

const udp = (ports: object[]) => ({ ...service, spec: { ...service.spec, type: 'NodePort', ports } });
const flowAt = (to: string, port: number, from: string) =>
  `udp 17 9 src=10.0.0.7 dst=${to} sport=1 dport=${port} src=${from} dst=10.0.0.7 sport=53`;

test('a flow whose endpoint went while nobody kept the rules is led anew, once they are in force', async () => {
  const { informers, set } = world();
  set('Service', 'default/web', { ...service, spec: { ...service.spec, ports: [{ port: 53, protocol: 'UDP' }] } });
  set('EndpointSlice', 'default/web-1', slice('10.244.1.2'));
  const done: string[] = [];
  const fakes = {
    flows: () => {
      done.push('list');
      return ['10.244.1.2', '10.244.1.9'].map((ip) => flowAt('10.96.0.20', 53, ip));
    },
    conntrack: async (call: readonly string[]) => void done.push(call.slice(-3).join(' ')),
  };
  const { ready } = start(informers, async () => void done.push('rules'), fakes);
  await ready;
  expect(done).toEqual(['rules', 'list', '53 --reply-src 10.244.1.9']);
  set('EndpointSlice', 'default/web-1', slice('10.244.1.3'));
  await turn();
  expect(done.slice(3).filter((each) => each === 'list')).toEqual([]); // from now on it is known who goes
});

test('a flow that was led nowhere before there was a Service for it is led to that', async () => {
  const { informers, set } = world();
  const calls: string[] = [];
  await start(informers, async () => undefined, {
    flows: () => [flowAt('172.31.9.2', 30_053, '172.31.9.2')],
    conntrack: async (call) => void calls.push(call.join(' ')),
  }).ready;
  set('EndpointSlice', 'default/web-1', slice('10.244.1.2'));
  set('Service', 'default/web', udp([{ port: 53, protocol: 'UDP', nodePort: 30_053 }]));
  await turn();
  expect(calls).toContain('-D -f ipv4 -p udp --orig-dst 172.31.9.2 --orig-port-dst 30053 --reply-src 172.31.9.2');
});

test('a flow that was led nowhere is led to a Service that has an address more than before', async () => {
  const { informers, set } = world();
  set('Service', 'default/web', udp([{ port: 53, protocol: 'UDP', nodePort: 30_053 }]));
  set('EndpointSlice', 'default/web-1', slice('10.244.1.2'));
  const calls: string[] = [];
  await start(informers, async () => undefined, {
    flows: () => [flowAt('192.0.2.9', 53, '192.0.2.9')],
    conntrack: async (call) => void calls.push(call.join(' ')),
  }).ready;
  expect(calls).toEqual([]);
  const more = udp([{ port: 53, protocol: 'UDP', nodePort: 30_053 }]);
  set('Service', 'default/web', { ...more, spec: { ...more.spec, externalIPs: ['192.0.2.9'] } });
  await turn();
  expect(calls).toEqual(['-D -f ipv4 -p udp --orig-dst 192.0.2.9 --orig-port-dst 53 --reply-src 192.0.2.9']);
});

test('of many endpoints that go at once those are forgotten to which a flow leads: each call walks through all flows', async () => {
  const { informers, set } = world();
  const ips = Array.from({ length: 20 }, (_, i) => `10.244.1.${i + 1}`);
  set('Service', 'default/web', udp([{ port: 53, protocol: 'UDP', nodePort: 30_053 }]));
  set('EndpointSlice', 'default/web-1', slice(...ips));
  const calls: string[] = [];
  let flows: string[] | undefined = [];
  const fakes = {
    flows: () => {
      if (flows) return flows;
      throw new Error('conntrack ended with 2');
    },
    conntrack: async (call: readonly string[]) => {
      if (call.includes('udp')) calls.push(call.slice(5).join(' '));
    },
  };
  await start(informers, async () => undefined, fakes).ready;
  flows = [flowAt('10.96.0.20', 53, '10.244.1.7'), flowAt('172.31.9.2', 30_053, '10.244.1.8')];
  flows.push(flowAt('10.96.0.21', 53, '10.244.1.7'), flowAt('10.96.0.20', 53, '10.244.1.99'));
  set('EndpointSlice', 'default/web-1', slice());
  await vi.waitUntil(() => calls.length === 2);
  expect(calls).toEqual([
    '--orig-dst 10.96.0.20 --orig-port-dst 53 --reply-src 10.244.1.7',
    '--orig-dst 172.31.9.2 --orig-port-dst 30053 --reply-src 10.244.1.8',
  ]);
  flows = [];
  set('EndpointSlice', 'default/web-1', slice(...ips));
  await turn();
  flows = undefined; // who cannot look forgets each
  set('EndpointSlice', 'default/web-1', slice());
  await vi.waitUntil(() => calls.length === 2 + 2 * ips.length);
});

test('flows to a host port leave a pod that goes, and go to one that comes', async () => {
  const { informers, set } = world();
  const podAt = (podIP: string) => ({
    metadata: { name: 'log', namespace: 'default' },
    spec: { containers: [{ name: 'c', ports: [{ containerPort: 514, hostPort: 5_514, protocol: 'UDP' }] }] },
    status: { podIPs: [{ ip: podIP }] },
  });
  const calls: string[] = [];
  let flows: string[] = [];
  await start(informers, async () => undefined, {
    flows: () => flows,
    conntrack: async (call) => void calls.push(call.join(' ')),
  }).ready;
  set('Pod', 'default/one', podAt('10.244.1.2'));
  await turn();
  set('Pod', 'default/one', undefined);
  await turn();
  expect(calls).toContain('-D -f ipv4 -p udp --orig-port-dst 5514 --dst-nat 10.244.1.2');
  flows = [flowAt('172.31.9.2', 5_514, '172.31.9.2')]; // nobody was there
  set('Pod', 'default/two', podAt('10.244.1.3'));
  await turn();
  expect(calls.at(-1)).toBe('-D -f ipv4 -p udp --orig-dst 172.31.9.2 --orig-port-dst 5514 --reply-src 172.31.9.2');
});
