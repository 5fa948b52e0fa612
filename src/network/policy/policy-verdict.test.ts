import { expect, test } from 'vitest';
import type { NetworkPolicy, NetworkPolicySpec } from '#api/generated/schema.ts';
import type { PodFacts } from './pod-facts.ts';
import { policyVerdict } from './policy-verdict.ts';

const facts = (app: string, address: string, namespace = 'default'): PodFacts => ({
  namespace,
  labels: { app },
  address,
  ports: app === 'server' ? [{ name: 'web', protocol: 'tcp', port: 8080 }] : [],
  isLocal: true,
});
const client = facts('client', '10.244.1.10');
const guest = facts('guest', '10.244.1.11', 'guests');
const server = facts('server', '10.244.1.12');

const policy = (name: string, spec: Partial<NetworkPolicySpec>, namespace = 'default') =>
  ({
    metadata: { name, namespace },
    spec: { podSelector: { matchLabels: { app: 'server' } }, policyTypes: ['Ingress'], ...spec },
  }) as NetworkPolicy;
const namespaceLabels = (name: string) => ({ team: name === 'guests' ? 'b' : 'a' });

const ask = (policies: NetworkPolicy[], from: PodFacts | string, port = 80) => {
  const [pod, fromAddress] = typeof from === 'string' ? [undefined, from] : [from, from.address];
  const connection = { from: pod, fromAddress, to: server, toAddress: server.address, protocol: 'tcp', port } as const;
  return policyVerdict('ingress', connection, { policies, namespaceLabels });
};
const whoMay = (spec: Partial<NetworkPolicySpec>, port = 80) =>
  Object.entries({ client, guest, outside: '172.31.9.1' })
    .filter(([, from]) => ask([policy('p', spec)], from, port).isAllowed)
    .map(([name]) => name);

// The kernel is asked the same in test/integration/network-policy.test.ts.
test.each<[string, Partial<NetworkPolicySpec>, string[]]>([
  ['nothing', {}, []],
  ['everything', { ingress: [{}] }, ['client', 'guest', 'outside']],
  ['pods by label', { ingress: [{ from: [{ podSelector: { matchLabels: { app: 'client' } } }] }] }, ['client']],
  ['pods by namespace', { ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: 'b' } } }] }] }, ['guest']],
  [
    'addresses with holes',
    { ingress: [{ from: [{ ipBlock: { cidr: '0.0.0.0/0', except: ['10.244.0.0/16'] } }] }] },
    ['outside'],
  ],
  ['another port', { ingress: [{ ports: [{ port: 8080, protocol: 'TCP' }] }] }, []],
  [
    'a range of ports',
    { ingress: [{ ports: [{ port: 79, endPort: 81, protocol: 'TCP' }] }] },
    ['client', 'guest', 'outside'],
  ],
  ['another protocol', { ingress: [{ ports: [{ port: 80, protocol: 'UDP' }] }] }, []],
])('a policy that allows %s', (_, spec, expected) => expect(whoMay(spec)).toEqual(expected));

test('a named port is the number that the receiver gives it', () => {
  const spec: Partial<NetworkPolicySpec> = { ingress: [{ ports: [{ port: 'web', protocol: 'TCP' }] }] };
  expect(whoMay(spec, 8080)).toHaveLength(3);
  expect(whoMay(spec, 80)).toEqual([]);
});

test('policies add to one another, are told by name, and mean only their own namespace', () => {
  const deny = policy('deny', {});
  const some = policy('some', { ingress: [{ from: [{ podSelector: {} }] }] });
  const far = policy('far', {}, 'guests');
  expect(ask([some, deny, far], client)).toEqual({
    isAllowed: true,
    isolating: ['default/deny', 'default/some'],
    allowing: ['default/some'],
  });
  expect(ask([far], client)).toEqual({ isAllowed: true, isolating: [], allowing: [] });
});

test('a policy for one direction says nothing about the other, and nobody isolates what is no pod', () => {
  const egress = policy('out', { policyTypes: ['Egress'] });
  expect(ask([egress], client).isolating).toEqual([]);
  const connection = {
    from: server,
    fromAddress: '',
    to: undefined,
    toAddress: '192.0.2.1',
    protocol: 'tcp',
    port: 80,
  } as const;
  const context = { policies: [egress, policy('in', {})], namespaceLabels };
  expect(policyVerdict('egress', connection, context).isAllowed).toBe(false);
  expect(policyVerdict('ingress', connection, context).isAllowed).toBe(true);
});
