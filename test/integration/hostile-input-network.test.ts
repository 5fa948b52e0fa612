/**
 * What hostile kubelets, pods, addresses and connections get: no request of a client's in the API server's name, no answer
 * that leads it elsewhere, no way to its own machine, nothing held for who has gone. Redirects of webhooks and of
 * aggregated servers are in `webhooks.test.ts` and `aggregation.test.ts`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect as connectHttp2, constants } from 'node:http2';
import { createServer as createHttpsServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { Service } from '#api/core/v1/service.ts';
import { EndpointSlice } from '#api/discovery/v1/endpoint-slice.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import type { Client } from '#client/client.ts';
import { kubeletServerIdentity } from '#cmd/pki/cluster-identities.ts';
import { ensurePki } from '#cmd/pki/pki.ts';
import { systemClock } from '#cmd/system-clock.ts';
import { createServer } from '#control-plane/apiserver/http/server.ts';
import { createServiceFor, eventually, OWN_ADDRESS } from './extension-server.ts';
import { type HttpsApiServer, startHttpsApiServer } from './https-api-server.ts';
import { RawClient, statusOf, untilClosed } from './raw-client.ts';
import { apiService, GROUP, startWardleServer, VERSION, type WardleServer } from './wardle-server.ts';

let server: HttpsApiServer;
let client: Client;
let raw: RawClient;
let kubelet: Server;
/** What reached the kubelet, in order. */
let asked: string[] = [];
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let upgrade: (request: IncomingMessage, socket: Duplex) => void;

const NAMESPACE = '/api/v1/namespaces/default';
const POD = `${NAMESPACE}/pods/p`;

beforeAll(async () => {
  server = await startHttpsApiServer();
  client = server.api.loopback.client;
  raw = new RawClient(server);
  kubelet = await startKubelet(server.pki.issueServer('n1-kubelet', kubeletServerIdentity('n1', ['127.0.0.1'])));
  await nodeAt('n1', '127.0.0.1', portOf(kubelet));
  await podAt('p', 'n1', OWN_ADDRESS);
});

afterAll(async () => {
  kubelet?.closeAllConnections();
  kubelet?.close();
  await server?.[Symbol.asyncDispose]();
});

beforeEach(() => {
  asked = [];
  answer = (_, response) => void response.end('well');
  upgrade = (_, socket) => void socket.end('HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n');
});

afterEach(async () => {
  expect((await raw.ask('/livez')).text).toBe('ok');
});

const portOf = (listening: { address(): unknown }) => (listening.address() as AddressInfo).port;

async function startKubelet({ certificate, key }: { certificate: string; key: string }): Promise<Server> {
  const made = createHttpsServer({ cert: certificate, key }, (request, response) => {
    asked.push(`${request.method} ${request.url}`);
    answer(request, response);
  });
  made.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
    asked.push(`upgrade ${request.url}`);
    socket.on('error', () => undefined);
    upgrade(request, socket);
  });
  await new Promise<void>((listening) => made.listen(0, '127.0.0.1', listening));
  return made;
}

async function nodeAt(name: string, address: string, port: number, type = 'InternalIP'): Promise<void> {
  const node = await client.create(Node, { metadata: { name } } as never);
  await client.updateStatus(Node, {
    ...node,
    status: {
      ...node.status,
      addresses: [{ type, address }],
      daemonEndpoints: { kubeletEndpoint: { Port: port } },
    },
  });
}

async function podAt(name: string, nodeName: string, ip?: string): Promise<void> {
  const pod = await client.create(Pod, {
    metadata: { name, namespace: 'default' },
    spec: { nodeName, containers: [{ name: 'main', image: 'i' }] },
  } as never);
  if (ip) await client.updateStatus(Pod, { ...pod, status: { ...pod.status!, podIP: ip, podIPs: [{ ip }] } });
}

/** The head of an upgrade, and at once what a smuggler would have the other side read behind it. */
const upgradeTo = (path: string, behind: string, more = '') =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n${more}\r\n${behind}`;

const SMUGGLED = 'GET /runningpods/ HTTP/1.1\r\nHost: x\r\n\r\n';

async function said(bytes: string, later = ''): Promise<string> {
  const socket = await raw.socket();
  const all = untilClosed(socket);
  if (later) socket.once('data', () => socket.write(later));
  socket.write(bytes);
  return all;
}

describe('after an upgrade that was refused', () => {
  const exec = `${POD}/exec?container=main&command=x&stdin=true`;

  test('nothing of the client reaches the kubelet (CVE-2018-1002105)', async () => {
    upgrade = (_, socket) => {
      // Kept open, as a kubelet does: whatever came next would be a request of the API server's.
      socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nno!\n');
      socket.on('data', (chunk: Buffer) => asked.push(chunk.toString()));
    };
    for (const more of [
      '',
      'Content-Length: 0\r\n',
      `Content-Length: ${SMUGGLED.length}\r\n`,
      'Transfer-Encoding: chunked\r\n',
    ])
      for (const text of [await said(upgradeTo(exec, SMUGGLED, more)), await said(upgradeTo(exec, '', more), SMUGGLED)])
        expect(text).toMatch(/^HTTP\/1\.1 (403 Forbidden\r\nContent-Length: 4\r\n\r\nno!\n|400 )/);
    expect(new Set(asked)).toEqual(new Set(['upgrade /exec/default/p/main?input=1&command=x']));
  });

  test('a redirect is an error, and nobody follows it (CVE-2020-8559)', async () => {
    upgrade = (_, socket) =>
      socket.end(
        `HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1:${portOf(kubelet)}/run\r\nContent-Length: 0\r\n\r\n`,
      );
    const text = await said(upgradeTo(exec, ''));
    expect(text).toMatch(/^HTTP\/1\.1 500 /);
    expect(text).toContain('invalid upgrade response: status code 302');
    expect(text).not.toMatch(/location/i);
    expect(asked).toEqual(['upgrade /exec/default/p/main?input=1&command=x']);
  });

  test('no answer, half of one and one without end are errors', async () => {
    const wrong = [
      (socket: Duplex) => socket.destroy(),
      (socket: Duplex) => socket.end('HTTP/1.1 101 Switch'),
      (socket: Duplex) => socket.write(`HTTP/1.1 101 Switching Protocols\r\nx: ${'y'.repeat(100_000)}`),
      (socket: Duplex) => socket.end('hello\r\n\r\n'),
    ];
    for (const one of wrong) {
      upgrade = (_, socket) => void one(socket);
      expect(await said(upgradeTo(exec, SMUGGLED))).toMatch(/^HTTP\/1\.1 500 /);
    }
    expect(asked.filter((one) => !one.startsWith('upgrade '))).toEqual([]);
  });
});

describe('an aggregated server that refuses an upgrade', () => {
  let wardle: WardleServer;
  beforeAll(async () => {
    wardle = await startWardleServer(server);
    await createServiceFor(server, { namespace: 'wardle', name: 'api', port: wardle.port });
    await server.kubectl(['apply', '-f', '-'], JSON.stringify(apiService({ caBundle: wardle.caBundle })));
    await server.kubectl(['wait', '--for=condition=Available', `apiservice/${VERSION}.${GROUP}`, '--timeout=90s']);
    const flunders = `/apis/${GROUP}/${VERSION}/namespaces/default/flunders`;
    await eventually(async () => expect((await raw.ask(flunders)).code).toBe(200));
  });
  afterAll(async () => {
    await wardle?.[Symbol.asyncDispose]();
  });

  test.each([
    ['refused', /^HTTP\/1\.1 403 Forbidden/],
    ['moved', /^HTTP\/1\.1 503 [\s\S]*invalid upgrade response: status code 302/],
  ])('(%s) gets nothing else of the client, who would speak in the name of the front proxy', async (path, expected) => {
    wardle.seen.length = 0;
    const whole = `/apis/${GROUP}/${VERSION}/namespaces/default/flunders/x/${path}`;
    const smuggled = `GET /apis/${GROUP}/${VERSION}/flunders HTTP/1.1\r\nHost: x\r\nX-Remote-User: system:admin\r\n\r\n`;
    expect(await said(upgradeTo(whole, smuggled))).toMatch(expected);
    expect(await said(upgradeTo(whole, ''), smuggled)).toMatch(expected);
    const reached = wardle.seen.filter(({ url }) => url.includes('/flunders'));
    expect(reached.map(({ url }) => url)).toEqual([whole, whole]);
  });
});

describe('a kubelet', () => {
  test('that redirects is not followed, nor is the client sent there (CVE-2020-8559)', async () => {
    answer = (request, response) =>
      request.url?.startsWith('/containerLogs')
        ? void response.writeHead(302, { location: `https://127.0.0.1:${portOf(kubelet)}/secret` }).end()
        : void response.end('followed');
    const refused = await raw.ask(`${POD}/log`);
    expect([refused.code, statusOf(refused).message]).toEqual([
      502,
      'the backend attempted to redirect this request, which is not permitted',
    ]);
    expect(refused.headers.location).toBeUndefined();
    expect(asked).toEqual(['GET /containerLogs/default/p/main?']);
  });

  test('shows a certificate of the cluster for its node, or is not asked', async () => {
    await nodeAt('other', '127.0.0.1', portOf(kubelet)); // a certificate of n1
    await podAt('on-other', 'other');
    const directory = mkdtempSync(join(tmpdir(), 'pki-'));
    const elsewhere = ensurePki({ directory, clock: systemClock });
    const foreign = await startKubelet(elsewhere.issueServer('n2', kubeletServerIdentity('n2', ['127.0.0.1'])));
    await nodeAt('n2', '127.0.0.1', portOf(foreign));
    await podAt('on-n2', 'n2');
    for (const [pod, node, why] of [
      ['on-other', 'other', /x509: certificate is not valid for the name: /],
      ['on-n2', 'n2', /x509: certificate signed by unknown authority$/],
    ] as const) {
      for (const path of [`${NAMESPACE}/pods/${pod}/log`, `/api/v1/nodes/${node}/proxy/pods`]) {
        const refused = await raw.ask(path);
        expect(refused.code).toBe(path.endsWith('log') ? 500 : 503);
        expect(statusOf(refused).message).toMatch(/^error (dialing backend|trying to reach service): tls: /);
        expect(statusOf(refused).message).toMatch(why);
      }
      expect(await said(upgradeTo(`${NAMESPACE}/pods/${pod}/exec?command=x`, ''))).toMatch(
        /^HTTP\/1\.1 500 [\s\S]*error dialing backend: /,
      );
    }
    expect(asked).toEqual([]);
    foreign.closeAllConnections();
    foreign.close();
    rmSync(directory, { recursive: true, force: true });
  });

  test('is told what the client wants in names that cannot lead to another of its paths', async () => {
    for (const name of ['p%2f..%2fp', '..%2f..%2frun', '%2e%2e'])
      expect((await raw.ask(`${NAMESPACE}/pods/${name}/log`)).code).toBe(400);
    expect((await raw.ask(`${POD}/log?container=..%2f..%2frun`)).code).toBe(400);
    expect((await raw.ask(`${POD}/log?container=main%0d%0aX:%20y`)).code).toBe(400);
    expect(asked).toEqual([]);
  });
});

describe('proxies lead to no address of the API server itself (CVE-2020-8562)', () => {
  const OWN = [
    '127.0.0.1',
    '127.1.2.3',
    '169.254.169.254',
    '0.0.0.0',
    '224.0.0.1',
    '::1',
    '::',
    'fe80::1',
    '::ffff:127.0.0.1',
  ];
  const refusal = async (path: string) => {
    const refused = await raw.ask(path);
    return [refused.code, statusOf(refused).message];
  };

  test('of pods', async () => {
    await podAt('liar', 'n1', '10.0.0.1');
    for (const ip of OWN) {
      const pod = await client.get(Pod, { namespace: 'default', name: 'liar' });
      await client
        .updateStatus(Pod, { ...pod, status: { ...pod.status!, podIP: ip, podIPs: [{ ip }] } })
        .catch(() => undefined); // some are no addresses of pods at all
      const { podIP } = (await client.get(Pod, { namespace: 'default', name: 'liar' })).status!;
      if (podIP !== ip) continue;
      for (const target of ['liar:80', 'https:liar:443'])
        expect(await refusal(`${NAMESPACE}/pods/${target}/proxy/`)).toEqual([400, 'address not allowed']);
      expect(await said(upgradeTo(`${NAMESPACE}/pods/liar:80/proxy/`, ''))).toMatch(/^HTTP\/1\.1 400 /);
    }
  });

  test('of services, which may name hosts as well', async () => {
    await client.create(Service, {
      metadata: { name: 's', namespace: 'default' },
      spec: { ports: [{ port: 80 }] },
    } as never);
    const slice = (addressType: string, address: string) => ({
      metadata: { name: 's-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 's' } },
      addressType,
      endpoints: [{ addresses: [address], conditions: { ready: true } }],
      ports: [{ name: '', port: 80, protocol: 'TCP' }],
    });
    const kinds = [
      ...OWN.map((ip) => [ip.includes(':') ? 'IPv6' : 'IPv4', ip] as const),
      ['FQDN', 'localhost.localdomain'] as const,
    ];
    let refused = 0;
    for (const [type, address] of kinds) {
      // Validation lets none of them in; what is there from before, or was written by other means, is refused here.
      const made = await client.create(EndpointSlice, slice(type, address) as never).catch(() => undefined);
      if (!made) continue;
      expect(await refusal(`${NAMESPACE}/services/s/proxy/`)).toEqual([400, 'address not allowed']);
      await client.delete(EndpointSlice, { namespace: 'default', name: 's-1' });
      refused++;
    }
    expect(refused).toBeGreaterThan(0);
  });

  test('of nodes, whose names may be anything', async () => {
    let count = 0;
    for (const [type, address] of [
      ...OWN.map((ip) => ['InternalIP', ip] as const),
      ['Hostname', 'localhost'] as const,
    ]) {
      const name = `liar-${count++}`;
      await nodeAt(name, address, 10250, type);
      for (const target of [`${name}:6443`, `https:${name}:6443`, `http:${name}:2379`])
        expect(await refusal(`/api/v1/nodes/${target}/proxy/metrics`)).toEqual([400, 'address not allowed']);
    }
  });

  test('and what is no port is no target', async () => {
    for (const port of ['0', '65536', '-1', 'x', '1e3', '%20', '80%2f'])
      for (const path of [`/api/v1/nodes/n1:${port}/proxy/`, `${NAMESPACE}/pods/p:${port}/proxy/`]) {
        const refused = await raw.ask(path);
        expect([path, refused.code]).toEqual([path, expect.toBeOneOf([400, 503])]);
      }
    expect(asked).toEqual([]);
  });
});

describe('connections', () => {
  test('half-open ones of HTTP/2 are given up when a ping stays unanswered', async () => {
    const clock = new ManualClock();
    const { certificate, key } = server.pki.issueServer('edge', {
      commonName: 'edge',
      names: [],
      addresses: ['127.0.0.1'],
    });
    const http = createServer({
      certificate,
      key,
      clientCaCertificate: server.pki.caCertificate,
      serve: () => undefined,
      upgrade: () => undefined,
      clock,
      log: silentLog,
    });
    const { port } = await http.listen({ host: '127.0.0.1', port: 0 });
    const ca = server.pki.caCertificate;
    const silent: TLSSocket = connectTls({ host: '127.0.0.1', port, ca, ALPNProtocols: ['h2'] });
    await new Promise((connected) => silent.once('secureConnect', connected));
    let isCut = false;
    silent.on('error', () => undefined);
    silent.on('close', () => {
      isCut = true;
    });
    silent.resume(); // reads, and answers nothing
    silent.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');
    const lively = connectHttp2(`https://127.0.0.1:${port}`, { ca });
    let pings = 0;
    lively.on('ping', () => {
      pings++;
    });
    await new Promise((connected) => lively.once('remoteSettings', connected));
    clock.advance(45_000);
    await expect.poll(() => pings).toBe(1);
    expect(isCut).toBe(false);
    await new Promise((answered) => lively.ping(answered as () => void)); // the answer to the first has gone before
    clock.advance(15_000);
    await expect.poll(() => isCut).toBe(true);
    expect(lively.destroyed).toBe(false);
    lively.destroy();
    await http.close(0);
  });

  test('streams that are begun and taken back at once leave nothing behind, and others are answered (CVE-2023-44487)', async () => {
    const session = await raw.http2();
    session.on('error', () => undefined);
    for (let i = 0; i < 3_000 && !session.destroyed && !session.closed; i++) {
      const stream = session.request({ ':path': `${NAMESPACE}/configmaps?watch=1` });
      stream.on('error', () => undefined);
      stream.close(constants.NGHTTP2_CANCEL);
      if (i % 200 === 0) await turn();
    }
    expect((await raw.ask('/livez')).code).toBe(200);
    session.destroy();
    await expect
      .poll(async () => (await raw.ask('/metrics')).text, { timeout: 60_000 })
      .not.toMatch(/apiserver_longrunning_requests\{verb="WATCH"[^}]*configmaps[^}]*\} [1-9]/);
  });

  test('a watch that nobody reads holds no events, and others go on', async () => {
    const path = `${NAMESPACE}/configmaps`;
    const stalled = await raw.socket();
    stalled.write(`GET ${path}?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n`);
    await new Promise((begun) => stalled.once('data', begun));
    stalled.pause();
    const reader = await raw.http2();
    const stream = reader.request({ ':path': `${path}?watch=1` });
    let seen = 0;
    let bytes = 0;
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      seen += chunk.toString('latin1').split('"type":"MODIFIED"').length - 1;
    });
    await new Promise((begun) => stream.once('response', begun));
    const made = await client.create(ConfigMap, { metadata: { namespace: 'default', name: 'big' } } as never);
    let current = made;
    const count = 300;
    for (let i = 0; i < count; i++)
      current = await client.update(ConfigMap, { ...current, data: { i: String(i), x: 'x'.repeat(100_000) } } as never);
    await expect.poll(() => seen, { timeout: 60_000 }).toBe(count);
    expect(bytes).toBeGreaterThan(count * 100_000);
    const { text } = await raw.ask('/metrics');
    expect(text).toMatch(/apiserver_longrunning_requests\{verb="WATCH"[^}]*configmaps[^}]*\} [12]/);
    stalled.destroy();
    reader.destroy();
    await expect
      .poll(async () => (await raw.ask('/metrics')).text, { timeout: 60_000 })
      .toMatch(/apiserver_longrunning_requests\{verb="WATCH"[^}]*configmaps[^}]*\} 0/);
  });
});
