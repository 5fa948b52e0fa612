/** What is particular about single exchanges: answers without a body, clients that go, calls of gRPC, what is counted and written down. */
import { constants } from 'node:http2';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { ManualClock } from '#base/manual-clock.ts';
import { type AccessLine, AccessLog } from '#network/ingress/access-log.ts';
import { addCounts, metricsText, TrafficMetrics } from '#network/ingress/traffic-metrics.ts';
import { grpcServer } from './grpc-server.ts';
import { ingressLab } from './ingress-lab.ts';

const { ask, backend, behind, change, clock, closing, ended, mirror, overHttp2, ports, route } = ingressLab();

test('HEAD, 204 and 304 have no body, and the connection goes on', async () => {
  route();
  behind(
    await backend((request, response) => {
      if (request.url === '/none') response.writeHead(204).end();
      else if (request.url === '/same') response.writeHead(304, { etag: '"1"' }).end();
      else response.writeHead(200, { 'content-length': '5' }).end('hello');
    }),
  );
  const socket = connect(ports.http, '127.0.0.1');
  closing({ close: () => socket.destroy() });
  let text = '';
  socket.setEncoding('latin1').on('data', (part: string) => {
    text += part;
  });
  const say = async (line: string, until: RegExp) => {
    text = '';
    socket.write(`${line} HTTP/1.1\r\nhost: www.example.com\r\n\r\n`);
    await expect.poll(() => text).toMatch(until);
    return text;
  };
  expect(await say('HEAD /', /\r\n\r\n/)).toMatch(/^HTTP\/1.1 200 [\s\S]*content-length: 5[\s\S]*\r\n\r\n$/i);
  expect(await say('GET /none', /\r\n\r\n/)).toMatch(/^HTTP\/1.1 204 [\s\S]*\r\n\r\n$/);
  expect(await say('GET /same', /\r\n\r\n/)).toMatch(/^HTTP\/1.1 304 [\s\S]*etag: "1"[\s\S]*\r\n\r\n$/i);
  expect(await say('GET /', /hello$/)).toMatch(/^HTTP\/1.1 200 /);
});

test.each([constants.NGHTTP2_CANCEL, constants.NGHTTP2_PROTOCOL_ERROR])(
  'one stream of HTTP/2 that is broken off ends its question, and no other (code %d)',
  async (code) => {
    route({ 'ssl-redirect': 'false' }, ['/'], true);
    let broken: () => void = () => undefined;
    const isBroken = new Promise<void>((resolve) => {
      broken = resolve;
    });
    behind(
      await backend((request, response) => {
        if (request.url === '/slow') response.once('close', () => broken()).write('part');
        else response.end('whole');
      }),
    );
    const client = overHttp2();
    const slow = client.request({ ':path': '/slow' });
    slow.on('error', () => undefined);
    await new Promise((resolve) => slow.once('data', resolve));
    slow.close(code);
    await isBroken;
    const other = client.request({ ':path': '/' });
    let text = '';
    other.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    await new Promise((resolve) => other.once('end', resolve));
    expect(text).toBe('whole');
  },
);

test('an answer that does not wait for the body reaches the client whole', async () => {
  route({ 'proxy-body-size': '0' });
  behind(
    await backend((_, response) => response.writeHead(401, { connection: 'close', 'content-length': '2' }).end('no')),
  );
  const socket = connect(ports.http, '127.0.0.1');
  closing({ close: () => socket.destroy() });
  socket.on('error', () => undefined);
  let text = '';
  socket.setEncoding('latin1').on('data', (part: string) => {
    text += part;
  });
  socket.write('POST / HTTP/1.1\r\nhost: www.example.com\r\ncontent-length: 1000000\r\n\r\npart');
  await expect.poll(() => text).toMatch(/^HTTP\/1.1 401 [\s\S]*no$/);
});

test.each([
  ['says', 'POST /says HTTP/1.1\r\nhost: www.example.com\r\ncontent-length: 100\r\n\r\npart'],
  ['takes', 'GET /takes HTTP/1.1\r\nhost: www.example.com\r\n\r\n'],
])('a client that %s nothing any more is not waited for', async (what, head) => {
  route();
  const part = Buffer.alloc(2 ** 20);
  let isAsked = false;
  behind(
    await backend((request, response) => {
      isAsked = true;
      if (request.method === 'POST') return;
      const more = () => {
        while (response.write(part));
      };
      response.on('drain', more);
      more();
    }),
  );
  const socket = connect(ports.http, '127.0.0.1').pause();
  closing({ close: () => socket.destroy() });
  socket.on('error', () => undefined);
  socket.write(head);
  await expect.poll(() => isAsked).toBe(true);
  const isOver = () => ended.some(({ arrival }) => arrival.path === `/${what}`);
  expect(isOver()).toBe(false);
  await expect
    .poll(() => {
      clock.advance(60_000);
      return isOver();
    })
    .toBe(true);
});

test('a backend that breaks off in the middle breaks off the answer', async () => {
  route();
  behind(
    await backend((_, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('part');
      setImmediate(() => response.destroy());
    }),
  );
  await expect(ask('/')).rejects.toThrow();
});

test('calls of gRPC flow both ways and end with their trailers; an endpoint that is gone is passed over', async () => {
  route({ 'backend-protocol': 'GRPC', 'ssl-redirect': 'false' }, ['/'], true);
  const gone = await grpcServer('gone', closing);
  await new Promise((resolve) => gone.server.close(resolve));
  behind(gone, await grpcServer('web', closing));
  const client = overHttp2();
  for (let i = 0; i < 2; i++) {
    const call = client.request({ ':path': '/shop.Cart/Get', ':method': 'POST', 'content-type': 'application/grpc' });
    const trailers = new Promise<Record<string, unknown>>((resolve) => call.once('trailers', resolve));
    const first = new Promise<string>((resolve) => call.once('data', (part: Buffer) => resolve(String(part))));
    call.write('one');
    expect(await first).toBe('trailers /shop.Cart/Get undefined one'); // before the client has said everything
    call.end();
    call.resume();
    expect(await trailers).toMatchObject({ 'grpc-status': '0', 'grpc-message': 'web' });
  }
  behind();
  const call = client.request({ ':path': '/shop.Cart/Get', ':method': 'POST' });
  call.end();
  const status = await new Promise((resolve) => call.once('response', (headers) => resolve(headers[':status'])));
  expect(status).toBe(503);
});

test('a client that calls is given the cookie by which it comes back, too', async () => {
  const stays = { affinity: 'cookie', 'session-cookie-name': 'stay' };
  route({ 'backend-protocol': 'GRPC', 'ssl-redirect': 'false', ...stays }, ['/'], true);
  behind(await grpcServer('web', closing));
  const call = overHttp2().request({ ':path': '/shop.Cart/Get', ':method': 'POST' });
  call.end();
  const headers = await new Promise<Record<string, unknown>>((resolve) => call.once('response', resolve));
  expect(headers['set-cookie']).toEqual([expect.stringMatching(/^stay=[0-9a-f]{32};/)]);
  call.resume();
});

test('a call that its client breaks off ends alone', async () => {
  route({ 'backend-protocol': 'GRPC', 'ssl-redirect': 'false' }, ['/'], true);
  behind(await grpcServer('web', closing));
  const client = overHttp2();
  for (const code of [constants.NGHTTP2_CANCEL, constants.NGHTTP2_PROTOCOL_ERROR]) {
    const call = client.request({ ':path': '/shop.Cart/Get', ':method': 'POST' });
    call.on('error', () => undefined);
    call.write('one');
    await new Promise((resolve) => call.once('data', resolve));
    call.close(code);
    await expect.poll(() => ended.length).toBeGreaterThan(0);
    ended.length = 0;
  }
  const call = client.request({ ':path': '/shop.Cart/Get', ':method': 'POST' });
  const trailers = new Promise<Record<string, unknown>>((resolve) => call.once('trailers', resolve));
  call.end('one');
  call.resume();
  expect(await trailers).toMatchObject({ 'grpc-status': '0' });
});

test('a head that HTTP/2 cannot carry ends its own call, also while the backend is not connected yet', async () => {
  route({ 'backend-protocol': 'GRPC' });
  behind(await grpcServer('web', closing));
  const socket = connect(ports.http, '127.0.0.1');
  closing({ close: () => socket.destroy() });
  socket.write('GET / HTTP/1.1\r\nhost: www.example.com\r\nuser-agent: a\r\nuser-agent: b\r\n\r\n');
  const head = await new Promise<string>((resolve) => socket.once('data', (part: Buffer) => resolve(String(part))));
  expect(head).toMatch(/^HTTP\/1.1 502 /);
});

test('a target that ends at # for some and goes on for others is refused', async () => {
  route({}, ['/public']);
  behind(await mirror('web'));
  expect((await ask('/admin#/../public')).status).toBe(400);
});

test('names of headers that a backend writes with _ reach the client, and those of clients no backend', async () => {
  route();
  behind(await backend((asked, response) => response.writeHead(200, { x_own: String(asked.headers['x_own']) }).end()));
  expect((await ask('/', { headers: { x_own: 'forged' } })).headers['x_own']).toBe('undefined');
});

test('an upgraded connection that is silent too long ends', async () => {
  route({ 'proxy-read-timeout': '1' });
  const web = await backend(undefined);
  web.server.on('upgrade', (_, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n');
  });
  behind(web);
  const socket = connect(ports.http, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nhost: www.example.com\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n');
  socket.resume();
  await new Promise((resolve) => socket.once('close', resolve));
});

test('each request is told once when it has ended, with what became of it', async () => {
  route({ 'whitelist-source-range': '10.0.0.0/8' }, ['/closed']);
  await ask('/closed');
  await ask('/nowhere');
  route();
  const { server, ...gone } = await mirror('gone');
  await new Promise((resolve) => server.close(resolve));
  behind(gone, await mirror('web'));
  await ask('/');
  await ask('/');
  await expect.poll(() => ended.length).toBe(4);
  expect(ended.map(({ route, status }) => `${route?.owner} ${status}`)).toEqual([
    'shop/web 403',
    'undefined 404',
    'shop/web 200',
    'shop/web 200',
  ]);
  expect(ended.reduce((sum, { failedTries }) => sum + failedTries, 0)).toBe(1);
  change({ endpoints: [['shop/web:80', [gone]]] });
  await ask('/');
  await expect.poll(() => ended.at(-1)).toMatchObject({ status: 502, failedTries: 1 });
});

test('an endpoint that could not be reached is asked last until ten seconds later one request tries again', async () => {
  route({}, ['/'], false);
  const gone = await backend(() => undefined);
  await new Promise((resolve) => gone.server.close(resolve));
  const there = await mirror('there');
  behind(gone, there);
  /** Tries in vain of so many requests. */
  const inVain = async (count: number) => {
    ended.length = 0;
    for (let i = 0; i < count; i++) expect((await ask('/')).status).toBe(200);
    await expect.poll(() => ended.length).toBe(count);
    return ended.reduce((sum, { failedTries }) => sum + failedTries, 0);
  };
  expect(await inVain(6)).toBe(1);
  clock.advance(9_999);
  expect(await inVain(6)).toBe(0);
  clock.advance(1);
  expect(await inVain(6)).toBe(1);
  behind(gone); // who has no other is asked all the same
  expect((await ask('/')).status).toBe(502);
});

test('what several processes have counted is told together, as Prometheus reads it', async () => {
  route();
  behind(await mirror('web'));
  await ask('/');
  await expect.poll(() => ended.length).toBe(1);
  const [one] = ended;
  if (!one) throw new Error('nothing was told');
  const [first, second] = [new TrafficMetrics(), new TrafficMetrics()];
  first.ended({ ...one, ms: 3 });
  second.ended({ ...one, ms: 30_000, status: 504, failedTries: 3 });
  second.ended({ ...one, route: undefined, status: 404 });
  addCounts(first.counts, second.counts);
  const text = metricsText(first.counts);
  expect(text).toContain('kedge_ingress_requests_total{route="shop/web",method="GET",status="200"} 1\n');
  expect(text).toContain('kedge_ingress_requests_total{route="",method="GET",status="404"} 1\n');
  expect(text).toContain('kedge_ingress_request_duration_seconds_bucket{route="shop/web",le="0.005"} 1\n');
  expect(text).toContain('kedge_ingress_request_duration_seconds_bucket{route="shop/web",le="+Inf"} 2\n');
  expect(text).toContain('kedge_ingress_upstream_errors_total{route="shop/web"} 3\n');
});

test('lines are written for routes that want them, without queries, and not without limit', async () => {
  route({ 'enable-access-log': 'true' });
  behind(await mirror('web'));
  await ask('/a?token=secret', { headers: { authorization: 'secret' } });
  await expect.poll(() => ended.length).toBe(1);
  const [one] = ended;
  if (!one?.route) throw new Error('nothing was told');
  const clock = new ManualClock();
  const written: { lines: AccessLine[]; left: number }[] = [];
  const log = new AccessLog(clock, (lines, left) => void written.push({ lines, left }));
  log.ended({ ...one, route: { ...one.route, options: { ...one.route.options, logsAccess: undefined } as never } });
  for (let i = 0; i < 2_010; i++) log.ended(one);
  clock.advance(1_000);
  expect(written).toHaveLength(1);
  expect(written[0]?.lines[0]).toMatchObject({ route: 'shop/web', method: 'GET', path: '/a', status: 200 });
  expect(JSON.stringify(written)).not.toContain('secret');
  expect([written[0]?.lines.length, written[0]?.left]).toEqual([2_000, 10]);
});
