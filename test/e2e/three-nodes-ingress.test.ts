/** What Ingresses say by annotations, hosts and paths, each shown by pods of three nodes that ask pods of three nodes. */
import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { selfSigned } from '#cmd/pki/certificate.ts';
import { object } from './conformance/playground.ts';
import { HOOK, serveWebhooks } from './conformance/tls-server.ts';
import { eventually, holds } from './running-cluster.ts';
import {
  ask,
  everyNode,
  NODES,
  type NodeName,
  type Question,
  serverOn,
  serviceOf,
  threeNodes,
} from './three-nodes-ground.ts';

const API = 'networking.k8s.io/v1';
const hostOf = (name: string) => `${name}.ways.example.com`;
const of = (node: NodeName) => ({ selector: { app: 'server', on: node } });
const certificate = (commonName: string, host: string) => {
  const life = { notBeforeMs: Date.now() - 60_000, notAfterMs: Date.now() + 3_600_000 };
  const { certificate: crt, key } = selfSigned({ commonName, names: [host], usage: 'server', ...life });
  return object('Secret', commonName, {
    type: 'kubernetes.io/tls',
    stringData: { 'tls.crt': crt, 'tls.key': key },
  });
};
const users = `jane:{SHA}${createHash('sha1').update('secret').digest('base64')}\n`;
const jane = (password: string) => `Basic ${Buffer.from(`jane:${password}`).toString('base64')}`;

const ground = threeNodes('three-nodes-ingress', [
  serviceOf('front', of('node1')),
  serviceOf('api', of('node2')),
  serviceOf('far', of('node3')),
  serviceOf('all', {}),
  serviceOf('leaving', { selector: { app: 'leaving' } }),
  serviceOf('calls', { ...of('node3'), ports: [{ port: 9000 }] }),
  object('Service', 'half', { spec: { ports: [{ name: 'http', port: 80 }] } }),
  object('Service', 'silent', { spec: { ports: [{ name: 'http', port: 80 }] } }),
  object('Secret', 'users', { stringData: { auth: users } }),
  certificate('first', hostOf('secure')),
  certificate('second', hostOf('other')),
]);
const { addressOf, answers, inPod, podIp } = ground;

interface Rule {
  host?: string;
  service?: string;
  port?: number;
  path?: string;
  pathType?: string;
  secret?: string;
}
function ingress(name: string, annotations: Record<string, string>, ...rules: Rule[]) {
  const known = rules.length > 0 ? rules : [{}];
  const spec = {
    ingressClassName: 'nginx',
    tls: known.flatMap(({ host = hostOf(name), secret }) => (secret ? [{ hosts: [host], secretName: secret }] : [])),
    rules: known.map(({ host = hostOf(name), service = 'far', port = 80, path = '/', pathType = 'Prefix' }) => ({
      host,
      http: { paths: [{ path, pathType, backend: { service: { name: service, port: { number: port } } } }] },
    })),
  };
  const prefixed = Object.entries(annotations).map(([key, value]) => [`nginx.ingress.kubernetes.io/${key}`, value]);
  return { ...object('Ingress', name, { spec }, API), metadata: { name, annotations: Object.fromEntries(prefixed) } };
}

/** A question of each node's client, and what each is answered; `wanted` gets the client's own node. */
type Claim = [Partial<Question>, unknown | ((node: NodeName) => unknown)];
interface Way {
  title: string;
  ingresses: ReturnType<typeof ingress>[];
  claims: Claim[];
}
const way = (title: string, ingresses: Way['ingresses'], ...claims: Claim[]): Way => ({ title, ingresses, claims });
const at = (name: string, path = '/', more: Partial<Question> = {}): Partial<Question> => ({
  host: hostOf(name),
  path,
  ...more,
});
const secure = (name: string, path = '/', more: Partial<Question> = {}) =>
  at(name, path, { how: 'https', port: 443, ...more });
/** An echo that holds all of these. */
const echoes = (...parts: string[]) =>
  expect.stringMatching(
    new RegExp(`^200 ${parts.map((part) => `(?=.*${part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')})`).join('')}`),
  );
/** A port that says nothing to who connects. */
const MUTE = 8081;
const FAR = '200 server-node3';
const says = (status: number) => expect.stringMatching(new RegExp(`^${status} `));
const origin = 'https://app.example.org';
const cors = ['access-control-allow-origin', 'access-control-allow-methods', 'access-control-allow-credentials'];
const canary = (name: string, annotations: Record<string, string>) =>
  ingress(`${name}-canary`, { canary: 'true', ...annotations }, { host: hostOf(name), service: 'api' });
const API_ANSWER = '200 server-node2';
const clientIps = new Map<NodeName, string>();

const WAYS: Way[] = [
  way(
    'rewrite-target with captures',
    [ingress('rewrite', { 'rewrite-target': '/$2/$1' }, { path: '/(api)/(.*)', pathType: 'ImplementationSpecific' })],
    [at('rewrite', '/api/any/echo?x=1'), says(200)],
    [at('rewrite', '/other'), '404 default backend - 404'],
  ),
  way(
    'ssl-redirect, and without it',
    [
      ingress('secure', {}, { secret: 'first' }),
      ingress('both', { 'ssl-redirect': 'false' }, { secret: 'first' }),
      ingress('other', {}, { secret: 'second', service: 'api' }),
    ],
    [
      at('secure', '/x?y', { show: ['location'] }),
      expect.stringMatching(/^308 .*location: https:\/\/secure.ways.example.com\/x\?y$/s),
    ],
    [at('both'), FAR],
  ),
  way('certificates by SNI', [], [secure('secure'), `${FAR} by first`], [secure('other'), `${API_ANSWER} by second`]),
  way('HTTP/2', [], [secure('secure', '/', { how: 'h2' }), `${FAR} over h2`]),
  way(
    'force-ssl-redirect',
    [ingress('forced', { 'force-ssl-redirect': 'true' })],
    [
      at('forced', '/x', { show: ['location'] }),
      expect.stringMatching(/^308 .*location: https:\/\/forced.ways.example.com\/x$/s),
    ],
  ),
  way(
    'redirects and a root of the application',
    [
      ingress('moved', { 'permanent-redirect': 'https://new.example.org/' }),
      ingress('away', { 'temporal-redirect': 'https://away.example.org/' }),
      ingress('root', { 'app-root': '/start' }),
    ],
    [at('moved', '/', { show: ['location'] }), expect.stringMatching(/^301 .*location: https:\/\/new.example.org\/$/s)],
    [at('away', '/', { show: ['location'] }), expect.stringMatching(/^302 .*location: https:\/\/away.example.org\/$/s)],
    [at('root', '/', { show: ['location'] }), expect.stringMatching(/^302 .*location: \S*\/start$/s)],
    [at('root', '/other'), FAR],
  ),
  way(
    'time-outs: of the answer, and of the connection',
    [
      ingress('slow', { 'proxy-read-timeout': '1' }),
      ingress('silent', { 'proxy-connect-timeout': '1' }, { service: 'silent' }),
    ],
    [at('slow', '/never'), says(504)],
    [at('slow'), FAR],
    [at('silent'), says(504)],
  ),
  way(
    'the size of a body',
    [
      ingress('small', { 'proxy-body-size': '1k' }),
      ingress('usual', {}),
      ingress('large', { 'proxy-body-size': '4m' }),
    ],
    [at('small', '/echo', { method: 'POST', bytes: 1_000 }), echoes('"bytes":1000,', '"method":"POST"')],
    [at('small', '/echo', { method: 'POST', bytes: 2_000 }), says(413)],
    [at('usual', '/echo', { method: 'POST', bytes: 900_000 }), echoes('"bytes":900000,')],
    [at('large', '/echo', { method: 'POST', bytes: 3_000_000 }), echoes('"bytes":3000000,')],
  ),
  way(
    'CORS',
    [
      ingress('cors', {
        'enable-cors': 'true',
        'cors-allow-origin': 'https://*.example.org',
        'cors-allow-methods': 'GET',
      }),
    ],
    [
      at('cors', '/', { method: 'OPTIONS', headers: { origin }, show: cors }),
      `204   ${cors[0]}: ${origin} ${cors[1]}: GET ${cors[2]}: true`.replace('   ', '  '),
    ],
    [at('cors', '/', { headers: { origin }, show: cors.slice(0, 1) }), `${FAR} ${cors[0]}: ${origin}`],
    [at('cors', '/', { headers: { origin: 'https://evil.example' }, show: cors.slice(0, 1) }), FAR],
  ),
  way(
    'basic authentication',
    [ingress('guarded', { 'auth-type': 'basic', 'auth-secret': 'users', 'auth-realm': 'members' })],
    [
      at('guarded', '/', { show: ['www-authenticate'] }),
      expect.stringMatching(/^401 .*www-authenticate: Basic realm="members"/s),
    ],
    [at('guarded', '/', { headers: { authorization: jane('guess') } }), says(401)],
    [at('guarded', '/', { headers: { authorization: jane('secret') } }), FAR],
  ),
  way(
    'somebody else who is asked whether a request may pass',
    [
      ingress('allowed', { 'auth-url': 'http://front.NAMESPACE.svc/status/204' }),
      ingress('refused', { 'auth-url': 'http://front.NAMESPACE.svc/status/401' }),
      ingress('signed-in', {
        'auth-url': 'http://front.NAMESPACE.svc/status/401',
        'auth-signin': 'https://login.example.org/',
      }),
    ],
    [at('allowed'), FAR],
    [at('refused'), says(401)],
    [
      at('signed-in', '/', { show: ['location'] }),
      expect.stringMatching(/^302 .*location: https:\/\/login.example.org\/\?rd=/s),
    ],
  ),
  way(
    'whitelist-source-range and denylist-source-range',
    [
      ingress('listed', { 'whitelist-source-range': '192.0.2.0/24,CLIENT' }),
      ingress('denied', { 'denylist-source-range': 'CLIENT' }),
    ],
    [at('listed'), (node: NodeName) => (node === 'node1' ? FAR : says(403))],
    [at('denied'), (node: NodeName) => (node === 'node1' ? says(403) : FAR)],
  ),
  way(
    'canaries by weight, header, value and cookie',
    [
      ingress('weighed', {}),
      canary('weighed', { 'canary-weight': '100' }),
      ingress('unweighed', {}),
      canary('unweighed', { 'canary-weight': '0' }),
      ingress('tried', {}),
      canary('tried', { 'canary-by-header': 'x-try' }),
      ingress('valued', {}),
      canary('valued', { 'canary-by-header': 'x-try', 'canary-by-header-value': 'please' }),
      ingress('matched', {}),
      canary('matched', { 'canary-by-header': 'x-try', 'canary-by-header-pattern': '^v[12]' }),
      ingress('eaten', {}),
      canary('eaten', { 'canary-by-cookie': 'try' }),
    ],
    [at('weighed'), API_ANSWER],
    [at('unweighed'), FAR],
    [at('tried', '/', { headers: { 'x-try': 'always' } }), API_ANSWER],
    [at('tried', '/', { headers: { 'x-try': 'never' } }), FAR],
    [at('tried'), FAR],
    [at('valued', '/', { headers: { 'x-try': 'please' } }), API_ANSWER],
    [at('valued', '/', { headers: { 'x-try': 'always' } }), FAR],
    [at('matched', '/', { headers: { 'x-try': 'v2' } }), API_ANSWER],
    [at('matched', '/', { headers: { 'x-try': 'v3' } }), FAR],
    [at('eaten', '/', { headers: { cookie: 'a=b; try=always' } }), API_ANSWER],
    [at('eaten'), FAR],
  ),
  way(
    'backend-protocol HTTPS and GRPC',
    [
      ingress('inner', { 'backend-protocol': 'HTTPS' }, { service: HOOK, port: 443 }),
      ingress('calls', { 'backend-protocol': 'GRPC' }, { service: 'calls', port: 9000, secret: 'first' }),
    ],
    [at('inner', '/readyz'), '200 ok'],
    [secure('calls', '/', { how: 'grpcs' }), '200 server-node3 status 0'],
  ),
  way(
    'WebSockets, and over TLS',
    [],
    [at('both', '/', { how: 'upgrade' }), '101 server-node3 hello'],
    [secure('secure', '/', { how: 'upgrades' }), '101 server-node3 hello'],
  ),
  way(
    'the Host that the backend sees',
    [ingress('renamed', { 'upstream-vhost': 'inside.example.org' })],
    [at('renamed', '/echo'), echoes('"host":"inside.example.org"', '"x-forwarded-host":"renamed.ways.example.com"')],
  ),
  way(
    'who asks is told to the backend, and never what the client says of that',
    [],
    [
      secure('secure', '/echo', {
        headers: { 'x-forwarded-for': '192.0.2.1', 'x-forwarded-proto': 'gopher', 'x-kept': 'yes' },
      }),
      (node: NodeName) =>
        echoes(
          `"x-forwarded-for":"${clientIps.get(node)}"`,
          `"x-real-ip":"${clientIps.get(node)}"`,
          '"x-forwarded-proto":"https"',
          '"x-forwarded-port":"443"',
          '"x-request-id":"',
          '"x-kept":"yes"',
        ),
    ],
  ),
  way(
    'hosts: the exact one before the wildcard, which stands for one label',
    [
      ingress('wild', {}, { host: `*.${hostOf('wild')}` }),
      ingress('exact', {}, { host: `one.${hostOf('wild')}`, service: 'api' }),
    ],
    [{ host: `two.${hostOf('wild')}` }, FAR],
    [{ host: `one.${hostOf('wild')}` }, API_ANSWER],
    [{ host: `a.b.${hostOf('wild')}` }, '404 default backend - 404'],
    [{ host: hostOf('wild') }, '404 default backend - 404'],
  ),
  way(
    'paths: Exact, and Prefix by elements, the longest first',
    [
      ingress(
        'paths',
        {},
        { host: hostOf('paths'), path: '/exact', pathType: 'Exact', service: 'front' },
        { host: hostOf('paths'), path: '/pre', service: 'api' },
        { host: hostOf('paths'), path: '/pre/longer', service: 'far' },
      ),
    ],
    [at('paths', '/exact'), '200 server-node1'],
    [at('paths', '/exact/more'), '404 default backend - 404'],
    [at('paths', '/pre/x'), API_ANSWER],
    [at('paths', '/prefix'), '404 default backend - 404'],
    [at('paths', '/pre/longer/x'), FAR],
  ),
  way(
    'an endpoint that does not answer is passed over',
    [ingress('half', {}, { service: 'half' })],
    ...Array.from({ length: 8 }, (): Claim => [at('half'), '200 server-node1']),
  ),
  way(
    'a Service that is not there, and one without endpoints',
    [ingress('gone', {}, { service: 'gone' }), ingress('nobody', {}, { service: 'leaving' })],
    [at('gone'), says(503)],
    [at('nobody'), says(503)],
  ),
];

/** For the tests below. */
const OTHERS = [
  ingress('hashed', { 'upstream-hash-by': '$arg_user' }, { service: 'all' }),
  ingress('shared', { canary: 'false' }, {}),
  ingress('shared-canary', { canary: 'true', 'canary-weight': '50' }, { host: hostOf('shared'), service: 'api' }),
  ingress('often', { 'limit-rpm': '1', 'limit-burst-multiplier': '1' }),
  ingress('fast', { 'limit-rps': '1', 'limit-burst-multiplier': '1' }),
  ingress('excepted', { 'limit-rps': '1', 'limit-burst-multiplier': '1', 'limit-whitelist': 'CLIENT' }),
  ingress('tried-again', {}, { service: 'all' }),
  ingress('crowded', { 'limit-connections': '1', 'proxy-read-timeout': '1' }),
  ingress('written', { 'enable-access-log': 'true' }),
  ingress('leaving', {}, { service: 'leaving' }),
];

let address = '';
beforeAll(async () => {
  const it = ground();
  await it.create(serverOn('node2', 'leaving', 'later'), serverOn('node3', 'staying', 'later'));
  await serveWebhooks(it, 'node3');
  for (const node of NODES) clientIps.set(node, await podIp(`client-${node}`));
  const told = (text: string) =>
    text.replaceAll('NAMESPACE', it.namespace).replaceAll('CLIENT', `${clientIps.get('node1')}/32`);
  const slice = (name: string, service: string, [ip, port]: readonly [string, number]) => ({
    ...object('EndpointSlice', name, {}, 'discovery.k8s.io/v1'),
    metadata: { name, labels: { 'kubernetes.io/service-name': service } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port }],
    endpoints: [{ addresses: [ip], conditions: { ready: true } }],
  });
  const [one, two] = [await podIp('server-node1'), await podIp('server-node2')];
  const made = [...WAYS.flatMap(({ ingresses }) => ingresses), ...OTHERS];
  for (const line of [
    'add table ip mute',
    'add chain ip mute input { type filter hook input priority filter; }',
    `add rule ip mute input tcp dport ${MUTE} drop`,
  ])
    await inPod('server-node2', 'nft', line);
  await it.create(
    slice('half-1', 'half', [one, 8080]),
    slice('half-2', 'half', [two, 9999]), // nobody listens there
    slice('silent', 'silent', [two, MUTE]),
    ...(JSON.parse(told(JSON.stringify(made))) as typeof made),
  );
  address = await eventually('an Ingress has an address', async () => {
    const { status } = await it.api.get<{ status: { loadBalancer: { ingress?: { ip: string }[] } } }>(
      it.path('Ingress', API, 'secure'),
    );
    return status.loadBalancer.ingress?.[0]?.ip;
  });
});
const asking = (node: NodeName, questions: readonly Partial<Question>[]) =>
  answers(
    node,
    questions.map((question) => ({ how: 'http', address, port: 80, ...question })),
  );

describe('each node is answered', () => {
  const claims = WAYS.flatMap((each) => each.claims);
  const wantedBy = (node: NodeName, of: readonly Claim[]) =>
    of.map(([, wanted]) => (typeof wanted === 'function' ? wanted(node) : wanted));
  let said: string[][] = [];
  beforeAll(async () => {
    const questions = claims.map(([question]) => question);
    await holds('all is as each of them says', async () => {
      said = await everyNode((node) => asking(node, questions));
      expect(said).toEqual(NODES.map((node) => wantedBy(node, claims)));
    }).catch(() => undefined); // each tells for itself what it lacks
  });

  test.each(WAYS.map((each) => [each.title, each] as const))('%s', (_, of) => {
    const from = WAYS.slice(0, WAYS.indexOf(of)).reduce((sum, each) => sum + each.claims.length, 0);
    expect(said.map((all) => all.slice(from, from + of.claims.length))).toEqual(
      NODES.map((node) => wantedBy(node, of.claims)),
    );
  });
});

const many = (count: number, question: (i: number) => Partial<Question>) =>
  Array.from({ length: count }, (_, i) => question(i));
/** Everything that is answered, over as many rounds as it takes until it holds all of these. */
async function comesToHold(what: string, questions: readonly Partial<Question>[], wanted: readonly string[]) {
  const seen = NODES.map(() => new Set<string>());
  await eventually(what, async () => {
    const rounds = await everyNode((node) => asking(node, questions));
    for (const [i, said] of rounds.entries()) for (const one of said) seen[i]?.add(one.slice(0, wanted[0]?.length));
    return seen.every((all) => wanted.every((one) => all.has(one)));
  });
  expect(seen.map((all) => [...all].sort())).toEqual(NODES.map(() => wanted.toSorted()));
}

test('a share of the requests goes to a canary with a weight', () =>
  comesToHold(
    'both answer',
    many(24, () => at('shared')),
    [API_ANSWER, FAR],
  ));

test('a key decides which endpoint it is, whichever node one asks from', async () => {
  const questions = many(16, (i) => at('hashed', `/?user=${i}`));
  await holds('each key has its own', async () => {
    const [first = [], ...others] = await everyNode((node) => asking(node, questions));
    expect(others).toEqual([first, first]);
    expect(new Set(first).size).toBeGreaterThan(1);
    for (const one of first) expect(one).toMatch(/^200 server-node\d$/);
  });
});

test('who asks too often, or too much at a time, is refused the rest', async () => {
  for (const name of ['often', 'fast'])
    await comesToHold(
      'some pass and some do not',
      many(12, () => at(name)),
      ['200', '503'],
    );
  await comesToHold(
    'one is waited for',
    many(8, () => at('crowded', '/never')),
    ['503', '504'],
  );
});

test('whom an Ingress excepts from its limits asks as often as it likes', async () => {
  const questions = many(6, () => at('excepted'));
  await holds('the client of node1 alone', async () => {
    const [excepted, ...others] = await everyNode((node) => asking(node, questions));
    expect(excepted).toEqual(questions.map(() => FAR));
    for (const said of others) expect(said).toContainEqual(says(503));
  });
});

test('what an endpoint hangs up on is asked of another where that does no harm', async () => {
  const asked = (method: string) => many(12, () => at('tried-again', '/without/server-node2', { method }));
  const answered = ['200 server-node1', '200 server-node3'];
  await comesToHold('the others answer', asked('GET'), answered);
  await comesToHold('some fail', asked('POST'), [...answered, '502 502 Bad Gateway'.slice(0, FAR.length)]);
});

test('connections to a backend are used again', async () => {
  const turns = new Set<number>();
  await eventually('a second request comes over one', async () => {
    const said = await everyNode((node) =>
      asking(
        node,
        many(4, () => at('usual', '/echo')),
      ),
    );
    for (const one of said.flat()) turns.add(Number(/"turns":(\d+)/.exec(one)?.[1]));
    return [...turns].some((turn) => turn > 1);
  });
});

test('requests are written down where an Ingress wants it, without what is secret, and counted', async () => {
  const { cluster, namespace } = ground();
  await holds('each is answered', async () => {
    for (const said of await everyNode((node) => asking(node, [at('written', `/of-${node}?token=not-for-logs`)])))
      expect(said).toEqual([FAR]);
  });
  await holds('each has its line', async () => {
    const logs = await Promise.all(
      NODES.map((node) => cluster.kedge('component-logs', `${node}/net`, '--name', cluster.name)),
    );
    const lines = logs.flatMap((log) => log.split('\n')).filter((line) => line.includes(`${namespace}/written`));
    for (const node of NODES)
      expect(lines).toContainEqual(expect.stringMatching(new RegExp(`/of-${node}\\b.*${clientIps.get(node)}\\b`)));
    expect(lines.join('\n')).not.toContain('not-for-logs');
  });
  await holds('they are counted', async () => {
    const told = await Promise.all(NODES.map((node) => ask(addressOf(node), { port: 10_254, path: '/metrics' })));
    const counted = new RegExp(
      `^kedge_ingress_requests_total\\{route="${namespace}/written",method="GET",status="200"\\} [1-9]`,
      'm',
    );
    for (const text of told) expect(text).toMatch(counted);
  });
});

test('an endpoint that ends gets no more requests, and answers those that it has', async () => {
  const it = ground();
  const joins = async (name: string) => {
    await it.ready(name);
    await it.api.patch(it.path('Pod', 'v1', name), { metadata: { labels: { app: 'leaving' } } });
  };
  await joins('leaving');
  await holds('it answers', async () => expect(await asking('node1', [at('leaving')])).toEqual(['200 leaving']));
  const held = asking('node1', [at('leaving', '/held', { withinMs: 60_000 })]);
  held.catch(() => undefined); // awaited below
  await eventually('it has the request', async () =>
    (await it.exec('leaving', 'wget -qO- http://127.0.0.1:8080/seen')).includes('GET /held'),
  );
  await joins('staying');
  await it.api.delete(it.path('Pod', 'v1', 'leaving'));
  await holds('the other has the rest', async () => {
    const said = await everyNode((node) =>
      asking(
        node,
        many(8, () => at('leaving')),
      ),
    );
    expect(new Set(said.flat())).toEqual(new Set(['200 staying']));
  });
  expect(await held).toEqual(['200 leaving']);
});

test('a default backend has what no rule takes', async () => {
  const it = ground();
  const unknown = [{ host: 'unknown.example.org', path: '/x' }];
  const becomes = (answer: string) =>
    holds(`"${answer}"`, async () =>
      expect(await everyNode((node) => asking(node, unknown))).toEqual(NODES.map(() => [answer])),
    );
  await becomes('404 default backend - 404');
  const spec = { ingressClassName: 'nginx', defaultBackend: { service: { name: 'api', port: { number: 80 } } } };
  await it.create(object('Ingress', 'default', { spec }, API));
  await becomes(API_ANSWER);
  await it.api.delete(it.path('Ingress', API, 'default'));
  await becomes('404 default backend - 404');
});
