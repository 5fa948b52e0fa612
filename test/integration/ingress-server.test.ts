/** The servers of the Ingress on loopback, with backends of the test's own. */
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { request as requestTls } from 'node:https';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Ingress } from '#api/generated/schema.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { selfSigned as certificate } from '#cmd/pki/certificate.ts';
import { IngressServer } from '#network/ingress/ingress-server.ts';
import { routeTableOf } from '#network/ingress/route-table.ts';

const ANNOTATION = 'nginx.ingress.kubernetes.io/';
const servers: { close(): unknown }[] = [];
let ingress: IngressServer;
const clock = new ManualClock();
let ports: { http: number; https: number };

beforeEach(async () => {
  ingress = new IngressServer({
    httpPort: 0,
    httpsPort: 0,
    newRequestId: () => 'id-1',
    random: { next: () => 0.5 },
    clock,
  });
  ingress.change({ fallbackCertificate: selfSigned('fallback') });
  ports = await ingress.listen(['127.0.0.1']);
});
afterEach(async () => {
  await ingress.close();
  for (const server of servers.splice(0)) server.close();
});

/** Shown as CN. */
const selfSigned = (commonName: string) =>
  certificate({
    commonName,
    names: ['www.example.com'],
    usage: 'server',
    notBeforeMs: Date.now() - 60_000,
    notAfterMs: Date.now() + 3_600_000,
  });

type Handler = Parameters<typeof createServer>[1];
async function backend(handler: Handler): Promise<{ address: string; port: number; server: Server }> {
  const server = createServer(handler);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { address: '127.0.0.1', port: (server.address() as AddressInfo).port, server };
}
/** Tells what it was asked. */
const mirror = (name: string) =>
  backend((asked, response) => {
    let bytes = 0;
    asked.on('data', (part: Buffer) => {
      bytes += part.length;
    });
    asked.on('end', () => {
      response.writeHead(200, { 'content-type': 'application/json', connection: 'x-private', 'x-private': '1' });
      response.end(JSON.stringify({ name, url: asked.url, method: asked.method, headers: asked.headers, bytes }));
    });
  });

function route(annotations: Record<string, string> = {}, paths = ['/'], tls = false, others: Ingress[] = []): void {
  const wanted = {
    metadata: {
      name: 'web',
      namespace: 'shop',
      annotations: Object.fromEntries(Object.entries(annotations).map(([key, value]) => [ANNOTATION + key, value])),
    },
    spec: {
      ...(tls && { tls: [{ hosts: ['www.example.com'], secretName: 'cert' }] }),
      rules: [
        {
          host: 'www.example.com',
          http: {
            paths: paths.map((path) => ({
              path,
              pathType: 'Prefix',
              backend: { service: { name: 'web', port: { number: 80 } } },
            })),
          },
        },
      ],
    },
  } as unknown as Ingress;
  ingress.change({ hosts: [...routeTableOf([wanted, ...others]).hosts] });
}
const behind = (...endpoints: { address: string; port: number }[]) =>
  ingress.change({ endpoints: [['shop/web:80', endpoints]] });

interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  text: string;
}
interface AskOptions {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
  isSecure?: boolean;
}
function ask(path: string, { method = 'GET', headers = {}, body, isSecure = false }: AskOptions = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port: isSecure ? ports.https : ports.http,
      path,
      method,
      headers: { host: 'www.example.com', ...headers },
      agent: false,
      servername: 'www.example.com',
      rejectUnauthorized: false,
    } as const;
    const sent = (isSecure ? requestTls : request)(options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
const asJson = (answer: Answer) =>
  JSON.parse(answer.text) as { url: string; bytes: number; name: string; headers: Record<string, string> };

test('a request reaches the backend, which learns who asks, whatever the client says of itself', async () => {
  route();
  behind(await mirror('web'));
  const answer = await ask('/a?b=c', {
    headers: {
      'x-forwarded-for': '6.6.6.6',
      'x-real-ip': '6.6.6.6',
      connection: 'x-mine',
      'x-mine': '1',
      'x-kept': '2',
    },
  });
  expect(asJson(answer)).toMatchObject({
    url: '/a?b=c',
    headers: {
      host: 'www.example.com',
      'x-forwarded-for': '127.0.0.1',
      'x-real-ip': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'www.example.com',
      'x-request-id': 'id-1',
      'x-kept': '2',
    },
  });
  expect(asJson(answer).headers).not.toHaveProperty('x-mine');
  expect(answer.headers).not.toHaveProperty('x-private');
});

test('what no Ingress wants is 404, what nobody serves 503, what nobody answers 502', async () => {
  route();
  expect((await ask('/', { headers: { host: 'unknown' } })).text).toBe('default backend - 404\n');
  expect((await ask('/')).status).toBe(503);
  const { server, ...gone } = await mirror('gone');
  await new Promise((resolve) => server.close(resolve));
  behind(gone);
  expect((await ask('/')).status).toBe(502);
});

test('an endpoint that cannot be reached is passed over, also by a request with a body', async () => {
  route();
  const { server, ...gone } = await mirror('gone');
  await new Promise((resolve) => server.close(resolve));
  behind(gone, await mirror('web'));
  for (let i = 0; i < 4; i++) {
    const chunked: Record<string, string> = i % 2 ? { 'transfer-encoding': 'chunked' } : {};
    expect(asJson(await ask('/', { method: 'POST', body: 'hello', headers: chunked })).bytes).toBe(5);
  }
});

test('an endpoint that hangs up is passed over where asking twice does no harm', async () => {
  route();
  const { server, ...gone } = await mirror('gone');
  await new Promise((resolve) => server.close(resolve));
  const hangsUp = createTcpServer((socket) => socket.once('data', () => socket.destroy()));
  servers.push(hangsUp);
  await new Promise<void>((resolve) => hangsUp.listen(0, '127.0.0.1', resolve));
  behind(gone, { address: '127.0.0.1', port: (hangsUp.address() as AddressInfo).port }, await mirror('web'));
  for (let i = 0; i < 6; i++) expect((await ask('/')).status).toBe(200);
});

test('a path keeps its rules, however it is written', async () => {
  const closed = { 'whitelist-source-range': '10.0.0.0/8' };
  route(closed, ['/admin'], false, [second({})]);
  const web = await mirror('web');
  ingress.change({ endpoints: ['web', 'next'].map((name) => [`shop/${name}:80`, [web]] as const) });
  for (const path of ['/admin', '/%61dmin', '//admin', '/x/../admin', '/./admin/']) {
    expect([path, (await ask(path)).status]).toEqual([path, 403]);
  }
  for (const path of ['/..', '/%2e%2e/admin', '/%zz']) expect([path, (await ask(path)).status]).toEqual([path, 400]);
  expect(asJson(await ask('/a%20b//c?d')).url).toBe('/a%20b//c?d'); // what passes is not written anew
  expect((await ask('http://www.example.com/admin', { headers: { host: 'elsewhere' } })).status).toBe(403);
});

test('what cannot stand in a header is no annotation', async () => {
  behind(await mirror('web'));
  for (const value of ['https://例え.jp/', 'https://a.b/\r\nx: y', 'a\r\nX-Real-IP: 10.0.0.1']) {
    route({ 'permanent-redirect': value, 'upstream-vhost': value, 'app-root': value });
    const answer = await ask('/');
    expect([answer.status, asJson(answer).headers['host']]).toEqual([200, 'www.example.com']);
  }
});

test('headers that would be taken for ours, and an expectation that was met, stay here', async () => {
  route();
  behind(await mirror('web'));
  const headers = { X_Real_IP: '6.6.6.6', expect: '100-continue', 'content-length': '5' };
  const answer = asJson(await ask('/', { method: 'POST', headers, body: 'hello' }));
  expect(answer.bytes).toBe(5);
  expect(Object.keys(answer.headers)).not.toContain('x_real_ip');
});

test('endpoints take turns', async () => {
  route();
  behind(await mirror('a'), await mirror('b'));
  const names = [];
  for (let i = 0; i < 4; i++) names.push(asJson(await ask('/')).name);
  expect(names).toEqual(['a', 'b', 'a', 'b']);
});

test.each([
  ['a rewritten path', { 'rewrite-target': '/' }, '/api/v1/users?x=1', { status: 200, url: '/?x=1' }],
  ['a list of clients', { 'whitelist-source-range': '10.0.0.0/8' }, '/', { status: 403 }],
  ['a list with the client', { 'whitelist-source-range': '10.0.0.0/8,127.0.0.1' }, '/', { status: 200 }],
  ['a refused client', { 'denylist-source-range': '127.0.0.0/8' }, '/', { status: 403 }],
  [
    'a new place',
    { 'permanent-redirect': 'https://elsewhere.org/' },
    '/',
    { status: 301, location: 'https://elsewhere.org/' },
  ],
  ['a root', { 'app-root': '/app' }, '/', { status: 302, location: '/app' }],
  [
    'HTTPS in any case',
    { 'force-ssl-redirect': 'true' },
    '/x?y',
    { status: 308, location: 'https://www.example.com/x?y' },
  ],
])('annotations: %s', async (_, annotations, path, wanted) => {
  route(annotations, [path.startsWith('/api') ? '/api/v1' : '/']);
  behind(await mirror('web'));
  const answer = await ask(path);
  const url = answer.status === 200 ? asJson(answer).url : undefined;
  expect({ status: answer.status, location: answer.headers.location, url }).toMatchObject(wanted);
});

const second = (annotations: Record<string, string>) =>
  ({
    metadata: {
      name: 'next',
      namespace: 'shop',
      annotations: Object.fromEntries(Object.entries(annotations).map(([key, value]) => [ANNOTATION + key, value])),
    },
    spec: {
      rules: [
        {
          host: 'www.example.com',
          http: {
            paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'next', port: { number: 80 } } } }],
          },
        },
      ],
    },
  }) as unknown as Ingress;

test('a canary gets what header, cookie or weight say', async () => {
  const nameFor = async (annotations: Record<string, string>, headers: Record<string, string> = {}) => {
    route({}, ['/'], false, [second({ canary: 'true', ...annotations })]);
    ingress.change({
      endpoints: [
        ['shop/web:80', [web]],
        ['shop/next:80', [next]],
      ],
    });
    return asJson(await ask('/', { headers })).name;
  };
  const [web, next] = [await mirror('web'), await mirror('next')];
  expect(await nameFor({})).toBe('web');
  expect(await nameFor({ 'canary-weight': '51' })).toBe('next');
  expect(await nameFor({ 'canary-weight': '50' })).toBe('web');
  expect(await nameFor({ 'canary-by-header': 'X-Try' }, { 'x-try': 'always' })).toBe('next');
  expect(await nameFor({ 'canary-by-header': 'X-Try', 'canary-weight': '100' }, { 'x-try': 'never' })).toBe('web');
  const byValue = { 'canary-by-header': 'X-Try', 'canary-by-header-value': 'please' };
  expect(await nameFor(byValue, { 'x-try': 'please' })).toBe('next');
  expect(await nameFor(byValue, { 'x-try': 'always' })).toBe('web');
  expect(await nameFor({ 'canary-by-cookie': 'try' }, { cookie: 'a=b; try=always' })).toBe('next');
});

test('a client with a cookie comes back to its endpoint, and another endpoint has others', async () => {
  route({ affinity: 'cookie', 'session-cookie-name': 'stay', 'session-cookie-max-age': '60' });
  const endpoints = await Promise.all(['a', 'b', 'c'].map(mirror));
  behind(...endpoints);
  const first = await ask('/');
  const [cookie = ''] = first.headers['set-cookie'] ?? [];
  expect(cookie).toMatch(/^stay=[0-9a-f]{32}; Max-Age=60; Path=\/; HttpOnly$/);
  const headers = { cookie: cookie.split(';')[0] ?? '' };
  for (let i = 0; i < 4; i++) expect(asJson(await ask('/', { headers })).name).toBe(asJson(first).name);
  behind(...endpoints.filter((_, i) => ['a', 'b', 'c'][i] !== asJson(first).name));
  const moved = await ask('/', { headers });
  expect(moved.headers['set-cookie']).toHaveLength(1);
});

test('a key decides which endpoint it is', async () => {
  route({ 'upstream-hash-by': '$arg_user' });
  behind(...(await Promise.all(['a', 'b', 'c'].map(mirror))));
  const namesOf = async (user: number) =>
    Promise.all([1, 2, 3].map(async () => asJson(await ask(`/?user=${user}`)).name));
  const all = await Promise.all(Array.from({ length: 20 }, (_, user) => namesOf(user)));
  expect(all.every((names) => new Set(names).size === 1)).toBe(true);
  expect(new Set(all.flat()).size).toBe(3);
});

test('who asks too often waits', async () => {
  route({ 'limit-rps': '2', 'limit-burst-multiplier': '1' });
  behind(await mirror('web'));
  const statuses: number[] = [];
  for (let i = 0; i < 5; i++) statuses.push((await ask('/')).status);
  expect(statuses).toEqual([200, 200, 200, 503, 503]);
  clock.advance(1_000);
  expect((await ask('/')).status).toBe(200);
});

test('bodies pass as they come, up to the size that the Ingress allows', async () => {
  route({ 'proxy-body-size': '1m' });
  behind(await mirror('web'));
  const small = Buffer.alloc(900_000);
  expect(asJson(await ask('/', { method: 'POST', body: small })).bytes).toBe(900_000);
  const large = Buffer.alloc(2 * 2 ** 20);
  const refused = await ask('/', {
    method: 'POST',
    body: large,
    headers: { 'content-length': String(large.length) },
  }).catch(
    (error: NodeJS.ErrnoException) => error.code, // it may hang up before everything was sent
  );
  expect(typeof refused === 'string' ? 413 : refused?.status).toBe(413);
  const chunked = await ask('/', { method: 'POST', body: large, headers: { 'transfer-encoding': 'chunked' } }).catch(
    (error: NodeJS.ErrnoException) => error.code,
  );
  expect(typeof chunked === 'string' ? 413 : chunked?.status).toBe(413);
});

test('who may ask from another origin is told', async () => {
  route({ 'enable-cors': 'true', 'cors-allow-origin': 'https://*.example.com' });
  behind(await mirror('web'));
  const asking = (origin: string, method: string) => ask('/', { method, headers: { origin } });
  const preflight = await asking('https://app.example.com', 'OPTIONS');
  expect([preflight.status, preflight.headers['access-control-allow-origin']]).toEqual([
    204,
    'https://app.example.com',
  ]);
  expect((await asking('https://app.example.com', 'GET')).headers['access-control-allow-credentials']).toBe('true');
  expect((await asking('https://evil.com', 'GET')).headers).not.toHaveProperty('access-control-allow-origin');
});

test('a host with a certificate shows it, sends everybody there, and takes a new one while it runs', async () => {
  const shown = (servername: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = connectTls({ host: '127.0.0.1', port: ports.https, servername, rejectUnauthorized: false }, () => {
        resolve(String(socket.getPeerCertificate().subject.CN));
        socket.destroy();
      });
      socket.on('error', reject);
    });
  route({}, ['/'], true);
  behind(await mirror('web'));
  ingress.change({ certificates: [['shop/cert', selfSigned('first')]] });
  expect(await shown('www.example.com')).toBe('first');
  expect(await shown('other.example.com')).toBe('fallback');
  expect((await ask('/x')).headers.location).toBe('https://www.example.com/x');
  const secure = asJson(await ask('/x', { isSecure: true }));
  expect(secure.headers).toMatchObject({ 'x-forwarded-proto': 'https' });
  expect(ingress.change({ certificates: [['shop/cert', { certificate: 'no', key: 'pem' }]] })).toHaveLength(1);
  expect(await shown('www.example.com')).toBe('first');
  ingress.change({ certificates: [['shop/cert', selfSigned('second')]] });
  expect(await shown('www.example.com')).toBe('second');
});

test('HTTP/2 clients are served, many requests on one connection', async () => {
  route({}, ['/'], true);
  behind(await mirror('web'));
  ingress.change({ certificates: [['shop/cert', selfSigned('first')]] });
  const session = connectHttp2(`https://www.example.com:${ports.https}`, {
    createConnection: () =>
      connectTls({
        host: '127.0.0.1',
        port: ports.https,
        servername: 'www.example.com',
        ALPNProtocols: ['h2'],
        rejectUnauthorized: false,
      }),
  });
  const one = (i: number) =>
    new Promise<string>((resolve, reject) => {
      const stream = session.request({ ':path': `/${i}`, ':method': 'POST' });
      let text = '';
      stream.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      stream.on('end', () => resolve(text));
      stream.on('error', reject);
      stream.end('x'.repeat(i));
    });
  const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => one(i)));
  session.close();
  expect(answers.map((text) => JSON.parse(text).bytes)).toEqual(Array.from({ length: 20 }, (_, i) => i));
});

test.each([false, true])('a connection that is upgraded carries bytes both ways (TLS: %s)', async (isSecure) => {
  route({ 'ssl-redirect': 'false' }, ['/'], true);
  const echo = await backend(undefined);
  echo.server.on('upgrade', (asked: IncomingMessage, socket) => {
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${asked.headers.upgrade}\r\n\r\n`,
    );
    socket.pipe(socket);
  });
  behind(echo);
  const text = await new Promise<string>((resolve, reject) => {
    const sent = (isSecure ? requestTls : request)({
      host: '127.0.0.1',
      port: isSecure ? ports.https : ports.http,
      servername: 'www.example.com',
      rejectUnauthorized: false,
      agent: false,
      headers: { host: 'www.example.com', connection: 'Upgrade', upgrade: 'echo' },
    });
    sent.on('upgrade', (_, socket) => {
      socket.once('data', (part: Buffer) => {
        resolve(String(part));
        socket.destroy();
      });
      socket.write('hello');
    });
    sent.on('response', ({ statusCode }) => reject(new Error(String(statusCode))));
    sent.on('error', reject);
    sent.end();
  });
  expect(text).toBe('hello');
});

test('a backend that does not upgrade answers, and the client gets no tunnel', async () => {
  route();
  const asked: string[] = [];
  behind(
    await backend((request, response) => {
      asked.push(String(request.url));
      response.end('no');
    }),
  );
  const said = (lines: string[]) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect(ports.http, '127.0.0.1', () => socket.write(`${lines.join('\r\n')}\r\n\r\n`));
      let text = '';
      socket.on('data', (part) => {
        text += String(part);
        if (!socket.destroyed) socket.write('GET /secret HTTP/1.1\r\nhost: x\r\n\r\n');
      });
      socket.on('close', () => resolve(text));
      socket.on('error', reject);
    });
  const upgrade = ['host: www.example.com', 'connection: upgrade', 'upgrade: x'];
  expect(await said(['GET /public HTTP/1.1', ...upgrade])).toMatch(/^HTTP\/1.1 200 OK\r\n.*no/s);
  expect(asked).toEqual(['/public']);
  expect(await said(['POST /public HTTP/1.1', ...upgrade, 'content-length: 3'])).toMatch(/^HTTP\/1.1 400 /);
  expect(asked).toEqual(['/public']);
});

test('a client that goes takes its question back', async () => {
  route();
  let arrived: () => void = () => undefined;
  const hasArrived = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const gone = new Promise<void>((resolve) => {
    void backend((_, response) => {
      response.once('close', resolve);
      arrived();
    }).then((slow) => {
      behind(slow);
      const options = { host: '127.0.0.1', port: ports.http, headers: { host: 'www.example.com' }, agent: false };
      const sent = request(options).on('error', () => undefined);
      sent.end();
      void hasArrived.then(() => sent.destroy());
    });
  });
  await gone;
});

test('no request fails while endpoints come and go', async () => {
  route();
  const endpoints = await Promise.all(['a', 'b', 'c'].map(mirror));
  behind(...endpoints);
  const statuses: number[] = [];
  const clients = Array.from({ length: 8 }, async () => {
    for (let i = 0; i < 40; i++) statuses.push((await ask('/')).status);
  });
  for (let i = 0; i < 30; i++) {
    behind(...endpoints.filter((_, at) => at !== i % 3));
    route({ 'proxy-read-timeout': String(30 + i) });
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(clients);
  expect(statuses.filter((status) => status !== 200)).toEqual([]);
});
