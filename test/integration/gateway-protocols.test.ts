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
const call = (path: string) =>
  session().request({
    ':path': path,
    ':method': 'POST',
    ':authority': 'www.example.com',
    'content-type': 'application/grpc',
  });

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
