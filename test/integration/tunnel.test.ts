/** A node that the API server has no route to: its pods and its kubelet are in networks of their own, and it opens a tunnel. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ValidatingWebhookConfiguration } from '#api/admissionregistration/v1/validating-webhook-configuration.ts';
import { APIService } from '#api/apiregistration/v1/api-service.ts';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { Service } from '#api/core/v1/service.ts';
import { EndpointSlice } from '#api/discovery/v1/endpoint-slice.ts';
import type { Client } from '#client/client.ts';
import { kubeletServerIdentity, nodeIdentity } from '#cmd/pki/cluster-identities.ts';
import { type HttpsApiServer, startHttpsApiServer } from './https-api-server.ts';
import { canHaveLab, type Lab, networkLab } from './network-lab.ts';
import type { TunnelNodeConfig } from './tunnel-node.ts';

const canRun = canHaveLab();
const ROOT = join(import.meta.dirname, '../..');
const GATEWAY = '10.250.1.1';
const NODE_ADDRESS = '192.0.2.9';
const POD = '10.250.1.5';
const POD_PATH = '/api/v1/namespaces/default/pods/far';

let server: HttpsApiServer;
let client: Client;
let lab: Lab;
let relay: Server;
let folder: string;
const relayed = new Set<Socket>();

/** Tells who asks for what; `/endless` writes for as long as somebody reads, `/sent` tells how much that was. */
const podServer = ({ certificate, key }: { certificate: string; key: string }) => `
const { createServer } = require('node:http'); const https = require('node:https');
let sent = 0;
const answer = (q, s) => {
  if (q.url === '/sent') return s.end(String(sent));
  if (q.url === '/endless') {
    const block = Buffer.alloc(65536);
    const more = () => { while (s.write(block, () => { sent += block.length })) ; };
    s.on('drain', more); s.on('error', () => 0); q.socket.on('close', () => s.off('drain', more)); return more();
  }
  const parts = []; q.on('data', (d) => parts.push(d));
  q.on('end', () => {
    const body = Buffer.concat(parts);
    if (q.url.startsWith('/webhook')) {
      const { request } = JSON.parse(body);
      const isBad = request.name === 'bad';
      const response = { uid: request.uid, allowed: !isBad, status: { message: 'the pod says no' } };
      s.setHeader('content-type', 'application/json');
      return s.end(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response }));
    }
    if (q.url.startsWith('/apis/far.example.com')) {
      s.setHeader('content-type', 'application/json');
      const isList = q.url.includes('/things');
      return s.end(JSON.stringify(isList
        ? { kind: 'ThingList', apiVersion: 'far.example.com/v1', metadata: {}, items: [] }
        : { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: 'far.example.com/v1',
            resources: [{ name: 'things', singularName: 'thing', namespaced: false, kind: 'Thing', verbs: ['get', 'list'] }] }));
    }
    s.end(q.method + ' ' + q.url + ' ' + body.length);
  });
};
https.createServer({ cert: ${JSON.stringify(certificate)}, key: ${JSON.stringify(key)} }, answer).listen(8443, () =>
  createServer(answer).listen(8080, () => console.log('up')));`;

/** Answers as a kubelet, and echoes whatever follows an upgrade. */
const kubeletServer = ({ certificate, key, ca }: { certificate: string; key: string; ca: string }) => `
const s = require('node:https').createServer({ cert: ${JSON.stringify(certificate)}, key: ${JSON.stringify(key)},
  ca: ${JSON.stringify(ca)}, requestCert: true, rejectUnauthorized: true },
  (q, a) => a.end(q.url + ' by ' + q.socket.getPeerCertificate().subject.CN + '\\n'));
s.on('upgrade', (q, socket) => {
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: test\\r\\n\\r\\n');
  socket.on('error', () => 0).pipe(socket);
});
s.listen(10250, '${NODE_ADDRESS}', () => console.log('up'));`;

beforeAll(async () => {
  if (!canRun) return;
  server = await startHttpsApiServer();
  client = server.api.loopback.client;
  folder = mkdtempSync(join(tmpdir(), 'kedge-tunnel-'));
  lab = networkLab({ hosts: { pod: POD }, gateway: GATEWAY });
  lab.inside('node', 'ip', ['address', 'add', `${NODE_ADDRESS}/32`, 'dev', 'lo']);
  const names = ['far.default.svc'];
  const shown = server.pki.issueServer('far', { commonName: 'far', names, addresses: [POD] });
  await lab.keep('pod', podServer(shown));
  const kubelet = server.pki.issueServer('kubelet', kubeletServerIdentity('far', [NODE_ADDRESS]));
  await lab.keep('node', kubeletServer({ ...kubelet, ca: server.pki.caCertificate }));
  await openRelay();
  await startNode('far', ['10.250.1.0/24']);
  await createObjects();
});
afterAll(async () => {
  lab?.close();
  for (const socket of relayed) socket.destroy();
  relay?.close();
  await server?.[Symbol.asyncDispose]();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

/** The one thing that the two networks have in common. */
async function openRelay(): Promise<void> {
  relay = createServer((node) => {
    const api = connect(server.port, '127.0.0.1');
    relayed.add(node);
    for (const socket of [node, api]) socket.on('error', () => socket.destroy());
    node.pipe(api).pipe(node);
    node.once('close', () => {
      relayed.delete(node);
      api.destroy();
    });
    api.once('close', () => node.destroy());
  });
  await new Promise<void>((listening) => relay.listen(join(folder, 'api.sock'), listening));
}

async function startNode(nodeName: string, podRanges: string[]): Promise<void> {
  const outfile = join(folder, 'node.mjs');
  await build({
    absWorkingDir: ROOT,
    entryPoints: [join(import.meta.dirname, 'tunnel-node.ts')],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    logLevel: 'warning',
  });
  const pair = server.pki.issueClient('node', nodeIdentity(nodeName));
  const config: TunnelNodeConfig = {
    ...{ nodeName, podRanges, addresses: [NODE_ADDRESS], kubeletPort: 10250, socketPath: join(folder, 'api.sock') },
    ...{ ca: server.pki.caCertificate, cert: pair.certificate, key: pair.key },
  };
  const start = join(folder, 'start.json');
  writeFileSync(start, JSON.stringify(config), { mode: 0o600 });
  await lab.keep(
    'node',
    `process.env.TUNNEL_NODE=require('fs').readFileSync(${JSON.stringify(start)},'utf8');import(${JSON.stringify(outfile)})`,
  );
}

async function createObjects(): Promise<void> {
  const node = await client.create(Node, {
    metadata: { name: 'far' },
    spec: { podCIDRs: ['10.250.1.0/24'], podCIDR: '10.250.1.0/24' },
  } as never);
  const addresses = [{ type: 'InternalIP', address: NODE_ADDRESS }];
  await client.updateStatus(Node, { ...node, status: { ...node.status, addresses } });
  const pod = await client.create(Pod, {
    metadata: { name: 'far', namespace: 'default' },
    spec: { nodeName: 'far', containers: [{ name: 'main', image: 'i', ports: [{ containerPort: 8080 }] }] },
  } as never);
  await client.updateStatus(Pod, { ...pod, status: { ...pod.status!, podIP: POD, podIPs: [{ ip: POD }] } });
  const ports = [
    { name: 'http', port: 80, targetPort: 8080 },
    { name: 'https', port: 443, targetPort: 8443 },
  ];
  await client.create(Service, { metadata: { name: 'far', namespace: 'default' }, spec: { ports } } as never);
  await client.create(EndpointSlice, {
    metadata: { name: 'far-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'far' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [POD], conditions: { ready: true } }],
    ports: ports.map(({ name, targetPort: port }) => ({ name, port, protocol: 'TCP' })),
  } as never);
}

const admin = () => {
  const { certificate, key } = server.pki.issueClient('tester', { user: 'tester', groups: ['system:masters'] });
  return { cert: certificate, key, ca: server.pki.caCertificate };
};

function ask(
  path: string,
  { method = 'GET', body }: { method?: string; body?: Buffer } = {},
): Promise<{ code: number; body: string }> {
  return new Promise((resolve, reject) => {
    const options = { ...admin(), host: '127.0.0.1', port: server.port, path, method, agent: false as const };
    const asked = request(options, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.on('end', () => resolve({ code: answer.statusCode ?? 0, body: Buffer.concat(parts).toString() }));
      answer.on('error', reject);
    });
    // Without the tunnel a dial goes to nobody, who never answers.
    asked.setTimeout(10_000, () => asked.destroy(new Error('no answer')));
    asked.on('error', reject);
    asked.end(body);
  });
}

async function eventually<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
  const until = performance.now() + 120_000;
  let last: unknown;
  while (performance.now() < until) {
    const found = await look().catch((error: unknown) => {
      last = error;
    });
    if (found !== undefined && found !== false) return found as T;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`not in time: ${what}`, { cause: last });
}

/** The tunnel of the node is open: until then a dial goes out into a network that does not know the address. */
const opened = () =>
  eventually(
    'the tunnel is open',
    async () => server.api.requests.services.tunnels.wayTo({ host: POD, port: 8080 }) !== undefined,
  );

test.skipIf(!canRun)('a pod, a Service and a node are reached through the proxy, with bodies of any size', async () => {
  await opened();
  expect(await ask(`${POD_PATH}/proxy/x?y=1`)).toEqual({ code: 200, body: 'GET /x?y=1 0' });
  const body = Buffer.alloc(8 * 2 ** 20);
  expect((await ask(`${POD_PATH}:8080/proxy/up`, { method: 'POST', body })).body).toBe(`POST /up ${body.length}`);
  expect((await ask('/api/v1/namespaces/default/services/far:http/proxy/s')).body).toBe('GET /s 0');
  expect((await ask('/api/v1/namespaces/default/services/https:far:https/proxy/s')).body).toBe('GET /s 0');
  expect((await ask('/api/v1/nodes/far/proxy/configz')).body).toBe('/configz by kube-apiserver-kubelet-client\n');
  expect((await ask(`${POD_PATH}/log`)).body).toBe(
    '/containerLogs/default/far/main? by kube-apiserver-kubelet-client\n',
  );
});

test.skipIf(!canRun)('exec and port-forward are joined with the kubelet, byte for byte', async () => {
  await opened();
  const said = await new Promise<string>((resolve, reject) => {
    const socket = connectTls({ ...admin(), host: '127.0.0.1', port: server.port, ALPNProtocols: ['http/1.1'] }, () =>
      socket.write(
        `POST ${POD_PATH}/exec?command=x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n`,
      ),
    );
    let heard = '';
    socket.setEncoding('latin1').on('data', (part: string) => {
      if (heard === '') socket.write('hello through the tunnel');
      heard += part;
      if (heard.endsWith('tunnel')) socket.destroy();
    });
    socket.on('close', () => resolve(heard));
    socket.on('error', reject);
  });
  expect(said).toMatch(/^HTTP\/1\.1 101 [\s\S]*hello through the tunnel$/);
});

test.skipIf(!canRun)('a webhook and an API server behind a Service of the far node are asked', async () => {
  await opened();
  const caBundle = Buffer.from(server.pki.caCertificate).toString('base64');
  await client.create(ValidatingWebhookConfiguration, {
    metadata: { name: 'far' },
    webhooks: [
      {
        name: 'far.example.com',
        clientConfig: { caBundle, service: { namespace: 'default', name: 'far', path: '/webhook', port: 443 } },
        rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }],
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
      },
    ],
  } as never);
  await eventually('the webhook is known', () =>
    client
      .create(ConfigMap, { metadata: { name: 'bad', namespace: 'default' } } as never)
      .then(() => client.delete(ConfigMap, { namespace: 'default', name: 'bad' }).then(() => undefined))
      .catch((error: Error) => error.message.includes('the pod says no')),
  );
  await client.create(ConfigMap, { metadata: { name: 'good', namespace: 'default' } } as never);
  await client.create(APIService, {
    metadata: { name: 'v1.far.example.com' },
    spec: {
      ...{ group: 'far.example.com', version: 'v1', groupPriorityMinimum: 1000, versionPriority: 10, caBundle },
      service: { namespace: 'default', name: 'far', port: 443 },
    },
  } as never);
  const list = await eventually('the group is served', async () => {
    const { code, body } = await ask('/apis/far.example.com/v1/things');
    return code === 200 && body;
  });
  expect(JSON.parse(list)).toMatchObject({ kind: 'ThingList', items: [] });
});

test.skipIf(!canRun)('who does not read holds up nobody else, and no memory', async () => {
  await opened();
  const options = {
    ...admin(),
    host: '127.0.0.1',
    port: server.port,
    path: `${POD_PATH}/proxy/endless`,
    agent: false as const,
  };
  const slow = request(options, (answer) => void answer.pause());
  slow.on('error', () => undefined);
  slow.end();
  const sent = async () => Number((await ask(`${POD_PATH}/proxy/sent`)).body);
  let before = -1;
  const amount = await eventually('no more comes', async () => {
    const now = await sent();
    const isSame = now > 0 && now === before;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 300));
    return isSame && now;
  });
  expect(amount).toBeLessThan(64 * 2 ** 20);
  expect((await ask('/api/v1/nodes/far/proxy/configz')).code).toBe(200);
  slow.destroy();
});

test.skipIf(!canRun)('a tunnel that is cut is opened again', async () => {
  await opened();
  const before = new Set(relayed);
  for (const socket of before) socket.destroy();
  await eventually('the node comes again', async () => [...relayed].some((socket) => !before.has(socket)));
  await eventually('requests pass again', async () => {
    await opened();
    return (await ask(`${POD_PATH}/proxy/again`)).body === 'GET /again 0';
  });
});

test.skipIf(!canRun)('what the node does not serve is not dialled: not through it, and not by it', async () => {
  await opened();
  const { tunnels } = server.api.requests.services;
  expect(tunnels.wayTo({ host: '10.250.2.5', port: 80 })).toBeUndefined();
  await expect(tunnels.wayTo({ host: '127.0.0.1', port: 6443, kubeletOf: 'far' })?.()).rejects.toMatchObject({
    code: 'EACCES',
  });
  await expect(tunnels.wayTo({ host: NODE_ADDRESS, port: 22, kubeletOf: 'far' })?.()).rejects.toMatchObject({
    code: 'EACCES',
  });
  await expect(tunnels.wayTo({ host: POD, port: 9 })?.()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  const refused = await ask('/api/v1/namespaces/default/pods/far:9/proxy/');
  expect(JSON.parse(refused.body)).toMatchObject({
    code: 503,
    message: `error trying to reach service: dial tcp ${POD}:9: connect: connection refused`,
  });
});

test.skipIf(!canRun)('only the node itself may open its tunnel, whatever else somebody may do', async () => {
  const open = (user: { user: string; groups: string[] }) =>
    new Promise<string>((resolve, reject) => {
      const { certificate, key } = server.pki.issueClient('other', user);
      const tls = { cert: certificate, key, ca: server.pki.caCertificate, ALPNProtocols: ['http/1.1'] };
      const socket = connectTls({ ...tls, host: '127.0.0.1', port: server.port }, () =>
        socket.write(
          'POST /api/v1/nodes/far/tunnel HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: kedge-tunnel\r\n\r\n',
        ),
      );
      let heard = '';
      socket.setEncoding('latin1').on('data', (part: string) => {
        heard += part;
      });
      socket.on('close', () => resolve(heard));
      socket.on('error', reject);
    });
  for (const user of [
    { user: 'system:node:other', groups: ['system:nodes'] },
    { user: 'system:node:far', groups: [] },
    { user: 'tester', groups: ['system:masters'] },
  ])
    expect(await open(user)).toMatch(/^HTTP\/1\.1 403 /);
  expect(await open({ user: 'tester', groups: ['system:masters'] })).toContain(
    'only the node itself may open its tunnel',
  );
});
