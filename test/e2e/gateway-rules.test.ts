/** What rules of HTTPRoutes and GRPCRoutes tell apart and change, from pods of three nodes to pods of three nodes. */
import { expect, test } from 'vitest';
import { below, type Claim, callRoute, gateway, gatewayGround, OWN, route, to } from './gateway-ground.ts';
import { holds } from './running-cluster.ts';
import { NODES, type NodeName } from './three-nodes-ground.ts';

const ground = gatewayGround('gateway-rules', gateway('gate', OWN));

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
  const headers = { 'x-set': 'theirs', 'x-gone': '1' };
  const claims = (node: NodeName): Claim[] => [
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
    [{ path: `/copied/${node}` }, '200 server-node1'],
    [{ path: '/slow' }, expect.stringMatching(/^504 /)],
    [{ path: '/tried' }, expect.stringMatching(/^504 /)],
    ...Array.from({ length: 6 }, (): Claim => [{ path: '/weighed' }, '200 server-node2']),
  ];
  await holds('each node is answered', () => ground.answersAre(claims));
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
  const show = [...['origin', 'credentials', 'methods', 'headers'].map(allow), 'access-control-max-age'];
  const preflight = (origin: string) => ({
    path: '/cors',
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'x-one' },
    show,
  });
  const simple = (origin: string) => ({
    path: '/cors',
    headers: { origin },
    show: [...show.slice(0, 2), 'access-control-expose-headers'],
  });
  const allowed = (origin: string) => `${allow('origin')}: ${origin} ${allow('credentials')}: true`;
  const rest = `${allow('methods')}: GET, PUT ${allow('headers')}: x-one, x-two access-control-max-age: 600`;
  const claims: Claim[] = [
    [preflight(ORIGIN), `204  ${allowed(ORIGIN)} ${rest}`],
    [preflight('http://localhost:3000'), `204  ${allowed('http://localhost:3000')} ${rest}`],
    [preflight('https://example.org.evil.example'), '204 '],
    [simple(ORIGIN), `200 server-node2 ${allowed(ORIGIN)} access-control-expose-headers: x-told`],
    [simple('http://localhost:3001'), '200 server-node2'], // who reads it is the browser's to say
  ];
  await holds('each node is answered', () => ground.answersAre(() => claims));
});

test('calls are told apart by their headers and mirrored, from each node', async () => {
  const host = 'chosen.example.com';
  const health = { method: { service: 'grpc.health.v1.Health' } };
  const backend = (name: string) => ({ backendRefs: [{ name, port: 9000 }] });
  const both = [
    { name: 'x-kind', type: 'RegularExpression', value: 'a.*z' },
    { name: 'X-Other', value: 'yes' },
  ];
  const rules = [
    {
      matches: [{ headers: [{ name: 'x-kind', value: 'one' }] }],
      filters: [{ type: 'RequestMirror', requestMirror: { backendRef: { name: 'other-calls', port: 9000 } } }],
      ...backend('calls'),
    },
    {
      matches: [
        { ...health, headers: [{ name: 'x-kind', value: 'two' }] },
        { ...health, headers: both },
      ],
      ...backend('other-calls'),
    },
  ];
  await ground().create(callRoute('chosen', host, rules));
  const answered: [headers: Record<string, string>, wanted: string][] = [
    [{ 'x-kind': 'one' }, '200 server-node3 status 0'],
    [{ 'x-kind': 'two' }, '200 server-node2 status 0'],
    [{ 'x-kind': 'abcz', 'x-other': 'yes' }, '200 server-node2 status 0'],
    [{ 'x-kind': 'abcz' }, '404 '],
    [{ 'x-kind': 'three', 'x-other': 'yes' }, '404 '],
    [{}, '404 '],
  ];
  const claims = answered.map(([headers, wanted]): Claim => [{ how: 'grpc', host, headers }, wanted]);
  await holds('each node is answered', () => ground.answersAre(() => claims));
  await holds('copies have come', async () => {
    const seen = (await ground().exec('server-node2', 'wget -qO- http://127.0.0.1:8080/seen')).split('\n');
    expect(seen.filter((each) => each === 'call of kind one').length).toBeGreaterThanOrEqual(NODES.length);
  });
});
