/** Names, as pods of three nodes ask for them: each kind of record in each way to ask, and resolvers that are pods themselves. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { container, object, pod } from './conformance/playground.ts';
import { eventually, holds } from './running-cluster.ts';
import { everyNode, NODES, type NodeName, type Question, serviceOf, threeNodes } from './three-nodes-ground.ts';

const [STUB_PORT, UPSTREAM_PORT] = [5301, 5302];
const OUTSIDE = '192.0.2.80';
const MANY = 60;

const named = (hostname: string, nodeName: NodeName) =>
  pod(hostname, {
    labels: { app: 'named' },
    spec: { hostname, subdomain: 'named', nodeName, containers: [container({ command: ['sleep', '10000'] })] },
  });
const resolver = container({
  command: ['node', '/resolver.mjs'],
  env: [
    { name: 'PORTS', value: `${STUB_PORT},${UPSTREAM_PORT}` },
    { name: 'ADDRESS', value: OUTSIDE },
  ],
  readinessProbe: { tcpSocket: { port: UPSTREAM_PORT }, periodSeconds: 1 },
});
const manyEndpoints = {
  ...object('EndpointSlice', 'many', {}, 'discovery.k8s.io/v1'),
  metadata: { name: 'many', labels: { 'kubernetes.io/service-name': 'many' } },
  addressType: 'IPv4',
  ports: [{ name: 'http', port: 80 }],
  endpoints: Array.from({ length: MANY }, (_, i) => ({ addresses: [`198.51.100.${i + 1}`] })),
};

const ground = threeNodes('three-nodes-names', [
  named('one', 'node2'),
  named('two', 'node3'),
  pod('resolver', { spec: { containers: [resolver], nodeName: 'node2' } }),
  serviceOf('all', { ports: [{ name: 'http', port: 80, targetPort: 8080 }] }),
  serviceOf('passing', {}),
  serviceOf('named', { clusterIP: 'None', selector: { app: 'named' }, ports: [{ name: 'http', port: 80 }] }),
  object('Service', 'many', { spec: { clusterIP: 'None', ports: [{ name: 'http', port: 80 }] } }),
  manyEndpoints,
  object('Service', 'elsewhere', { spec: { type: 'ExternalName', externalName: 'www.stub.test' } }),
]);
const { answers, asked, podIp, service } = ground;
const SETTINGS = '/api/v1/namespaces/kube-system/configmaps';
const lookedUp = async (node: NodeName, questions: readonly Partial<Question>[]) =>
  answers(
    node,
    questions.map((question) => ({ how: 'dns', address: nameserver, port: 53, ...question })),
  );
/** How often the resolver was asked for this at this port. */
const timesAsked = async (port: number, what: string) =>
  (await ground().log('resolver')).split('\n').filter((line) => line === `${port} ${what}`).length;

let nameserver = '';
let zone = '';
beforeAll(async () => {
  zone = `${ground().namespace}.svc.cluster.local`;
  const conf = await ground().exec('client-node1', 'cat /etc/resolv.conf');
  nameserver = /^nameserver (\S+)/m.exec(conf)?.[1] ?? '';
  for (const name of ['one', 'two', 'resolver']) await ground().ready(name);
  const at = `${await podIp('resolver')}:`;
  const data = {
    stubDomains: JSON.stringify({ 'stub.test': [at + STUB_PORT] }),
    upstreamNameservers: JSON.stringify([at + UPSTREAM_PORT]),
  };
  await ground().api.post(SETTINGS, { metadata: { name: 'kube-dns' }, data });
});
afterAll(() => ground().api.try('DELETE', `${SETTINGS}/kube-dns`));

const reversed = (ip: string) => `${ip.split('.').reverse().join('.')}.in-addr.arpa`;
const dashed = (ip: string) => ip.replaceAll('.', '-');

test('each node knows every kind of record, over UDP and TCP, with EDNS and without', async () => {
  const [ip, one, two] = [(await service('all')).spec.clusterIP, await podIp('one'), await podIp('two')];
  const records: [name: string, type: string, wanted: string][] = [
    [`all.${zone}`, 'A', ip],
    [`ALL.${zone}`, 'A', ip],
    [`all.${zone}`, 'AAAA', ''],
    [`_http._tcp.all.${zone}`, 'SRV', `all.${zone}:80`],
    [reversed(ip), 'PTR', `all.${zone}`],
    [`named.${zone}`, 'A', [one, two].sort().join(' ')],
    [`one.named.${zone}`, 'A', one],
    [reversed(two), 'PTR', `two.named.${zone}`],
    [`_http._tcp.named.${zone}`, 'SRV', `one.named.${zone}:80 two.named.${zone}:80`],
    [`${dashed(two)}.${ground().namespace}.pod.cluster.local`, 'A', two],
    ['dns-version.cluster.local', 'TXT', '1.1.0'],
  ];
  const questions = records.flatMap(([name, type]) => [
    { name, type },
    { name, type, over: 'tcp' as const },
    { name, type, edns: 1232 },
  ]);
  const wanted = records.flatMap(([, , said]) => {
    const plain = ['NOERROR', said].filter(Boolean).join(' ');
    return [plain, plain, plain.replace('NOERROR', 'NOERROR EDNS')];
  });
  await holds('each is answered', async () =>
    expect(await everyNode((node) => lookedUp(node, questions))).toEqual(NODES.map(() => wanted)),
  );
});

test('what is too long for a packet is cut, for one that EDNS allows less, and whole over TCP', async () => {
  const name = `many.${zone}`;
  const questions = [{ name }, { name, edns: 4096 }, { name, over: 'tcp' as const }];
  await holds('each node keeps to it', async () => {
    for (const said of await everyNode((node) => lookedUp(node, questions)))
      expect(said).toEqual([
        expect.stringMatching(/^NOERROR TRUNCATED/),
        `NOERROR EDNS ${MANY} answers`,
        `NOERROR ${MANY} answers`,
      ]);
  });
});

test('short names are found along the search path, from the pod’s namespace and from the cluster', async () => {
  const { namespace } = ground();
  const urls = ['all', `all.${namespace}`, `all.${namespace}.svc`, `all.${zone}`, `all.${zone}.`];
  await holds('each name leads to a pod', async () => {
    for (const said of await everyNode((node) =>
      asked(
        node,
        urls.map((host) => `http://${host}/`),
      ),
    ))
      for (const name of said) expect(name).toMatch(/^server-node\d$/);
  });
});

test('a name that goes is denied on each node, and so is its address', async () => {
  const ip = (await service('passing')).spec.clusterIP;
  const questions = [{ name: `passing.${zone}` }, { name: `passing.${zone}`, over: 'tcp' as const }];
  await holds('it is known', async () =>
    expect(await everyNode((node) => lookedUp(node, questions))).toEqual(
      NODES.map(() => questions.map(() => `NOERROR ${ip}`)),
    ),
  );
  await ground().api.delete(ground().path('Service', 'v1', 'passing'));
  await holds('it is denied', async () =>
    expect(await everyNode((node) => lookedUp(node, questions))).toEqual(NODES.map(() => ['NXDOMAIN', 'NXDOMAIN'])),
  );
});

test('names of a stub domain are asked of its resolver, others of the upstream one, large ones over TCP', async () => {
  const questions = [
    { name: 'www.stub.test' },
    { name: 'www.other.test' },
    { name: 'large.other.test' },
    { name: 'large.other.test', over: 'tcp' as const },
    { name: 'absent.stub.test' },
    { name: `elsewhere.${zone}` },
  ];
  const wanted = [
    `NOERROR ${OUTSIDE}`,
    `NOERROR ${OUTSIDE}`,
    'NOERROR TRUNCATED',
    'NOERROR 200 answers',
    'NXDOMAIN',
    `NOERROR -> www.stub.test ${OUTSIDE}`,
  ];
  await holds('each node asks them', async () =>
    expect(await everyNode((node) => lookedUp(node, questions))).toEqual(NODES.map(() => wanted)),
  );
  const atStub = await timesAsked(STUB_PORT, 'udp A www.stub.test');
  const strays = await Promise.all([
    timesAsked(UPSTREAM_PORT, 'udp A www.stub.test'),
    timesAsked(STUB_PORT, 'udp A www.other.test'),
  ]);
  expect([atStub > 0, ...strays]).toEqual([true, 0, 0]);
});

test('what a resolver says, denials too, is asked of it once by each node as long as it holds', async () => {
  let attempt = 0;
  // Another name each time: on a slow machine an answer may be too old for the second question.
  await eventually('each node asked once for each', async () => {
    attempt++;
    const names = [`kept-${attempt}.stub.test`, `kept-${attempt}.other.test`, `absent-${attempt}.other.test`];
    const questions = names.map((name) => ({ name }));
    for (let round = 0; round < 3; round++)
      expect(await everyNode((node) => lookedUp(node, questions))).toEqual(
        NODES.map(() => [`NOERROR ${OUTSIDE}`, `NOERROR ${OUTSIDE}`, 'NXDOMAIN']),
      );
    const ports = [STUB_PORT, UPSTREAM_PORT, UPSTREAM_PORT];
    const times = await Promise.all(names.map((name, i) => timesAsked(ports[i] ?? 0, `udp A ${name}`)));
    return times.every((count) => count === NODES.length);
  });
});
