/** Ports of Gateways: opened and closed, HTTP/2 without TLS, calls of gRPC. */
import { connect as connectHttp2, createServer as createPlainHttp2 } from 'node:http2';
import { type AddressInfo, connect } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { expect, test } from 'vitest';
import type { Listener } from '#api/gateway/v1/gateway.ts';
import type { AnyRoute } from '#api/gateway/v1/route.ts';
import { gatewayLab, http, httpRoute, named, path, plain, rule } from './gateway-lab.ts';
import { grpcServer } from './grpc-server.ts';
import { asJson } from './ingress-lab.ts';

const { ask, change, clock, closing, ended, endpoints, ports, serve } = gatewayLab();

test('a port of its own is opened with its first listener and closed with its last', async () => {
  const free = createTlsServer();
  await new Promise<void>((resolve) => free.listen(0, '127.0.0.1', resolve));
  const { port } = free.address() as AddressInfo;
  await new Promise((resolve) => free.close(resolve));
  await endpoints('web');
  serve([{ ...http, port }], [httpRoute('web', [rule(undefined, 'web')])]);
  await expect.poll(async () => (await ask('/', { port }).catch(() => undefined))?.status).toBe(200);
  expect((await ask('/')).status).toBe(404); // not at the common one
  change({ ports: [[port, null]] });
  await expect.poll(() => canConnect(port)).toBe(false);
});
const canConnect = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

test('a listener without TLS takes HTTP/2 from those who know, where a backend speaks it', async () => {
  serve(
    [http],
    [
      httpRoute('web', [rule([path('/plain')], 'web')], ['www.example.com']),
      named('GRPCRoute', 'calls', {
        hostnames: ['calls.example.com'],
        rules: [
          {
            matches: [{ method: { service: 'shop.Cart', method: 'Get' } }],
            backendRefs: [{ name: 'calls', port: 80 }],
          },
        ],
      }) as AnyRoute,
    ],
  );
  await endpoints('web');
  expect(asJson(await ask('/plain')).name).toBe('web'); // HTTP/1.1 goes on there
  const session = connectHttp2(`http://127.0.0.1:${ports.http}`);
  const stream = session.request({ ':path': '/plain', ':authority': 'www.example.com' });
  let text = '';
  stream.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  await new Promise((resolve, reject) => stream.on('end', resolve).on('error', reject));
  session.destroy();
  expect(JSON.parse(text).name).toBe('web');
});

test('a client that breaks off before it has said what it wants takes nobody with it', async () => {
  const through: Listener = { name: 'db', port: 443, protocol: 'TLS', tls: { mode: 'Passthrough' } };
  const rules = [{ backendRefs: [{ name: 'db', port: 80 }] }];
  serve(
    [http, through],
    [
      named('GRPCRoute', 'calls', { rules: [{ backendRefs: [{ name: 'calls', port: 80 }] }] }) as AnyRoute,
      named('TLSRoute', 'db', { hostnames: ['db.example.com'], rules }) as AnyRoute,
    ],
  );
  for (const [port, first] of [
    [ports.http, 'PRI * HTTP'],
    [ports.https, '\x16\x03\x01'],
  ] as const) {
    const socket = connect(port, '127.0.0.1');
    await new Promise<void>((resolve) => socket.write(first, 'latin1', () => resolve()));
    await ask('/'); // by then it has been looked at
    socket.resetAndDestroy();
    await ask('/');
  }
  await endpoints('calls');
  expect((await ask('/')).status).toBe(502); // HTTP/1.1 answers there
});

const session = () => {
  const found = connectHttp2(`http://127.0.0.1:${ports.http}`);
  closing({ close: () => found.destroy() });
  return found;
};
const call = (path: string, signal?: AbortSignal) =>
  session().request(
    {
      ':path': path,
      ':method': 'POST',
      ':authority': 'www.example.com',
      'content-type': 'application/grpc',
    },
    signal && { signal },
  );

test('a call of gRPC goes by service and method, with its filters, and is told when it has ended', async () => {
  const filters = [
    { type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'X-Set', value: 's' }] } },
    { type: 'ResponseHeaderModifier', responseHeaderModifier: { set: [{ name: 'X-Answer', value: 'yes' }] } },
  ];
  const toCalls = { filters, backendRefs: [{ name: 'calls', port: 80 }] };
  const matches = [
    { method: { service: 'shop.Cart', method: 'Get' } },
    { method: { type: 'RegularExpression', service: 'a|b' } },
  ];
  serve([http], [named('GRPCRoute', 'calls', { rules: [{ ...toCalls, matches }] }) as AnyRoute]);
  change({ endpoints: [['shop/calls:80', [plain(await grpcServer('calls', closing))]]] });
  for (const path of ['/shop.Cart/Get', '/b/Any']) {
    const stream = call(path);
    const headers = new Promise<Record<string, unknown>>((resolve) => stream.once('response', resolve));
    const trailers = new Promise<Record<string, unknown>>((resolve) => stream.once('trailers', resolve));
    const first = new Promise<string>((resolve) => stream.once('data', (part: Buffer) => resolve(String(part))));
    stream.write('one');
    expect(await first).toBe(`trailers ${path} s one`); // before the client has said everything
    stream.end();
    stream.resume();
    expect(await headers).toMatchObject({ ':status': 200, 'x-answer': 'yes', 'content-type': 'application/grpc' });
    expect(await trailers).toMatchObject({ 'grpc-status': '0', 'grpc-message': 'calls' });
  }
  await expect.poll(() => ended.length).toBe(2);
  const bytes = Buffer.byteLength('trailers /shop.Cart/Get s one');
  expect(ended[0]).toMatchObject({ status: 200, bytes, failedTries: 0, route: { owner: 'GRPCRoute shop/calls' } });
  const other = call('/shop.Cart/Put').end();
  const status = await new Promise((resolve) => other.once('response', (headers) => resolve(headers[':status'])));
  expect(status).toBe(404);
});

/** Hears what it is sent, and does not answer but where told to. */
async function listener() {
  const heard: string[] = [];
  const server = createPlainHttp2();
  server.on('stream', (stream, headers) => {
    const begun = `${headers[':path']} ${headers['x-set']}`;
    stream.on('error', () => undefined);
    stream.on('data', (part: Buffer) => heard.push(`${begun} ${part}`));
    stream.on('end', () => stream.aborted || heard.push(`${begun} ended`));
    stream.on('close', () => heard.push(`${begun} closed ${stream.rstCode}`));
  });
  closing(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { heard, endpoint: { address: '127.0.0.1', port: (server.address() as AddressInfo).port } };
}
const CANCEL = 8; // RFC 9113, section 7

test.each(['route', 'backend'])('a copy of each call goes to a mirror of the %s as it comes', async (where) => {
  const filters = [
    { type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'X-Set', value: 's' }] } },
    { type: 'RequestMirror', requestMirror: { backendRef: { name: 'copy', port: 80 } } },
    { type: 'RequestMirror', requestMirror: { backendRef: { name: 'nobody', port: 80 } } },
  ];
  const toCalls = { name: 'calls', port: 80 };
  const rules =
    where === 'route' ? [{ filters, backendRefs: [toCalls] }] : [{ backendRefs: [{ ...toCalls, filters }] }];
  serve([http], [named('GRPCRoute', 'calls', { rules }) as AnyRoute]);
  const { heard, endpoint } = await listener();
  const calls = plain(await grpcServer('calls', closing));
  change({
    endpoints: [
      ['shop/calls:80', [calls]],
      ['shop/copy:80', [endpoint]],
    ],
  });
  const stream = call('/shop.Cart/Get');
  const trailers = new Promise<Record<string, unknown>>((resolve) => stream.once('trailers', resolve));
  stream.resume().write('one');
  await expect.poll(() => heard).toEqual(['/shop.Cart/Get s one']); // before the client has said everything
  stream.end('two');
  expect(await trailers).toMatchObject({ 'grpc-status': '0' });
  await expect.poll(() => heard.slice(1)).toEqual(['/shop.Cart/Get s two', '/shop.Cart/Get s ended']);
  clock.advance(60_000); // who never answers is left after the time that a backend has
  await expect.poll(() => heard.slice(3)).toEqual([`/shop.Cart/Get s closed ${CANCEL}`]);
});

test('a call that its client breaks off is broken off for backend and mirror, and not taken for a whole one', async () => {
  const filters = [{ type: 'RequestMirror', requestMirror: { backendRef: { name: 'copy', port: 80 } } }];
  const rules = [{ filters, backendRefs: [{ name: 'calls', port: 80 }] }];
  serve([http], [named('GRPCRoute', 'calls', { rules }) as AnyRoute]);
  const all = { calls: await listener(), copy: await listener() };
  change({ endpoints: Object.entries(all).map(([name, { endpoint }]) => [`shop/${name}:80`, [endpoint]]) });
  const breaking = new AbortController();
  const broken = call('/shop.Cart/Put', breaking.signal).on('error', () => undefined);
  broken.write('one');
  for (const { heard } of Object.values(all)) await expect.poll(() => heard).toHaveLength(1);
  breaking.abort();
  for (const { heard } of Object.values(all))
    await expect.poll(() => heard.at(-1), { timeout: 5_000 }).toMatch(/ closed \d/);
  for (const { heard } of Object.values(all))
    expect(heard.slice(1)).toEqual([`/shop.Cart/Put undefined closed ${CANCEL}`]);
});

test('a mirror that takes nothing holds nobody up', async () => {
  const filters = [{ type: 'RequestMirror', requestMirror: { backendRef: { name: 'copy', port: 80 } } }];
  const rules = [{ filters, backendRefs: [{ name: 'calls', port: 80 }] }];
  serve([http], [named('GRPCRoute', 'calls', { rules }) as AnyRoute]);
  const deaf = createPlainHttp2();
  let code: number | undefined;
  deaf.on('stream', (stream) => {
    stream
      .on('error', () => undefined)
      .once('close', () => {
        code = stream.rstCode;
      });
  });
  closing(deaf);
  await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve));
  const { port } = deaf.address() as AddressInfo;
  change({
    endpoints: [
      ['shop/calls:80', [plain(await grpcServer('calls', closing))]],
      ['shop/copy:80', [{ address: '127.0.0.1', port }]],
    ],
  });
  const large = call('/shop.Cart/Large');
  let bytes = 0;
  large.on('data', (part: Buffer) => {
    bytes += part.length;
  });
  const most = 8 * 2 ** 20;
  large.end(Buffer.alloc(most));
  await new Promise((resolve) => large.once('end', resolve));
  expect(bytes).toBeGreaterThan(most); // all of it came back
  await expect.poll(() => code).toBe(CANCEL);
});

test('a backend of HTTP/2 that takes too long is not waited for either', async () => {
  let asked: () => void = () => undefined;
  const hasAsked = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const slow = createPlainHttp2(() => asked());
  closing(slow);
  await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve));
  const { port } = slow.address() as AddressInfo;
  serve([http], [httpRoute('t', [rule(undefined, 'web', { timeouts: { request: '1s' } })])], 'kubernetes.io/h2c');
  change({ endpoints: [['shop/web:80', [{ address: '127.0.0.1', port }]]] });
  const answer = ask('/');
  await hasAsked;
  clock.advance(1_000);
  expect((await answer).status).toBe(504);
  await expect.poll(() => ended.at(-1)?.status).toBe(504);
});
