import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { flowsTo, goneBetween, listFlows } from './conntrack.ts';
import type { ServicePort } from './service-port.ts';

const folders: string[] = [];
afterEach(() => {
  vi.unstubAllEnvs();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** Stands in for the program. */
function conntrackIs(script: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'kedge-conntrack-'));
  folders.push(folder);
  writeFileSync(join(folder, 'conntrack'), `#!/bin/sh\n${script}\n`, { mode: 0o700 });
  vi.stubEnv('PATH', `${folder}:${process.env['PATH']}`);
}

async function allOf(lines: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const line of lines) all.push(line);
  return all;
}

test('flows are listed line by line', async () => {
  conntrackIs('echo "$@"; yes flow | head -n 100000; echo 100001 have been shown >&2');
  const lines = await allOf(listFlows('ipv6'));
  expect([lines.length, ...lines.slice(0, 2)]).toEqual([100_001, '-L -f ipv6 -p udp', 'flow']);
});

test('who cannot list all flows says so', async () => {
  conntrackIs('echo flow; exit 2');
  await expect(allOf(listFlows('ipv4'))).rejects.toThrow('conntrack ended with 2');
});

const dns = (clusterIP: string, ...ips: string[]): ServicePort => {
  const endpoints = ips.map((ip) => ({ ip, port: 53, isLocal: true }));
  return {
    id: 'default/dns:udp',
    protocol: 'udp',
    port: 53,
    clusterIPs: [clusterIP],
    externalIPs: [],
    guardedIPs: [],
    sourceRanges: [],
    nodePort: 30_053,
    endpoints,
    localEndpoints: endpoints,
    readyLocalIPs: [],
    servingIPs: ips,
    isExternalLocal: false,
    isInternalLocal: false,
    affinitySeconds: undefined,
  };
};

test('a flow stays with who serves on while it terminates', () => {
  const before = dns('10.96.0.10', '10.244.1.2', '10.244.1.3');
  const after = { ...before, endpoints: before.endpoints.slice(1), localEndpoints: [] };
  expect(flowsTo(goneBetween([before], [after]), 'ipv4')).toEqual([]);
  expect(flowsTo(goneBetween([after], [{ ...after, servingIPs: ['10.244.1.3'] }]), 'ipv4')).toContainEqual(
    '-D -f ipv4 -p udp --orig-dst 10.96.0.10 --orig-port-dst 53 --dst-nat 10.244.1.2'.split(' '),
  );
});

test('flows to who still serves stay: at another port of the same address, and at a port that has another name', () => {
  const one = dns('10.96.0.10', '10.244.1.2', '10.244.1.3');
  const two = { ...one, id: 'default/dns:more', port: 54, nodePort: undefined };
  const callsFor = (...after: ServicePort[]) =>
    flowsTo(goneBetween([one, two], after), 'ipv4').map((call) => call.slice(5).join(' '));
  expect(callsFor(one, { ...two, servingIPs: ['10.244.1.3'] })).toEqual([
    '--orig-dst 10.96.0.10 --orig-port-dst 54 --dst-nat 10.244.1.2',
  ]);
  expect(callsFor({ ...one, id: 'default/dns:renamed' }, two)).toEqual([]);
  expect(callsFor({ ...one, nodePort: 30_054 }, two)).toEqual([
    '--orig-port-dst 30053 --dst-nat 10.244.1.2',
    '--orig-port-dst 30053 --dst-nat 10.244.1.3',
  ]);
});

test.each([
  ['ipv4' as const, '10.96.0.10', '10.244.1.2'],
  ['ipv6' as const, 'fd00:96::a', 'fd00:244:1::2'],
])('flows of a node port are forgotten in the family of the Service: %s', (family, clusterIP, pod) => {
  expect(flowsTo(goneBetween([dns(clusterIP, pod)], []), family)).toContainEqual([
    ...['-D', '-f', family, '-p', 'udp', '--orig-port-dst', '30053', '--dst-nat', pod],
  ]);
});
