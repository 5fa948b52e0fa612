import { expect, test } from 'vitest';
import type { EndpointSlice } from '#api/discovery/v1/endpoint-slice.ts';
import type { Service } from '#api/generated/schema.ts';
import { atOnce } from '#network/netfilter/turns.ts';
import { wantedOf } from '#network/proxy/fronts.ts';
import { commonChains, partsOf } from '#network/proxy/iptables-rules.ts';
import { servicePortsOf } from '#network/proxy/service-port.ts';
import { stateInIptables } from './iptables-facts.ts';
import type { Ask } from './node-facts.ts';

const context = { family: 'ipv4' as const, podRanges: ['10.244.0.0/16'], serviceRanges: [], ownAddresses: [] };

/** The rules that the proxy writes for these, as iptables-save lists them. */
function kernelWith(services: [Service, string[]][]): Ask {
  const parts = services.map(([service, nodes]) => {
    const slice = {
      addressType: 'IPv4',
      ports: [{ port: 8080 }],
      endpoints: nodes.map((nodeName, i) => ({
        addresses: [`10.244.1.${i + 2}`],
        nodeName,
        conditions: { ready: true },
      })),
    } as unknown as EndpointSlice;
    return partsOf(wantedOf(servicePortsOf(service, [slice], { nodeName: 'node1', family: 'ipv4' })), context);
  });
  const common = atOnce(commonChains(parts, context));
  return async (command, [, table = '']) => {
    if (command !== 'iptables-save') return undefined;
    const chains = [...common[table as 'nat'], ...parts.flatMap((part) => (table === 'nat' ? [...part.chains] : []))];
    return [
      ...chains.map(([name]) => `:${name} - [0:0]`),
      ...chains.flatMap(([name, rules]) => rules.map((rule) => `-A ${name} ${rule}`)),
    ].join('\n');
  };
}
const service = (name: string, clusterIP: string, more: object = {}) =>
  ({
    metadata: { name, namespace: 'default' },
    spec: { type: 'ClusterIP', clusterIP, ports: [{ port: 80, nodePort: 0 }], ...more },
    status: { loadBalancer: { ingress: [{ ip: '192.0.2.8' }] } },
  }) as unknown as Service;
const balanced = { type: 'LoadBalancer', ports: [{ port: 80, nodePort: 30_080 }] };

const ask = kernelWith([
  [service('web', '10.96.0.20', { ...balanced, loadBalancerSourceRanges: ['10.0.0.0/8'] }), ['node1']],
  [{ ...service('none', '10.96.0.21'), status: {} } as Service, []],
]);
const far = kernelWith([[service('far', '10.96.0.22', { ...balanced, externalTrafficPolicy: 'Local' }), ['node2']]]);

test.each([
  ['a Service with endpoints', ask, '10.96.0.20', '80', 'endpoints'],
  ['another port of it', ask, '10.96.0.20', '8', 'absent'],
  ["a balancer's address for some", ask, '192.0.2.8', '80', 'endpoints'],
  ['a port of the node', ask, undefined, '30080', 'endpoints'],
  ['a Service without endpoints', ask, '10.96.0.21', '80', 'refused'],
  ['an address that nobody has', ask, '10.96.0.2', '80', 'absent'],
  ['a Service of which the endpoints are elsewhere, from outside', far, '192.0.2.8', '80', 'dropped'],
  ['the same, at its own address', far, '10.96.0.22', '80', 'endpoints'],
])('%s', async (_, kernel, address, port, state) =>
  expect(await stateInIptables({ address, protocol: 'tcp', port }, kernel)).toBe(state),
);

test('without rules of the proxy nothing is said', async () => {
  const other: Ask = async () =>
    ':PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 10.96.0.20/32 -p tcp -m tcp --dport 80 -j X';
  expect(await stateInIptables({ address: '10.96.0.20', protocol: 'tcp', port: '80' }, other)).toBeUndefined();
});
