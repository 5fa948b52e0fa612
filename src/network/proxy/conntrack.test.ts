import { expect, test } from 'vitest';
import { staleFlows } from './conntrack.ts';
import type { ServicePort } from './service-port.ts';

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
    isExternalLocal: false,
    isInternalLocal: false,
    affinitySeconds: undefined,
  };
};

test.each([
  ['ipv4', '10.96.0.10', '10.244.1.2'],
  ['ipv6', 'fd00:96::a', 'fd00:244:1::2'],
])('flows of a node port are forgotten in the family of the Service: %s', (family, clusterIP, pod) => {
  const ofNodePort = ['-D', '-f', family, '-p', 'udp', '--orig-port-dst', '30053'];
  expect(staleFlows([dns(clusterIP)], [dns(clusterIP, pod)])).toContainEqual(ofNodePort);
  expect(staleFlows([dns(clusterIP, pod)], [])).toContainEqual([...ofNodePort, '--dst-nat', pod]);
});
