/** Ingresses out of the box: from this machine, by host and path, with TLS, to pods of two nodes. */
import { request } from 'node:http';
import { request as requestTls } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { expect, test } from 'vitest';
import { selfSigned } from '#cmd/pki/certificate.ts';
import { pacedLoad } from '../../bench/paced-load.ts';
import { SERVER } from './conformance/image.ts';
import { container, object, playground, pod, shell } from './conformance/playground.ts';
import { eventually, holds } from './running-cluster.ts';

const HOST = 'www.example.com';
const API = 'networking.k8s.io/v1';
const server = container({ command: SERVER, env: [{ name: 'PORTS', value: '8080' }] });
const served = (name: string, nodeName: string) => [
  pod(name, { labels: { app: name }, spec: { containers: [server], nodeName } }),
  object('Service', name, { spec: { selector: { app: name }, ports: [{ port: 80, targetPort: 8080 }] } }),
];
const certificateFor = (commonName: string) => {
  const life = { notBeforeMs: Date.now() - 60_000, notAfterMs: Date.now() + 3_600_000 };
  const { certificate, key } = selfSigned({ commonName, names: [HOST], usage: 'server', ...life });
  return { 'tls.crt': certificate, 'tls.key': key };
};

const ground = playground('ingress', async (it) => {
  await it.create(
    ...served('front', 'node1'),
    ...served('api', 'node2'),
    pod('client', { spec: { containers: [shell('sleep 1000')], nodeName: 'node2' } }),
    object('Secret', 'example-tls-secret', { type: 'kubernetes.io/tls', stringData: certificateFor('first') }),
  );
  for (const name of ['front', 'api', 'client']) await it.ready(name);
  await it.cluster.apply(manifest(), '-n', it.namespace);
  return undefined;
});

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
          - {path: /api/v1, pathType: Prefix, backend: {service: {name: api, port: {number: 80}}}}
          - {path: /, pathType: Prefix, backend: {service: {name: front, port: {number: 80}}}}
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
  await becomes('/shop?x=1', '200 front by first', { isSecure: true });
  await becomes('/api/v1/users', '200 api by first', { isSecure: true });
  await becomes('/', '404 default backend - 404', { host: 'unknown.example.com' });
  const { stdout } = await ground().cluster.tryKubectl(['-n', ground().namespace, 'get', 'ingress', 'web']);
  expect(stdout).toMatch(new RegExp(`web\\s+nginx\\s+${HOST}\\s+${await addressOfIngress()}\\s+80, 443`));
  const fromPod = `timeout 5 wget -qS -O- --header 'Host: ${HOST}' http://${await addressOfIngress()}/ 2>&1 | head -1`;
  await holds('a pod is answered', async () => expect(await ground().exec('client', fromPod)).toContain('308'));
});

test('a Gateway is reached where Ingresses are, and at ports of its own, as stock kubectl shows', async () => {
  const apply = (text: string) => ground().cluster.apply(text, '-n', ground().namespace);
  await apply(GATEWAY);
  const kubectl = (...args: string[]) => ground().cluster.tryKubectl(['-n', ground().namespace, ...args]);
  const address = await addressOfIngress();
  await becomes('/x', '200 front', { host: GATEWAY_HOST });
  await becomes('/api', '200 api', { host: GATEWAY_HOST, port: 8088 });
  await becomes('/api', '404 default backend - 404', { host: GATEWAY_HOST, port: 8088, method: 'POST' });
  await eventually('kubectl shows the Gateway', async () => {
    const { stdout } = await kubectl('get', 'gateways');
    return new RegExp(`gate\\s+kedge\\s+${address}\\s+True`).test(stdout);
  });
  await holds('kubectl shows the class', async () =>
    expect((await kubectl('get', 'gatewayclass', 'kedge')).stdout).toMatch(/kedge\s+kedge\.dev\/gateway\s+True/),
  );
  const waiting = ['wait', '--for', 'jsonpath={.status.parents[0].conditions[0].status}=True', 'httproute/web'];
  expect((await kubectl(...waiting, '--timeout=180s')).stdout).toContain('condition met');
  const [node] = await ground().cluster.nodeAddresses();
  await holds('the node tells how many', async () => {
    const told = await ask('/metrics', { ...(node && { address: node.ip }), port: 10_254 });
    expect(told).toMatch(/^200 # HELP kedge_ingress_requests_total/);
  });
  await apply(GATEWAY); // nothing to change, and nothing complains
});

test('no request fails while the backend of an Ingress rolls', async () => {
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
  await ground().cluster.apply(JSON.stringify(rolling('2')), '-n', ground().namespace);
  const { stdout } = await ground().cluster.tryKubectl([
    '-n',
    ground().namespace,
    'rollout',
    'status',
    'deployment/rolling',
    '--timeout=180s',
  ]);
  const { failed, failures, answered } = await load.stop();
  expect(stdout).toContain('successfully rolled out');
  expect({ failed, failures: [...failures] }).toEqual({ failed: 0, failures: [] });
  expect(answered).toBeGreaterThan(100);
});

const ROLLING_HOST = 'rolling.example.com';
const rolling = (version: string) =>
  object(
    'Deployment',
    'rolling',
    {
      spec: {
        replicas: 2,
        selector: { matchLabels: { app: 'rolling' } },
        template: {
          metadata: { labels: { app: 'rolling', version } },
          spec: {
            terminationGracePeriodSeconds: 1,
            containers: [{ ...server, readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 } }],
          },
        },
      },
    },
    'apps/v1',
  );

const GATEWAY_HOST = 'gate.example.com';
const GATEWAY = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gate}
spec:
  gatewayClassName: kedge
  listeners:
    - {name: http, port: 80, protocol: HTTP, hostname: ${GATEWAY_HOST}}
    - {name: own, port: 8088, protocol: HTTP}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{name: gate, sectionName: http}]
  rules: [{backendRefs: [{name: front, port: 80}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: api}
spec:
  parentRefs: [{name: gate, sectionName: own}]
  rules:
    - matches: [{path: {type: Exact, value: /api}, method: GET}]
      backendRefs: [{name: api, port: 80}]
`;

test('a new certificate, new annotations and new endpoints are in force at once', async () => {
  const secret = ground().path('Secret', 'v1', 'example-tls-secret');
  await ground().api.patch(secret, { stringData: certificateFor('second') });
  await becomes('/', '200 front by second', { isSecure: true });
  await ground().cluster.apply(
    manifest('nginx.ingress.kubernetes.io/whitelist-source-range: 203.0.113.0/24'),
    '-n',
    ground().namespace,
  );
  await becomes('/', '403 403 Forbidden by second', { isSecure: true });
  await ground().cluster.apply(manifest('example.com/nothing: to see'), '-n', ground().namespace);
  await eventually('the server sees who asks', async () => {
    return /^200 [0-9.]+ by second$/.test(await ask('/clientip', { isSecure: true }));
  });
  await ground().api.delete(ground().path('Pod', 'v1', 'api'));
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
