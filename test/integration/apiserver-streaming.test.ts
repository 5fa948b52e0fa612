/** What the API server passes on: to a kubelet that notes who asks and what for, and to a pod behind proxies. */
import { createServer as createHttpServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createHttpsServer, request } from 'node:https';
import { type AddressInfo, Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type Server as TlsServer, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { Service } from '#api/core/v1/service.ts';
import { EndpointSlice } from '#api/discovery/v1/endpoint-slice.ts';
import type { Client } from '#client/client.ts';
import { kubeletServerIdentity } from '#cmd/pki/cluster-identities.ts';
import { type HttpsApiServer, startHttpsApiServer } from './https-api-server.ts';

let server: HttpsApiServer;
let client: Client;
let kubelet: Server;
let backend: Server;
/** `METHOD path by common-name`, of each request that reached the kubelet. */
let asked: string[] = [];

/** One of this machine's that is not its loopback: the API server forwards to no other kind. */
const ADDRESS =
  Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '0.0.0.0';

const POD = '/api/v1/namespaces/default/pods/p';

beforeAll(async () => {
  server = await startHttpsApiServer();
  client = server.api.loopback.client;
  kubelet = await startKubelet();
  backend = createHttpServer((incoming, answer) => {
    if (incoming.url === '/moved') answer.writeHead(302, { location: '/elsewhere' });
    let body = '';
    incoming.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    incoming.on('end', () => answer.end(`${incoming.method} ${incoming.url} ${body}`.trim()));
  });
  await new Promise<void>((listening) => backend.listen(0, ADDRESS, listening));
  const port = (kubelet.address() as AddressInfo).port;
  const node = await client.create(Node, { metadata: { name: 'n1' } } as never);
  await client.updateStatus(Node, {
    ...node,
    status: {
      ...node.status,
      addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
      daemonEndpoints: { kubeletEndpoint: { Port: port } },
    },
  });
  const pod = await client.create(Pod, {
    metadata: { name: 'p', namespace: 'default' },
    spec: {
      nodeName: 'n1',
      containers: [
        { name: 'main', image: 'i', ports: [{ name: 'http', containerPort: (backend.address() as AddressInfo).port }] },
      ],
    },
  } as never);
  await client.updateStatus(Pod, {
    ...pod,
    status: { ...pod.status!, podIP: ADDRESS, podIPs: [{ ip: ADDRESS }] },
  });
  await client.create(Pod, {
    metadata: { name: 'two', namespace: 'default' },
    spec: {
      nodeName: 'n1',
      containers: [
        { name: 'a', image: 'i' },
        { name: 'b', image: 'i' },
      ],
    },
  } as never);
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  kubelet?.close();
  backend?.close();
});

beforeEach(() => {
  asked = [];
});

async function startKubelet(): Promise<Server> {
  const pair = server.pki.issueServer('n1-kubelet', kubeletServerIdentity('n1', ['127.0.0.1']));
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: (offered) => [...offered][0] ?? false });
  const note = (incoming: IncomingMessage) => {
    const by = (incoming.socket as TLSSocket).getPeerCertificate().subject?.CN;
    asked.push(`${incoming.method} ${incoming.url} by ${by}`);
  };
  const made = createHttpsServer(
    { cert: pair.certificate, key: pair.key, ca: server.pki.caCertificate, requestCert: true },
    (incoming, answer) => {
      note(incoming);
      if (incoming.url?.includes('previous')) {
        answer.writeHead(400).end('previous terminated container "main" in pod "p" not found');
        return;
      }
      answer.write('first\n');
      if (incoming.url?.includes('follow')) setImmediate(() => answer.end('second\n'));
      else answer.end();
    },
  );
  made.on('upgrade', (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
    note(incoming);
    if (incoming.headers.upgrade === 'SPDY/3.1') {
      const version = incoming.headers['x-stream-protocol-version'];
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\nConnection: Upgrade\r\nX-Stream-Protocol-Version: ${version}\r\n\r\n`,
      );
      socket.pipe(socket);
      return;
    }
    sockets.handleUpgrade(incoming, socket, head, (opened) => {
      opened.on('message', (data, isBinary) => {
        opened.send(data as Buffer, { binary: isBinary });
        if ((data as Buffer).toString().includes('bye')) opened.close(1000);
      });
    });
  });
  await new Promise<void>((listening) => made.listen(0, '127.0.0.1', listening));
  return made as unknown as Server;
}

const credentials = () => {
  const { certificate, key } = server.pki.issueClient('streamer', { user: 'streamer', groups: ['system:masters'] });
  return { cert: certificate, key, ca: server.pki.caCertificate };
};

function ask(path: string, { method = 'GET', body }: { method?: string; body?: string } = {}) {
  return new Promise<{ code: number; location: string | undefined; body: string }>((resolve, reject) => {
    const sent = request(`${server.url}${path}`, { method, ...credentials(), agent: false }, (answer) => {
      let text = '';
      answer.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      answer.on('end', () => resolve({ code: answer.statusCode ?? 0, location: answer.headers.location, body: text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** What comes back until the socket closes. */
const converse = (path: string, protocols: string[], say: string[], as = credentials()) =>
  new Promise<{ protocol: string; heard: string[] }>((resolve, reject) => {
    const socket = new WebSocket(`${server.url.replace('https', 'wss')}${path}`, protocols, as);
    const heard: string[] = [];
    socket.on('open', () => {
      for (const text of say) socket.send(text);
    });
    socket.on('message', (data) => heard.push((data as Buffer).toString()));
    socket.on('close', () => resolve({ protocol: socket.protocol, heard }));
    socket.on('unexpected-response', (_sent, answer) => {
      let body = '';
      answer.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      answer.on('end', () => reject(new Error(`${answer.statusCode} ${JSON.parse(body).message}`)));
    });
    socket.on('error', reject);
  });

test('logs come from the kubelet, as they are written', async () => {
  expect((await ask(`${POD}/log?follow=true&tailLines=5`)).body).toBe('first\nsecond\n');
  expect(asked).toEqual(['GET /containerLogs/default/p/main?follow=true&tailLines=5 by kube-apiserver-kubelet-client']);
});

test('what the kubelet refuses becomes a Status', async () => {
  const answer = await ask(`${POD}/log?previous=true`);
  expect(JSON.parse(answer.body)).toMatchObject({
    kind: 'Status',
    code: 400,
    reason: 'BadRequest',
    message: 'previous terminated container "main" in pod "p" not found',
  });
});

test('a container must be named where there are several', async () => {
  const answer = await ask('/api/v1/namespaces/default/pods/two/log');
  expect(JSON.parse(answer.body).message).toBe('a container name must be specified for pod two, choose one of: [a b]');
  expect(JSON.parse((await ask(`${POD}/log?container=x`)).body).message).toBe('container x is not valid for pod p');
});

test('exec over a WebSocket reaches the kubelet with the protocol that the client offers', async () => {
  const path = `${POD}/exec?container=main&command=sh&command=-c&command=a+b&stdin=true&stdout=true&tty=true`;
  const { protocol, heard } = await converse(path, ['v5.channel.k8s.io'], ['hello', 'bye']);
  expect(protocol).toBe('v5.channel.k8s.io');
  expect(heard).toEqual(['hello', 'bye']);
  expect(asked).toEqual([
    'GET /exec/default/p/main?input=1&output=1&tty=1&command=sh&command=-c&command=a+b by kube-apiserver-kubelet-client',
  ]);
});

test('a kubelet is checked once for many upgrades: the next ones go on with its session, as the same caller', async () => {
  const resumed: boolean[] = [];
  const note = (socket: TLSSocket) => resumed.push(socket.isSessionReused());
  kubelet.on('secureConnection', note);
  try {
    for (let times = 3; times > 0; times--)
      await converse(`${POD}/exec?command=x&stdout=true`, ['v5.channel.k8s.io'], ['bye']);
  } finally {
    kubelet.off('secureConnection', note);
  }
  expect(resumed.slice(1)).toEqual([true, true]);
  const once = 'GET /exec/default/p/main?output=1&command=x by kube-apiserver-kubelet-client';
  expect(asked).toEqual([once, once, once]);
});

test('on either side of an upgrade small messages are sent at once (no Nagle)', async () => {
  const [local, remote] = [new Set<number | undefined>(), new Set<number | undefined>()];
  const real = Socket.prototype.setNoDelay;
  const set = vi.spyOn(Socket.prototype, 'setNoDelay').mockImplementation(function (this: Socket, isSet) {
    if (isSet) {
      local.add(this.localPort);
      remote.add(this.remotePort);
    }
    return real.call(this, isSet);
  });
  try {
    await converse(`${POD}/exec?command=x&stdout=true`, ['v5.channel.k8s.io'], ['bye']);
  } finally {
    set.mockRestore();
  }
  expect(local).toContain(server.port);
  expect(remote).toContain((kubelet.address() as AddressInfo).port);
});

test('a session does not stand for another server: who comes up at a kubelet’s address is checked anew', async () => {
  const exec = () => converse(`${POD}/exec?command=x&stdout=true`, ['v5.channel.k8s.io'], ['bye']);
  const show = (name: string, address: string) => {
    const { certificate, key } = server.pki.issueServer(`${name}-kubelet`, kubeletServerIdentity(name, [address]));
    (kubelet as unknown as TlsServer).setSecureContext({ cert: certificate, key, ca: server.pki.caCertificate });
  };
  await exec();
  show('n2', '127.0.0.2');
  try {
    await expect(exec()).rejects.toThrow(/^500 error dialing backend: /);
  } finally {
    show('n1', '127.0.0.1');
  }
  await exec();
  expect(asked).toHaveLength(2);
});

test('an upgrade that is not allowed or makes no sense is refused with a Status', async () => {
  await expect(converse(`${POD}/exec?container=nope&command=x`, ['v4.channel.k8s.io'], [])).rejects.toThrow(
    '400 container nope is not valid for pod p',
  );
  await expect(converse('/api/v1/namespaces/default/pods/none/attach', [], [])).rejects.toThrow(
    '404 pods "none" not found',
  );
  expect(JSON.parse((await ask(`${POD}/exec?command=x`)).body).message).toBe('Upgrade request required');
  expect(asked).toEqual([]);
});

test('a SPDY upgrade is joined byte for byte', async () => {
  const echoed = await new Promise<string>((resolve, reject) => {
    const socket = connectTls(
      { host: '127.0.0.1', port: server.port, ...credentials(), ALPNProtocols: ['http/1.1'] },
      () =>
        socket.write(
          `POST ${POD}/portforward HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: portforward.k8s.io\r\nContent-Length: 0\r\n\r\nbytes before the answer`,
        ),
    );
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.endsWith('before the answer')) socket.write(' and behind it');
      if (text.endsWith('behind it')) socket.destroy();
    });
    socket.on('close', () => resolve(text));
    socket.on('error', reject);
  });
  expect(echoed).toContain('101 Switching Protocols');
  expect(echoed).toContain('X-Stream-Protocol-Version: portforward.k8s.io');
  expect(echoed).toMatch(/bytes before the answer and behind it$/);
  expect(asked).toEqual(['POST /portForward/default/p by kube-apiserver-kubelet-client']);
});

test('logs and watches come over a WebSocket too', async () => {
  const { protocol, heard } = await converse(`${POD}/log`, ['binary.k8s.io'], []);
  expect(protocol).toBe('binary.k8s.io');
  expect(heard.join('')).toBe('first\n');
  const watch = await converse('/api/v1/nodes?watch=1&timeoutSeconds=1', [], []);
  expect(JSON.parse(watch.heard[0] ?? '{}')).toMatchObject({ type: 'ADDED', object: { metadata: { name: 'n1' } } });
});

test('a pod and a Service are reached through the proxy, with their own paths, methods and bodies', async () => {
  const port = (backend.address() as AddressInfo).port;
  expect((await ask(`${POD}/proxy/some/path?q=1`)).body).toBe('GET /some/path?q=1');
  expect(
    (await ask(`/api/v1/namespaces/default/pods/http:p:${port}/proxy/x`, { method: 'POST', body: 'data' })).body,
  ).toBe('POST /x data');
  const moved = await ask(`${POD}/proxy/moved`);
  expect(moved).toMatchObject({ code: 302, location: `${POD}/proxy/elsewhere` });

  await client.create(Service, {
    metadata: { name: 's', namespace: 'default' },
    spec: { ports: [{ name: 'web', port: 80 }] },
  } as never);
  const none = JSON.parse((await ask('/api/v1/namespaces/default/services/s/proxy/')).body);
  expect(none).toMatchObject({ code: 503, message: 'no endpoints available for service "s"' });
  await client.create(EndpointSlice, {
    metadata: { name: 's-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 's' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [ADDRESS], conditions: { ready: true } }],
    ports: [{ name: 'web', port, protocol: 'TCP' }],
  } as never);
  expect((await ask('/api/v1/namespaces/default/services/s:web/proxy/y')).body).toBe('GET /y');
});

test('no proxy leads to the machine of the API server itself', async () => {
  const pod = await client.create(Pod, {
    metadata: { name: 'liar', namespace: 'default' },
    spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i' }] },
  } as never);
  for (const ip of ['127.0.0.1', '169.254.169.254', '::1']) {
    const now = await client.get(Pod, { namespace: 'default', name: 'liar' });
    await client.updateStatus(Pod, { ...now, status: { ...pod.status!, podIP: ip, podIPs: [{ ip }] } });
    const answer = await ask('/api/v1/namespaces/default/pods/liar:80/proxy/');
    expect(JSON.parse(answer.body)).toMatchObject({ code: 400, message: 'address not allowed' });
  }
});

test('whoever may only look must not exec', async () => {
  const transport = server.transportFor({ name: 'viewer', groups: [] });
  await client.transport.request({
    method: 'POST',
    path: '/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles',
    object: { metadata: { name: 'viewer' }, rules: [{ apiGroups: [''], resources: ['pods/exec'], verbs: ['get'] }] },
  });
  await client.transport.request({
    method: 'POST',
    path: '/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings',
    object: {
      metadata: { name: 'viewer' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'viewer' },
      subjects: [{ kind: 'User', name: 'viewer' }],
    },
  });
  await expect(transport.request({ method: 'GET', path: `${POD}/exec?command=x` })).rejects.toThrow('Upgrade request');
  const { certificate, key } = server.pki.issueClient('viewer', { user: 'viewer' });
  const viewer = { cert: certificate, key, ca: server.pki.caCertificate };
  await expect(converse(`${POD}/exec?command=x`, [], [], viewer)).rejects.toThrow(
    '403 pods "p" is forbidden: User "viewer" cannot create resource "pods/exec" in API group "" in the namespace "default"',
  );
});

test('a node is reached through the proxy as its kubelet', async () => {
  expect((await ask('/api/v1/nodes/n1/proxy/pods')).body).toBe('first\n');
  expect(asked).toEqual(['GET /pods by kube-apiserver-kubelet-client']);
});

test('a kubelet that is not there is told of', async () => {
  const node = await client.create(Node, { metadata: { name: 'gone' } } as never);
  await client.updateStatus(Node, {
    ...node,
    status: {
      ...node.status,
      addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
      daemonEndpoints: { kubeletEndpoint: { Port: 1 } },
    },
  });
  const answer = await ask('/api/v1/nodes/gone/proxy/pods');
  expect(JSON.parse(answer.body)).toMatchObject({
    code: 503,
    message: 'error trying to reach service: dial tcp 127.0.0.1:1: connect: connection refused',
  });
});
