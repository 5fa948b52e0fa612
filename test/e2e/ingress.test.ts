/** Ingresses out of the box: by host and path, with TLS, from this machine and from pods of three nodes to pods of three nodes. */
import { request } from 'node:http';
import { request as requestTls } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { beforeAll, expect, test } from 'vitest';
import { pacedLoad } from '../../bench/paced-load.ts';
import { SERVER } from './conformance/image.ts';
import { container, object } from './conformance/playground.ts';
import { killed } from './node-processes.ts';
import { eventually, holds } from './running-cluster.ts';
import { everyNode, NODES, serviceOf, threeNodes } from './three-nodes-ground.ts';
import { tlsData } from './tls-secret.ts';

const HOST = 'www.example.com';
const API = 'networking.k8s.io/v1';
const server = container({ command: SERVER, env: [{ name: 'PORTS', value: '8080' }] });
const on = (node: string) => ({ selector: { app: 'server', on: node } });
const ground = threeNodes('ingress', [
  serviceOf('frontend-service', on('node1')),
  serviceOf('api-service', { ...on('node2'), ports: [{ port: 8080, targetPort: 8080 }] }),
  serviceOf('front', on('node1')),
  serviceOf('api', on('node2')),
  serviceOf('far', on('node3')),
  serviceOf('all', {}),
  object('Secret', 'example-tls-secret', { type: 'kubernetes.io/tls', stringData: tlsData('first', HOST) }),
]);
const { answers } = ground;
const apply = (text: string) => ground().cluster.apply(text, '-n', ground().namespace);
beforeAll(() => apply(manifest()));

const manifest = (annotations = 'nginx.ingress.kubernetes.io/rewrite-target: /') => `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  annotations:
    ${annotations}
    nginx.ingress.kubernetes.io/ssl-redirect: "true"
spec:
  ingressClassName: nginx
  tls: [{hosts: [${HOST}], secretName: example-tls-secret}]
  rules:
    - host: ${HOST}
      http:
        paths:
          - {path: /api/v1, pathType: Prefix, backend: {service: {name: api-service, port: {number: 8080}}}}
          - {path: /, pathType: Prefix, backend: {service: {name: frontend-service, port: {number: 80}}}}
`;

const addressOfIngress = (name = 'web') =>
  eventually('the Ingress has an address', async () => {
    const found = await ground().api.get<{ status: { loadBalancer: { ingress?: { ip: string }[] } } }>(
      ground().path('Ingress', API, name),
    );
    return found.status.loadBalancer.ingress?.[0]?.ip;
  });

interface AskOptions {
  isSecure?: boolean;
  host?: string;
  port?: number;
  method?: string;
  address?: string;
}

/** Status, where it leads, what it says; over TLS also whose certificate was shown. */
async function ask(
  path: string,
  { isSecure = false, host = HOST, port, method, address }: AskOptions = {},
): Promise<string> {
  const at = { host: address ?? (await addressOfIngress()), ...(port && { port }), ...(method && { method }) };
  return new Promise((done) => {
    const options = { ...at, path, servername: host, headers: { host }, rejectUnauthorized: false } as const;
    const sent = (isSecure ? requestTls : request)({ ...options, agent: false, timeout: 3_000 }, (response) => {
      const shown = isSecure ? ` by ${(response.socket as TLSSocket).getPeerCertificate().subject.CN}` : '';
      const { location = '' } = response.headers;
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => done(`${response.statusCode} ${location}${text.trim()}${shown}`));
    });
    sent.on('timeout', () => sent.destroy(new Error('timeout')));
    sent.on('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
    sent.end();
  });
}
const becomes = (path: string, answer: string, options?: Parameters<typeof ask>[1]) =>
  eventually(`${path} gives "${answer}"`, async () => (await ask(path, options)) === answer);

test('requests go by host and path, HTTP is sent to HTTPS, and the certificate is the one of the Secret', async () => {
  await becomes('/', `308 https://${HOST}/`);
  await becomes('/shop?x=1', '200 server-node1 by first', { isSecure: true });
  await becomes('/api/v1/users', '200 server-node2 by first', { isSecure: true });
  await becomes('/', '404 default backend - 404', { host: 'unknown.example.com' });
  const { stdout } = await ground().cluster.tryKubectl(['-n', ground().namespace, 'get', 'ingress', 'web']);
  expect(stdout).toMatch(new RegExp(`web\\s+nginx\\s+${HOST}\\s+${await addressOfIngress()}\\s+80, 443`));
});

const WAYS_HOST = 'ways.example.com';
const WAYS = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: ways
  annotations:
    nginx.ingress.kubernetes.io/rewrite-target: /$2
    nginx.ingress.kubernetes.io/use-regex: "true"
spec:
  rules:
    - host: ${WAYS_HOST}
      http:
        paths:
${['front', 'api', 'far']
  .map(
    (name) =>
      `          - {path: "/${name}(/|$)(.*)", pathType: ImplementationSpecific, backend: {service: {name: ${name}, port: {number: 80}}}}`,
  )
  .join('\n')}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: faithful
  annotations:
    nginx.ingress.kubernetes.io/affinity: cookie
spec:
  rules:
    - host: "*.faithful.example.com"
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: all, port: {number: 80}}}}]}
`;

test('pods of each node are led to endpoints of every node: rewritten paths, TLS, redirects, WebSockets', async () => {
  await apply(WAYS);
  const address = await addressOfIngress('ways');
  const plain = { how: 'http', address, port: 80 } as const;
  const questions = [
    { ...plain, host: WAYS_HOST, path: '/front/hostname' },
    { ...plain, host: WAYS_HOST, path: '/api' },
    { ...plain, host: WAYS_HOST, path: '/far/any/thing' },
    { ...plain, how: 'upgrade', host: WAYS_HOST, path: '/far/socket' },
    { ...plain, host: HOST },
    { ...plain, how: 'https', port: 443, host: HOST, path: '/api/v1' },
    { ...plain, host: 'unknown.example.com' },
  ] as const;
  const wanted = [
    '200 server-node1',
    '200 server-node2',
    '200 server-node3',
    '101 server-node3 hello',
    expect.stringMatching(/^308 /),
    '200 server-node2 by first',
    '404 default backend - 404',
  ];
  await holds('each node is answered', async () =>
    expect(await everyNode((node) => answers(node, questions))).toEqual(NODES.map(() => wanted)),
  );
  // What was asked of node3 came to it without the part of the path that led there.
  const seen = (await ground().exec('server-node3', 'wget -qO- http://127.0.0.1:8080/seen')).split('\n');
  expect(seen).toContain('GET /any/thing');
});

test('endpoints of all nodes have their share, and a cookie keeps a client at its own', async () => {
  const address = await addressOfIngress('faithful');
  const question = { how: 'http', address, port: 80, host: 'one.faithful.example.com' } as const;
  const many = (headers = {}) => Array.from({ length: 24 }, () => ({ ...question, headers }));
  await holds('all of them answer', async () => {
    const reached = await everyNode(async (node) => [...new Set(await answers(node, many()))].sort());
    expect(reached).toEqual(NODES.map(() => NODES.map((node) => `200 server-${node}`)));
  });
  const cookie = await new Promise<string>((done, failed) => {
    const sent = request({ host: address, headers: { host: question.host }, agent: false }, (response) => {
      response.resume();
      done(response.headers['set-cookie']?.[0]?.split(';')[0] ?? '');
    });
    sent.on('error', failed);
    sent.end();
  });
  expect(cookie).toMatch(/^INGRESSCOOKIE=/);
  // Whichever node it comes by.
  await holds('the same one answers', async () => {
    const reached = await everyNode((node) => answers(node, many({ cookie })));
    expect([...new Set(reached.flat())]).toEqual([expect.stringMatching(/^200 server-/)]);
  });
});

test('no request fails while the backend of an Ingress rolls, nor while its routes change', async () => {
  await ground().create(rolling('1'));
  await ground().create(
    object('Service', 'rolling', { spec: { selector: { app: 'rolling' }, ports: [{ port: 80, targetPort: 8080 }] } }),
    object(
      'Ingress',
      'rolling',
      {
        spec: {
          ingressClassName: 'nginx',
          rules: [
            {
              host: ROLLING_HOST,
              http: {
                paths: [
                  { path: '/', pathType: 'Prefix', backend: { service: { name: 'rolling', port: { number: 80 } } } },
                ],
              },
            },
          ],
        },
      },
      API,
    ),
  );
  await addressOfIngress('rolling');
  await eventually('it is served', async () => (await ask('/', { host: ROLLING_HOST })).startsWith('200'));
  const load = pacedLoad({
    address: await addressOfIngress(),
    port: 80,
    host: ROLLING_HOST,
    path: '/',
    perSecond: 200,
    connections: 16,
  });
  await apply(JSON.stringify(rolling('2')));
  const { stdout } = await ground().cluster.tryKubectl([
    '-n',
    ground().namespace,
    'rollout',
    'status',
    'deployment/rolling',
    '--timeout=180s',
  ]);
  const path = ground().path('Ingress', API, 'rolling');
  const rules = (name: string) => {
    const backend = { service: { name, port: { number: 80 } } };
    return [{ host: ROLLING_HOST, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }];
  };
  const answer = (is: RegExp) =>
    eventually(`${is} answers`, async () => is.test(await ask('/', { host: ROLLING_HOST })));
  for (let i = 0; i < 3; i++) {
    await ground().api.patch(path, { spec: { rules: rules('all') } });
    await answer(/^200 server-/);
    const annotations = { 'nginx.ingress.kubernetes.io/upstream-hash-by': `$arg_${i}` };
    await ground().api.patch(path, { metadata: { annotations }, spec: { rules: rules('rolling') } });
    await answer(/^200 rolling-/);
  }
  const { failed, failures, answered } = await load.stop();
  expect(stdout).toContain('successfully rolled out');
  expect({ failed, failures: [...failures] }).toEqual({ failed: 0, failures: [] });
  expect(answered).toBeGreaterThan(100);
});

test('no request fails where the process of every node is killed that its Ingress belongs to', async () => {
  await apply(WAYS);
  const at = { address: await addressOfIngress('faithful'), port: 80, host: 'one.faithful.example.com', path: '/' };
  await eventually('it is served', async () => (await ask('/', { host: at.host })).startsWith('200'));
  const load = pacedLoad({ ...at, perSecond: 200, connections: 16 });
  const fresh = pacedLoad({ ...at, perSecond: 50, connections: 16, isFresh: true });
  for (let times = 0; times < 2; times++) {
    await everyNode((node) => killed(ground().cluster, `${node}/net`));
    await delay(3_000); // those that were left alone have gone, others have taken their place
  }
  const ended = await Promise.all([load.stop(), fresh.stop()]);
  expect(ended.map(({ failures }) => [...failures])).toEqual([[], []]);
  for (const { answered } of ended) expect(answered).toBeGreaterThan(100);
});

const ROLLING_HOST = 'rolling.example.com';
const rolling = (version: string) =>
  object(
    'Deployment',
    'rolling',
    {
      spec: {
        replicas: 3,
        selector: { matchLabels: { app: 'rolling' } },
        template: {
          metadata: { labels: { app: 'rolling', version } },
          spec: {
            terminationGracePeriodSeconds: 1,
            topologySpreadConstraints: [
              {
                maxSkew: 1,
                topologyKey: 'kubernetes.io/hostname',
                whenUnsatisfiable: 'DoNotSchedule',
                labelSelector: { matchLabels: { app: 'rolling', version } },
              },
            ],
            containers: [{ ...server, readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 } }],
          },
        },
      },
    },
    'apps/v1',
  );

test('a new certificate, new annotations and new endpoints are in force at once', async () => {
  const secret = ground().path('Secret', 'v1', 'example-tls-secret');
  await ground().api.patch(secret, { stringData: tlsData('second', HOST) });
  await becomes('/', '200 server-node1 by second', { isSecure: true });
  await apply(manifest('nginx.ingress.kubernetes.io/whitelist-source-range: 203.0.113.0/24'));
  await becomes('/', '403 403 Forbidden by second', { isSecure: true });
  await apply(manifest('example.com/nothing: to see'));
  await eventually('the server sees who asks', async () => {
    return /^200 [0-9.]+ by second$/.test(await ask('/clientip', { isSecure: true }));
  });
  await ground().api.patch(ground().path('Service', 'v1', 'api-service'), { spec: { selector: { app: 'nobody' } } });
  await becomes('/api/v1', '503 503 Service Temporarily Unavailable by second', { isSecure: true });
});

test('an Ingress of another class is left alone', async () => {
  await ground().create(
    object('Ingress', 'other', { spec: { ingressClassName: 'theirs', rules: [{ host: 'other.example.com' }] } }, API),
  );
  await becomes('/', '404 default backend - 404', { host: 'other.example.com' });
  const { status } = await ground().api.get<{ status: object }>(ground().path('Ingress', API, 'other'));
  expect(status).toEqual({ loadBalancer: {} });
});
