/** Deadlines, limits, leaving: what HTTP needs around the API, as clients of both versions of the protocol meet it. */
import { connect as connectHttp2, constants } from 'node:http2';
import { gunzipSync } from 'node:zlib';
import { afterEach, expect, test } from 'vitest';
import { deferred } from '#base/deferred.ts';
import { allow } from '#control-plane/apiserver/authorization/authorizer.ts';
import type { ServeOptions } from '#control-plane/apiserver/http/serve.ts';
import { type HttpsApiServer, startHttpsApiServer } from './https-api-server.ts';
import { get, RawClient, statusOf, untilClosed } from './raw-client.ts';

let server: HttpsApiServer;
let raw: RawClient;
let gate = deferred();

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
/** Nobody is let near it before the gate opens. */
const SLOW = `${CONFIG_MAPS}/slow`;

async function start(serve: Partial<ServeOptions> = {}): Promise<void> {
  gate = deferred();
  server = await startHttpsApiServer({
    serve,
    authorizer: {
      async authorize(attributes) {
        if ('name' in attributes && attributes.name === 'slow') await gate.promise;
        return allow();
      },
    },
  });
  raw = new RawClient(server);
}

afterEach(async () => {
  gate.resolve();
  await server?.[Symbol.asyncDispose]();
});

const create = (name: string, data: Record<string, string> = {}) =>
  raw.ask(CONFIG_MAPS, { method: 'POST', body: JSON.stringify({ metadata: { name }, data }) });

test('a request that takes too long is given up; a watch may last', async () => {
  await start({ requestTimeoutMs: 300 });
  const watch = raw.ask(`${CONFIG_MAPS}?watch=1&timeoutSeconds=1`);
  const late = await raw.ask(SLOW);
  expect(late.code).toBe(504);
  expect(statusOf(late)).toEqual({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: 'Timeout: request did not complete within the allotted timeout',
    reason: 'Timeout',
    details: {},
    code: 504,
  });
  expect((await watch).code).toBe(200);
});

test.each(['HTTP/1.1', 'HTTP/2'])(
  'a body of which half never comes is waited for no longer than that (%s)',
  async (version) => {
    await start({ requestTimeoutMs: 300 });
    const half = '{"metadata":{"name":"half"';
    if (version === 'HTTP/2') {
      const session = await raw.http2();
      const stream = session.request({ ':method': 'POST', ':path': CONFIG_MAPS, 'content-type': 'application/json' });
      stream.on('error', () => undefined);
      const code = new Promise((resolve) => stream.once('response', (headers) => resolve(headers[':status'])));
      stream.write(half);
      expect(await code).toBe(504);
      session.destroy();
    } else {
      const socket = await raw.socket();
      const said = new Promise((resolve) => socket.once('data', (data) => resolve(data.toString())));
      const head = `POST ${CONFIG_MAPS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n`;
      socket.write(`${head}${half}`);
      expect(await said).toMatch(/^HTTP\/1\.1 504 /);
      socket.destroy();
    }
    expect((await raw.ask(`${CONFIG_MAPS}/half`)).code).toBe(404);
  },
);

test('a client may ask for less time, not for more, and not in words', async () => {
  await start({ requestTimeoutMs: 1_000 });
  expect((await raw.ask(`${SLOW}?timeout=20ms`)).code).toBe(504);
  expect((await raw.ask(`${SLOW}?timeout=1h`)).code).toBe(504);
  const refused = await raw.ask(`${CONFIG_MAPS}?timeout=soon`);
  expect([refused.code, statusOf(refused).message]).toEqual([
    400,
    'invalid timeout specified in the request URL - time: invalid duration "soon"',
  ]);
});

test('what was answered too late goes nowhere, and the connection goes on', async () => {
  await start({ requestTimeoutMs: 1_500 }); // the others have to be quicker than that
  await create('slow');
  const session = await raw.http2();
  expect((await get(session, SLOW)).code).toBe(504);
  gate.resolve();
  expect((await get(session, SLOW)).code).toBe(200);
  session.close();
});

test('a server that goes says so, serves for a while, then drains', async () => {
  await start({ shutdownDelayMs: 2_500 });
  const agent = raw.agent();
  const slow = raw.ask(SLOW);
  const watch = raw.ask(`${CONFIG_MAPS}?watch=1`);
  await expect
    .poll(async () => (await raw.ask('/metrics')).text)
    .toMatch(/apiserver_longrunning_requests\{verb="WATCH"[^}]*configmaps[^}]*\} 1/);
  await raw.ask('/livez', { agent });
  const closed = server.http.close(5_000);
  const readyz = await raw.ask('/readyz', { agent });
  expect([readyz.code, readyz.text]).toEqual([
    500,
    '[+]ping ok\n[-]shutdown failed: reason withheld\nreadyz check failed\n',
  ]);
  expect((await raw.ask('/livez', { agent })).code).toBe(200);
  expect((await raw.ask(CONFIG_MAPS, { agent })).code).toBe(200);
  expect((await watch).code).toBe(200); // ends when the draining begins
  gate.resolve();
  const drained = await slow;
  expect([drained.code, statusOf(drained).reason]).toEqual([404, 'NotFound']);
  await closed;
  await expect(raw.ask('/livez')).rejects.toThrow();
  agent.destroy();
});

test('who comes on an old connection while the server drains is told to go elsewhere', async () => {
  await start();
  const socket = await raw.socket();
  const said = untilClosed(socket);
  const request = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
  socket.write(request(SLOW));
  await expect
    .poll(async () => (await raw.ask('/metrics')).text)
    .toMatch(/apiserver_current_inflight_requests\{request_kind="readOnly"\} [2-9]/);
  const closed = server.http.close(5_000);
  socket.write(request(CONFIG_MAPS)); // waits behind the first one
  gate.resolve();
  const text = await said;
  await closed;
  expect(text).toContain('configmaps \\"slow\\" not found');
  if (text.split('HTTP/1.1 ').length > 2) {
    expect(text).toContain('HTTP/1.1 503');
    expect(text).toMatch(/retry-after: 1\r\n/i);
    expect(text).toContain('"message":"apiserver is shutting down"');
  }
});

test('HTTP/2 clients learn that the server goes, and get what they have asked for', async () => {
  await start();
  const session = await raw.http2();
  const goaway = new Promise((told) => session.once('goaway', told));
  const slow = get(session, SLOW);
  await expect
    .poll(async () => (await raw.ask('/metrics')).text)
    .toMatch(/apiserver_current_inflight_requests\{request_kind="readOnly"\} [2-9]/);
  const closed = server.http.close(5_000);
  expect(await goaway).toBe(constants.NGHTTP2_NO_ERROR);
  gate.resolve();
  expect((await slow).code).toBe(404);
  await closed;
});

test('some HTTP/2 clients are sent elsewhere by chance, without loss', async () => {
  await start({ goawayChance: 1 });
  const session = await raw.http2();
  const goaway = new Promise((told) => session.once('goaway', told));
  const [answer] = await Promise.all([get(session, CONFIG_MAPS), goaway]);
  expect(answer.code).toBe(200);
});

test.each([
  ['nobody', {}, 200, '/version'],
  ['nobody, who may not', {}, 403, CONFIG_MAPS],
  ['a token that nobody knows', { authorization: 'Bearer nonsense' }, 401, '/version'],
])('an HTTP/2 connection of %s is good for one answer (CVE-2023-44487)', async (_, headers, code, path) => {
  server = await startHttpsApiServer();
  raw = new RawClient(server);
  const session = connectHttp2(server.url, { ca: server.pki.caCertificate });
  const goaway = new Promise((told) => session.once('goaway', told));
  const stream = session.request({ ':path': path, ...headers });
  const answered = new Promise((resolve) => stream.once('response', (answer) => resolve(answer[':status'])));
  stream.resume();
  expect([await answered, await goaway]).toEqual([code, constants.NGHTTP2_NO_ERROR]);
  const known = await raw.http2();
  for (let i = 0; i < 2; i++) expect((await get(known, '/version')).code).toBe(200);
  expect(known.closed).toBe(false);
  known.close();
});

test.each(['GET', 'POST'])(
  '%s with headers that never end, or are too long, is refused before anybody looks at it',
  async (method) => {
    await start();
    const socket = await raw.socket();
    const said = untilClosed(socket);
    socket.write(`${method} ${CONFIG_MAPS} HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(1_100_000)}\r\n\r\n`);
    expect(await said).toMatch(/^HTTP\/1\.1 431 /);
    expect((await raw.ask('/livez')).code).toBe(200);
  },
);

test('HTTP/2 with headers that are too long is refused, and the server lives', async () => {
  await start();
  const session = await raw.http2();
  session.on('error', () => undefined);
  const stream = session.request({ [constants.HTTP2_HEADER_PATH]: '/livez', 'x-long': 'x'.repeat(2_000_000) });
  const code = await new Promise((resolve) => {
    stream.once('response', (headers) => resolve(headers[':status']));
    stream.once('error', () => resolve('reset'));
    stream.once('close', () => resolve('closed'));
  });
  expect(code).not.toBe(200);
  session.destroy();
  expect((await raw.ask('/livez')).code).toBe(200);
});

test('what is no HTTP is told so', async () => {
  await start();
  const socket = await raw.socket();
  const said = untilClosed(socket);
  socket.write('nonsense\r\n\r\n');
  expect(await said).toMatch(/^HTTP\/1\.1 400 /);
});

test('a client has at most 250 streams open on one connection', async () => {
  await start();
  const session = await raw.http2();
  await expect.poll(() => session.remoteSettings.maxConcurrentStreams).toBe(250);
  session.close();
});

test('answers from 128 KiB on are squeezed for who takes that, and no others', async () => {
  await start();
  await create('large', { text: 'x'.repeat(140_000) });
  await create('small', { text: 'x' });
  const encodings = async (name: string, accepted: string) => {
    const answer = await raw.ask(`${CONFIG_MAPS}/${name}`, { headers: { 'accept-encoding': accepted } });
    return answer.headers['content-encoding'];
  };
  expect(await encodings('large', 'gzip')).toBe('gzip');
  expect(await encodings('large', 'br')).toBeUndefined();
  expect(await encodings('small', 'gzip')).toBeUndefined();
  const session = await raw.http2();
  const stream = session.request({ ':path': `${CONFIG_MAPS}/large`, 'accept-encoding': 'gzip' });
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  expect(JSON.parse(gunzipSync(Buffer.concat(chunks)).toString()).data.text).toHaveLength(140_000);
  session.close();
});

test('answers are laid out for people who ask for that', async () => {
  await start();
  await create('one');
  const plain = await raw.ask(`${CONFIG_MAPS}/one`);
  const pretty = await raw.ask(`${CONFIG_MAPS}/one?pretty=true`);
  const curl = await raw.ask(`${CONFIG_MAPS}/one`, { headers: { 'user-agent': 'curl/8' } });
  expect(plain.text.trimEnd()).not.toContain('\n');
  expect(pretty.text).toMatch(/^\{\n {2}"kind": "ConfigMap",\n/);
  expect(curl.text).toBe(pretty.text);
  const asked = await raw.ask(`${CONFIG_MAPS}/one?pretty=false`, { headers: { 'user-agent': 'curl/8' } });
  expect(asked.text).toBe(plain.text);
});

test('HEAD of a document has its headers and no body', async () => {
  await start();
  const [head, whole] = await Promise.all([raw.ask('/version', { method: 'HEAD' }), raw.ask('/version')]);
  expect([head.code, head.text]).toEqual([200, '']);
  expect(head.headers['content-length']).toBe(whole.headers['content-length']);
});
