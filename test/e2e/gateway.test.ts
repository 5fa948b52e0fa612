/** Gateways out of the box: HTTPRoute, GRPCRoute and TLSRoute, from pods of three nodes to pods of three nodes. */
import { beforeAll, expect, test } from 'vitest';
import { object } from './conformance/playground.ts';
import { HOOK, serveWebhooks } from './conformance/tls-server.ts';
import { eventually, holds } from './running-cluster.ts';
import { ask, everyNode, NODES, type Question, serviceOf, threeNodes } from './three-nodes-ground.ts';
import { tlsSecret } from './tls-secret.ts';

const of = (node: string, more = {}) => ({ selector: { app: 'server', on: node }, ...more });
const [GATE, CALLS, SECURE, ENDS, THROUGH] = ['gate', 'calls', 'secure', 'ends', 'through'].map(
  (name) => `${name}.example.com`,
) as [string, string, string, string, string];

const ground = threeNodes('gateway', [
  serviceOf('one', of('node1')),
  serviceOf('two', of('node2')),
  serviceOf('three', of('node3')),
  serviceOf('calls', of('node3', { ports: [{ port: 9000 }] })),
  serviceOf('other-calls', of('node2', { ports: [{ port: 9000 }] })),
  tlsSecret('gate', SECURE, ENDS),
]);
const { answers, addressOf, podIp } = ground;
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
    - {name: own, port: 8088, protocol: HTTP}
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
  parentRefs: [{name: gate, sectionName: own}]
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
  parentRefs: [{name: gate, sectionName: own}]
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

let address = '';
beforeAll(async () => {
  await serveWebhooks(ground(), 'node3');
  await apply(MANIFEST);
  const path = ground().path('Gateway', 'gateway.networking.k8s.io/v1', 'gate');
  address = await eventually('the Gateway has an address', async () => {
    const { status } = await ground().api.get<{ status?: { addresses?: { value: string }[] } }>(path);
    return status?.addresses?.[0]?.value;
  });
});

test('stock kubectl shows Gateway, class and routes accepted, and applies them again', async () => {
  await holds('kubectl shows the Gateway', async () =>
    expect((await kubectl('get', 'gateways')).stdout).toMatch(new RegExp(`gate\\s+kedge\\s+${address}\\s+True`)),
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
  const asking = { how: 'http', address, port: 80 } as const;
  const questions = [
    { ...asking, host: GATE, path: '/x' },
    { ...asking, how: 'upgrade', host: GATE },
    { ...asking, port: 8088, host: GATE, path: '/api' },
    { ...asking, port: 8088, host: GATE, path: '/api/x' },
    { ...asking, how: 'grpc', port: 8088, host: CALLS },
    { ...asking, how: 'https', port: 443, host: SECURE },
    { ...asking, how: 'https', port: 443, host: ENDS },
    { ...asking, how: 'https', port: 443, host: THROUGH, path: '/readyz' },
  ] as const;
  const wanted = [
    '200 server-node1',
    '101 server-node1 hello',
    '200 server-node2',
    '404 default backend - 404',
    '200 server-node3 status 0',
    '200 server-node3 by gate',
    '200 server-node2 by gate',
    expect.stringMatching(new RegExp(`^200 .*by ${HOOK}.${ground().namespace}.svc$`)), // nobody on the way has its key
  ];
  await holds('each node is answered', async () =>
    expect(await everyNode((node) => answers(node, questions))).toEqual(NODES.map(() => wanted)),
  );
  const both = Array.from({ length: 24 }, () => ({ ...asking, host: GATE, path: '/both/clientip' }));
  await holds('both backends have their share', async () => {
    const said = await everyNode((node) => answers(node, both));
    for (const answered of said.flat()) expect(answered).toMatch(/^200 [0-9.]+$/); // asked for /clientip
  });
  const names = both.map((question) => ({ ...question, path: '/both' }));
  await holds('by weight', async () => {
    const reached = await everyNode(async (node) => [...new Set(await answers(node, names))].sort());
    expect(reached).toEqual(NODES.map(() => ['200 server-node2', '200 server-node3']));
  });
});

const [WAYS_HOST, OTHERS] = ['ways.example.com', 'conformance-gateway-others'];
const GATEWAY_API = 'gateway.networking.k8s.io/v1';
const route = (name: string, rules: object[]) =>
  object(
    'HTTPRoute',
    name,
    { spec: { parentRefs: [{ name: 'gate', sectionName: 'own' }], hostnames: [WAYS_HOST], rules } },
    GATEWAY_API,
  );
const to = (name: string, more = {}) => ({ backendRefs: [{ name, port: 80, ...more }] });
const below = (value: string, more = {}) => ({ matches: [{ path: { type: 'PathPrefix', value }, ...more }] });
const replaced = (replacePrefixMatch: string, more = {}) => ({
  type: 'URLRewrite',
  urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch }, ...more },
});
const RULES = [
  { matches: [{ path: { type: 'Exact', value: '/x' } }], ...to('one') },
  { ...below('/x', { headers: [{ name: 'x-kind', value: 'one' }] }), ...to('two') },
  { ...below('/x', { queryParams: [{ name: 'q', value: '1' }] }), ...to('three') },
  { ...below('/x', { method: 'POST' }), ...to('one') },
  {
    ...below('/filtered'),
    ...to('two'),
    filters: [
      {
        type: 'RequestHeaderModifier',
        requestHeaderModifier: { set: [{ name: 'X-Set', value: 's' }], remove: ['X-Gone'] },
      },
      { type: 'ResponseHeaderModifier', responseHeaderModifier: { set: [{ name: 'X-Answer', value: 'yes' }] } },
      replaced('/', { hostname: 'inside.example' }),
    ],
  },
  {
    ...below('/moved'),
    filters: [
      { type: 'RequestRedirect', requestRedirect: { scheme: 'https', hostname: 'new.example', statusCode: 301 } },
    ],
  },
  {
    ...below('/copied'),
    ...to('one'),
    filters: [{ type: 'RequestMirror', requestMirror: { backendRef: { name: 'three', port: 80 } } }],
  },
  { ...below('/slow'), ...to('three'), filters: [replaced('/never')], timeouts: { request: '1s' } },
  { ...below('/tried'), ...to('three'), filters: [replaced('/never')], timeouts: { backendRequest: '1s' } },
  {
    ...below('/weighed'),
    backendRefs: [
      { name: 'one', port: 80, weight: 0 },
      { name: 'two', port: 80, weight: 1 },
    ],
  },
];

test('matches, filters, mirrors, weights and time-outs of HTTPRoutes, from each node', async () => {
  await ground().create(route('ways', RULES));
  const asking = { how: 'http', address, port: 8088, host: WAYS_HOST } as const;
  const headers = { 'x-set': 'theirs', 'x-gone': '1' };
  const claims: [asked: Partial<Question> & { path: string }, wanted: unknown][] = [
    [{ path: '/x' }, '200 server-node1'],
    [{ path: '/x/y', headers: { 'x-kind': 'one' } }, '200 server-node2'],
    [{ path: '/x/y?q=1' }, '200 server-node3'],
    [{ path: '/x/y', method: 'POST' }, '200 server-node1'],
    [{ path: '/x/y' }, '404 default backend - 404'],
    [
      { path: '/filtered/deep/echo?q', headers, show: ['x-answer'] },
      expect.stringMatching(
        /^200 (?!.*x-gone)(?=.*"url":"\/deep\/echo\?q")(?=.*"host":"inside.example")(?=.*"x-set":"s").* x-answer: yes$/,
      ),
    ],
    [
      { path: '/moved/x?y', show: ['location'] },
      expect.stringMatching(/^301 .*location: https:\/\/new.example\/moved\/x\?y$/s),
    ],
    [{ path: '/copied/FROM' }, '200 server-node1'],
    [{ path: '/slow' }, expect.stringMatching(/^504 /)],
    [{ path: '/tried' }, expect.stringMatching(/^504 /)],
    ...Array.from({ length: 6 }, (): [{ path: string }, string] => [{ path: '/weighed' }, '200 server-node2']),
  ];
  await holds('each node is answered', async () => {
    const said = await everyNode((node) =>
      answers(
        node,
        claims.map(([question]) => ({ ...asking, ...question, path: question.path.replace('FROM', node) })),
      ),
    );
    expect(said).toEqual(NODES.map(() => claims.map(([, wanted]) => wanted)));
  });
  await holds('copies have come', async () => {
    const seen = (await ground().exec('server-node3', 'wget -qO- http://127.0.0.1:8080/seen')).split('\n');
    expect(seen).toEqual(expect.arrayContaining(NODES.map((node) => `GET /copied/${node}`)));
  });
});

const ORIGIN = 'https://app.example.org';
const allow = (name: string) => `access-control-allow-${name}`;
const CORS = {
  allowOrigins: ['https://*.example.org', 'http://localhost:3000'],
  allowMethods: ['GET', 'PUT'],
  allowHeaders: ['x-one', 'x-two'],
  exposeHeaders: ['x-told'],
  allowCredentials: true,
  maxAge: 600,
};

test('browsers of other origins are told what they may ask, by an HTTPRoute with the filter CORS, from each node', async () => {
  await ground().create(
    route('origins', [{ ...below('/cors'), ...to('two'), filters: [{ type: 'CORS', cors: CORS }] }]),
  );
  const asking = { how: 'http', address, port: 8088, host: WAYS_HOST, path: '/cors' } as const;
  const show = [...['origin', 'credentials', 'methods', 'headers'].map(allow), 'access-control-max-age'];
  const preflight = (origin: string) => ({
    ...asking,
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'x-one' },
    show,
  });
  const simple = (origin: string) => ({
    ...asking,
    headers: { origin },
    show: [...show.slice(0, 2), 'access-control-expose-headers'],
  });
  const allowed = (origin: string) => `${allow('origin')}: ${origin} ${allow('credentials')}: true`;
  const rest = `${allow('methods')}: GET, PUT ${allow('headers')}: x-one, x-two access-control-max-age: 600`;
  const claims: [asked: Question, wanted: string][] = [
    [preflight(ORIGIN), `204  ${allowed(ORIGIN)} ${rest}`],
    [preflight('http://localhost:3000'), `204  ${allowed('http://localhost:3000')} ${rest}`],
    [preflight('https://example.org.evil.example'), '204 '],
    [simple(ORIGIN), `200 server-node2 ${allowed(ORIGIN)} access-control-expose-headers: x-told`],
    [simple('http://localhost:3001'), '200 server-node2'], // who reads it is the browser's to say
  ];
  await holds('each node is answered', async () => {
    const said = await everyNode((node) =>
      answers(
        node,
        claims.map(([question]) => question),
      ),
    );
    expect(said).toEqual(NODES.map(() => claims.map(([, wanted]) => wanted)));
  });
});

test('calls are told apart by their headers, from each node', async () => {
  const host = 'chosen.example.com';
  const health = { method: { service: 'grpc.health.v1.Health' } };
  const backend = (name: string) => ({ backendRefs: [{ name, port: 9000 }] });
  const both = [
    { name: 'x-kind', type: 'RegularExpression', value: 'a.*z' },
    { name: 'X-Other', value: 'yes' },
  ];
  const rules = [
    { matches: [{ headers: [{ name: 'x-kind', value: 'one' }] }], ...backend('calls') },
    {
      matches: [
        { ...health, headers: [{ name: 'x-kind', value: 'two' }] },
        { ...health, headers: both },
      ],
      ...backend('other-calls'),
    },
  ];
  const parentRefs = [{ name: 'gate', sectionName: 'own' }];
  await ground().create(object('GRPCRoute', 'chosen', { spec: { parentRefs, hostnames: [host], rules } }, GATEWAY_API));
  const claims: [headers: Record<string, string>, wanted: string][] = [
    [{ 'x-kind': 'one' }, '200 server-node3 status 0'],
    [{ 'x-kind': 'two' }, '200 server-node2 status 0'],
    [{ 'x-kind': 'abcz', 'x-other': 'yes' }, '200 server-node2 status 0'],
    [{ 'x-kind': 'abcz' }, '404 '],
    [{ 'x-kind': 'three', 'x-other': 'yes' }, '404 '],
    [{}, '404 '],
  ];
  const questions = claims.map(([headers]) => ({ how: 'grpc', address, port: 8088, host, headers }) as const);
  await holds('each node is answered', async () =>
    expect(await everyNode((node) => answers(node, questions))).toEqual(
      NODES.map(() => claims.map(([, wanted]) => wanted)),
    ),
  );
});

test('a backend of another namespace wants its consent, and what is wrong with a route is told', async () => {
  const { api, namespace } = ground();
  const others = `/api/v1/namespaces/${OTHERS}`;
  const ip = await podIp('server-node3');
  const condition = async (name: string, type: string) => {
    const { status } = await api.get<{ status?: { parents: { conditions: { type: string; reason: string }[] }[] } }>(
      ground().path('HTTPRoute', GATEWAY_API, name),
    );
    return status?.parents[0]?.conditions.find((each) => each.type === type)?.reason;
  };
  const question = { how: 'http', address, port: 8088, host: WAYS_HOST, path: '/elsewhere' } as const;
  const becomes = (reason: string, answer: string) =>
    holds(`${reason} and ${answer}`, async () => {
      expect(await condition('elsewhere', 'ResolvedRefs')).toBe(reason);
      const said = await everyNode((node) => answers(node, [question]));
      for (const [one] of said) expect(one).toMatch(new RegExp(`^${answer}`));
    });
  await api.post('/api/v1/namespaces', { metadata: { name: OTHERS } });
  try {
    await api.post(`${others}/services`, object('Service', 'there', { spec: { ports: [{ name: 'http', port: 80 }] } }));
    await api.post(`/apis/discovery.k8s.io/v1/namespaces/${OTHERS}/endpointslices`, {
      metadata: { name: 'there', labels: { 'kubernetes.io/service-name': 'there' } },
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 8080 }],
      endpoints: [{ addresses: [ip], conditions: { ready: true } }],
    });
    await ground().create(
      route('elsewhere', [{ ...below('/elsewhere'), ...to('there', { namespace: OTHERS }) }]),
      route('nowhere', [{ ...below('/nowhere'), ...to('not-there') }]),
    );
    await becomes('RefNotPermitted', '500');
    await holds('the other lacks its backend', async () => {
      expect([await condition('nowhere', 'Accepted'), await condition('nowhere', 'ResolvedRefs')]).toEqual([
        'Accepted',
        'BackendNotFound',
      ]);
      const said = await everyNode((node) => answers(node, [{ ...question, path: '/nowhere' }]));
      for (const [one] of said) expect(one).toMatch(/^500 /);
    });
    const grants = `/apis/gateway.networking.k8s.io/v1beta1/namespaces/${OTHERS}/referencegrants`;
    await api.post(grants, {
      metadata: { name: 'routes' },
      spec: {
        from: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace }],
        to: [{ group: '', kind: 'Service' }],
      },
    });
    await becomes('ResolvedRefs', '200 server-node3');
    await api.delete(`${grants}/routes`);
    await becomes('RefNotPermitted', '500');
  } finally {
    await api.try('DELETE', others);
  }
});

interface Condition {
  type: string;
  status: string;
  reason: string;
  message: string;
}

test('a listener shows a certificate of another namespace where that permits it', async () => {
  const { api, namespace } = ground();
  const [others, host, port] = ['conformance-gateway-lender', 'lent.example.com', 8443];
  const grants = `/apis/gateway.networking.k8s.io/v1beta1/namespaces/${others}/referencegrants`;
  const listener = {
    name: 'lent',
    port,
    protocol: 'HTTPS',
    hostname: host,
    tls: { certificateRefs: [{ name: 'lent', namespace: others }] },
  };
  const conditions = async () => {
    const { status } = await api.get<{ status?: { listeners?: { conditions: Condition[] }[] } }>(
      ground().path('Gateway', GATEWAY_API, 'lent'),
    );
    const said = status?.listeners?.[0]?.conditions ?? [];
    return Object.fromEntries(said.map(({ type, status: is, reason, message }) => [type, [is, reason, message]]));
  };
  const question = { how: 'https', address, port, host } as const;
  const message = `No ReferenceGrant of ${others} permits the reference to the Secret lent`;
  const refused = () =>
    holds('refused', async () => {
      expect(await conditions()).toMatchObject({
        Accepted: ['True', 'Accepted', expect.any(String)],
        ResolvedRefs: ['False', 'RefNotPermitted', message],
        Programmed: ['False', 'Invalid', expect.any(String)],
      });
      expect(await everyNode((node) => answers(node, [question]))).toEqual(NODES.map(() => ['ECONNREFUSED']));
    });
  const shown = () =>
    holds('shown', async () => {
      expect(await conditions()).toMatchObject({
        Accepted: ['True', 'Accepted', expect.any(String)],
        ResolvedRefs: ['True', 'ResolvedRefs', expect.any(String)],
        Programmed: ['True', 'Programmed', expect.any(String)],
      });
      const said = await everyNode((node) => answers(node, [question]));
      expect(said).toEqual(NODES.map(() => ['200 server-node2 by lent']));
    });
  const grant = (name: string, secret: string) => ({
    metadata: { name },
    spec: {
      from: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', namespace }],
      to: [{ group: '', kind: 'Secret', name: secret }],
    },
  });
  await api.post('/api/v1/namespaces', { metadata: { name: others } });
  try {
    await api.post(`/api/v1/namespaces/${others}/secrets`, tlsSecret('lent', host));
    await api.post(grants, grant('of-another', 'not-lent')); // which helps nobody here
    await ground().create(
      object('Gateway', 'lent', { spec: { gatewayClassName: 'kedge', listeners: [listener] } }, GATEWAY_API),
      object('HTTPRoute', 'lent', { spec: { parentRefs: [{ name: 'lent' }], rules: [to('two')] } }, GATEWAY_API),
    );
    await refused();
    await api.post(grants, grant('gateways', 'lent'));
    await shown();
    await api.delete(`${grants}/gateways`);
    await refused();
  } finally {
    await api.try('DELETE', `/api/v1/namespaces/${others}`);
  }
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
