/** Gateways out of the box: HTTPRoute, GRPCRoute and TLSRoute, from pods of three nodes to pods of three nodes. */
import { beforeAll, expect, test } from 'vitest';
import { HOOK, serveWebhooks } from './conformance/tls-server.ts';
import { type Claim, gatewayGround, OWN } from './gateway-ground.ts';
import { holds } from './running-cluster.ts';
import { ask, everyNode, NODES } from './three-nodes-ground.ts';
import { tlsSecret } from './tls-secret.ts';

const [GATE, CALLS, SECURE, ENDS, THROUGH] = ['gate', 'calls', 'secure', 'ends', 'through'].map(
  (name) => `${name}.example.com`,
) as [string, string, string, string, string];

const ground = gatewayGround('gateway', tlsSecret('gate', SECURE, ENDS));
const { address, addressOf, answers, answersAre } = ground;
const apply = (text: string) => ground().cluster.apply(text, '-n', ground().namespace);
const kubectl = (...args: string[]) => ground().cluster.tryKubectl(['-n', ground().namespace, ...args]);

const MANIFEST = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gate}
spec:
  gatewayClassName: kedge
  listeners:
    - {name: http, port: 80, protocol: HTTP, hostname: ${GATE}}
    - {name: ${OWN.name}, port: ${OWN.port}, protocol: HTTP}
    - {name: secure, port: 443, protocol: HTTPS, hostname: ${SECURE}, tls: {certificateRefs: [{name: gate}]}}
    - {name: ends, port: 443, protocol: TLS, hostname: ${ENDS}, tls: {mode: Terminate, certificateRefs: [{name: gate}]}}
    - {name: through, port: 443, protocol: TLS, hostname: ${THROUGH}, tls: {mode: Passthrough}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{name: gate, sectionName: http}]
  rules:
    - matches: [{path: {type: PathPrefix, value: /both}}]
      filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}]
      backendRefs: [{name: two, port: 80, weight: 1}, {name: three, port: 80, weight: 1}]
    - backendRefs: [{name: one, port: 80}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: api}
spec:
  parentRefs: [{name: gate, sectionName: ${OWN.name}}]
  hostnames: [${GATE}]
  rules:
    - matches: [{path: {type: Exact, value: /api}, method: GET}]
      backendRefs: [{name: two, port: 80}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: secure}
spec:
  parentRefs: [{name: gate, sectionName: secure}]
  rules: [{backendRefs: [{name: three, port: 80}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: calls}
spec:
  parentRefs: [{name: gate, sectionName: ${OWN.name}}]
  hostnames: [${CALLS}]
  rules:
    - matches: [{method: {service: grpc.health.v1.Health}}]
      backendRefs: [{name: calls, port: 9000}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: ends}
spec:
  parentRefs: [{name: gate, sectionName: ends}]
  hostnames: [${ENDS}]
  rules: [{backendRefs: [{name: two, port: 80}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: through}
spec:
  parentRefs: [{name: gate, sectionName: through}]
  hostnames: [${THROUGH}]
  rules: [{backendRefs: [{name: ${HOOK}, port: 443}]}]
`;
const ROUTES = [
  'httproute/web',
  'httproute/api',
  'httproute/secure',
  'grpcroute/calls',
  'tlsroute/ends',
  'tlsroute/through',
];

beforeAll(async () => {
  await serveWebhooks(ground(), 'node3');
  await apply(MANIFEST);
});

test('stock kubectl shows Gateway, class and routes accepted, and applies them again', async () => {
  const at = await address();
  await holds('kubectl shows the Gateway', async () =>
    expect((await kubectl('get', 'gateways')).stdout).toMatch(new RegExp(`gate\\s+kedge\\s+${at}\\s+True`)),
  );
  await holds('kubectl shows the class', async () =>
    expect((await kubectl('get', 'gatewayclass', 'kedge')).stdout).toMatch(/kedge\s+kedge\.dev\/gateway\s+True/),
  );
  for (const type of ['Accepted', 'ResolvedRefs']) {
    const condition = `jsonpath={.status.parents[0].conditions[?(@.type=="${type}")].status}=True`;
    const { code, stderr } = await kubectl('wait', '--for', condition, ...ROUTES, '--timeout=180s');
    expect([code, stderr]).toEqual([0, '']);
  }
  await apply(MANIFEST); // nothing to change, and nothing complains
});

test('pods of each node are led to pods of every node, by each kind of route', async () => {
  const web = { port: 80, host: GATE };
  const secure = { how: 'https', port: 443 } as const;
  const claims: Claim[] = [
    [{ ...web, path: '/x' }, '200 server-node1'],
    [{ ...web, how: 'upgrade' }, '101 server-node1 hello'],
    [{ host: GATE, path: '/api' }, '200 server-node2'],
    [{ host: GATE, path: '/api/x' }, '404 default backend - 404'],
    [{ how: 'grpc', host: CALLS }, '200 server-node3 status 0'],
    [{ ...secure, host: SECURE }, '200 server-node3 by gate'],
    [{ ...secure, host: ENDS }, '200 server-node2 by gate'],
    [
      { ...secure, host: THROUGH, path: '/readyz' },
      expect.stringMatching(new RegExp(`^200 .*by ${HOOK}.${ground().namespace}.svc$`)), // nobody on the way has its key
    ],
  ];
  await holds('each node is answered', () => answersAre(() => claims));
  const both = (path: string) => Array.from({ length: 24 }, () => ({ ...web, path }));
  const rewritten = both('/both/clientip').map((asked): Claim => [asked, expect.stringMatching(/^200 [0-9.]+$/)]);
  await holds('both backends have their share', () => answersAre(() => rewritten));
  const asking = { how: 'http', address: await address() } as const;
  const names = both('/both').map((asked) => ({ ...asking, ...asked }));
  await holds('by weight', async () => {
    const reached = await everyNode(async (node) => [...new Set(await answers(node, names))].sort());
    expect(reached).toEqual(NODES.map(() => ['200 server-node2', '200 server-node3']));
  });
});

test('every node tells how many requests it has carried', async () => {
  for (const node of NODES)
    await holds(`${node} tells`, async () => {
      const told = await ask(addressOf(node), { port: 10_254, path: '/metrics' });
      for (const route of ['HTTPRoute', 'GRPCRoute'])
        expect(told).toMatch(
          new RegExp(`kedge_ingress_requests_total\\{[^}]*${route} ${ground().namespace}/[^}]*\\} [1-9]`),
        );
    });
});
