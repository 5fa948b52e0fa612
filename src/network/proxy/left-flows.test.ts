import { expect, test } from 'vitest';
import { leftFlows } from './left-flows.ts';
import type { ServicePort } from './service-port.ts';

const NOBODY: ServicePort = {
  id: 'default/dns:udp',
  protocol: 'udp',
  port: 53,
  clusterIPs: ['10.96.0.20', 'fd00:96::20'],
  externalIPs: ['192.0.2.9'],
  guardedIPs: [],
  sourceRanges: [],
  nodePort: 30_053,
  endpoints: [],
  localEndpoints: [],
  readyLocalIPs: [],
  servingIPs: [],
  isExternalLocal: false,
  isInternalLocal: false,
  affinitySeconds: undefined,
};
const DNS = { ...NOBODY, servingIPs: ['10.244.1.2', 'fd00:244:1::2'] };
const LOG = { ...DNS, clusterIPs: ['10.96.0.21'], externalIPs: [], port: 30_053, nodePort: undefined };

const flow = (to: string, port: number, from: string) =>
  `udp      17 25 src=10.0.0.7 dst=${to} sport=4711 dport=${port} packets=1 bytes=29 [UNREPLIED] src=${from} dst=10.0.0.7 sport=5353 dport=4711 mark=0 use=1`;

async function forgotten(lines: string[], ports: ServicePort[] = [DNS]): Promise<string[]> {
  async function* listed() {
    yield* lines;
  }
  const nodeIPs = new Set(['172.31.9.2', 'fd00:31::2']);
  const calls = await leftFlows(listed(), { family: 'ipv4', ports, nodeIPs });
  return calls.map((call) => call.join(' '));
}
const call = (to: string, port: number, from: string) =>
  `-D -f ipv4 -p udp --orig-dst ${to} --orig-port-dst ${port} --reply-src ${from}`;

test.each([
  ['an address of the cluster', '10.96.0.20', 53],
  ['an address for outside', '192.0.2.9', 53],
  ['a port of the node', '172.31.9.2', 30_053],
])('what went to %s and is led to who went is forgotten, once for all clients', async (_, to, port) => {
  const gone = flow(to, port, '10.244.1.9');
  expect(await forgotten([gone, gone, flow(to, port, '10.244.1.2')])).toEqual([call(to, port, '10.244.1.9')]);
});

test('what was led nowhere, as there were no rules, is forgotten', async () => {
  const before = flow('10.96.0.20', 53, '10.96.0.20');
  expect(await forgotten([before])).toEqual([call('10.96.0.20', 53, '10.96.0.20')]);
});

test('the other family counts by address, however it is written', async () => {
  const lines = [flow('fd00:96:0::20', 53, 'fd00:244:1:0::2'), flow('fd00:96::20', 53, 'fd00:244:1::9')];
  expect(await forgotten(lines)).toEqual([call('fd00:96::20', 53, 'fd00:244:1::9')]);
});

test('others’ flows stay: another address or port, another protocol, a Service that nobody serves', async () => {
  const lines = [
    flow('10.96.0.20', 54, '10.244.1.9'),
    flow('10.96.0.22', 53, '10.244.1.9'),
    flow('10.96.0.20', 53, '10.244.1.9').replace('udp      17', 'tcp      6'),
    'conntrack v1.4.7 (conntrack-tools): 3 flow entries have been shown.',
  ];
  expect(await forgotten(lines)).toEqual([]);
  expect(await forgotten([flow('10.96.0.20', 53, '10.244.1.9')], [NOBODY])).toEqual([]);
});

test('a port of a Service’s address is no port of the node, though the number is the same', async () => {
  const other = { ...LOG, servingIPs: ['10.244.1.8'] };
  expect(await forgotten([flow('10.96.0.21', 30_053, '10.244.1.8')], [DNS, other])).toEqual([]);
});

test('who passes through the node, or asks what it has at a loopback address, asks no port of the node', async () => {
  const others = ['8.8.8.8', '172.31.9.3', '127.0.0.53', '10.96.0.10'];
  const lines = others.map((to) => flow(to, 53, to));
  expect(await forgotten(lines, [{ ...DNS, clusterIPs: [], externalIPs: [], nodePort: 53 }])).toEqual([]);
});
