/** What Ingresses say by annotations, hosts and paths, each shown by pods of three nodes that ask pods of three nodes. */
import { beforeAll, describe, expect, test } from 'vitest';
import { object } from './conformance/playground.ts';
import { serveWebhooks } from './conformance/tls-server.ts';
import { API_ANSWER, at, FAR, hostOf, INGRESS_API, ingress, says } from './ingress-vocabulary.ts';
import { type Claim, USERS, WAYS } from './ingress-ways.ts';
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
import { tlsSecret } from './tls-secret.ts';

const of = (node: NodeName) => ({ selector: { app: 'server', on: node } });
const ground = threeNodes('three-nodes-ingress', [
  serviceOf('front', of('node1')),
  serviceOf('api', of('node2')),
  serviceOf('far', of('node3')),
  serviceOf('all', {}),
  serviceOf('leaving', { selector: { app: 'leaving' } }),
  serviceOf('calls', { ...of('node3'), ports: [{ port: 9000 }] }),
  object('Service', 'half', { spec: { ports: [{ name: 'http', port: 80 }] } }),
  object('Service', 'silent', { spec: { ports: [{ name: 'http', port: 80 }] } }),
  USERS,
  tlsSecret('first', hostOf('secure')),
  tlsSecret('second', hostOf('other')),
]);
const { addressOf, answers, inPod, podIp } = ground;
const clientIps = new Map<NodeName, string>();
/** A port that says nothing to who connects. */
const MUTE = 8081;

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
      it.path('Ingress', INGRESS_API, 'secure'),
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
    of.map(([, wanted]) => (typeof wanted === 'function' ? wanted({ node, ip: clientIps.get(node) ?? '' }) : wanted));
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
  await it.create(object('Ingress', 'default', { spec }, INGRESS_API));
  await becomes(API_ANSWER);
  await it.api.delete(it.path('Ingress', INGRESS_API, 'default'));
  await becomes('404 default backend - 404');
});
