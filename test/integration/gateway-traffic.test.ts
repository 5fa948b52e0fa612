/** Requests by way of Gateways and what hangs on them, through the same servers as those of Ingresses. */
import { connect as connectHttp2, createServer as createPlainHttp2 } from 'node:http2';
import { type AddressInfo, connect, createServer as createNetServer } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { expect, test } from 'vitest';
import type { Gateway, Listener } from '#api/gateway/v1/gateway.ts';
import type { HTTPRouteRule } from '#api/gateway/v1/http-route.ts';
import type { AnyRoute } from '#api/gateway/v1/route.ts';
import type { Secret, Service } from '#api/generated/schema.ts';
import { gatewayTableOf } from '#network/gateway/gateway-table.ts';
import { grpcServer } from './grpc-server.ts';
import { asJson, ingressLab, shownAs } from './ingress-lab.ts';

const { ask, backend, change, clock, closing, ended, mirror, ports, route: ingress } = ingressLab();

const http: Listener = { name: 'http', port: 80, protocol: 'HTTP' };
let age = 0;
const named = (kind: string, name: string, spec: object) =>
  ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind,
    metadata: {
      name,
      namespace: 'shop',
      creationTimestamp: `2026-01-01T00:00:${String(age++ % 60).padStart(2, '0')}Z`,
    },
    spec: kind === 'Gateway' ? spec : { parentRefs: [{ name: 'gate' }], ...spec },
  }) as unknown;
const rule = (matches: HTTPRouteRule['matches'], to = 'web', more: Partial<HTTPRouteRule> = {}): HTTPRouteRule => ({
  ...(matches && { matches }),
  backendRefs: [{ name: to, port: 80 }],
  ...more,
});
const httpRoute = (name: string, rules: HTTPRouteRule[], hostnames?: string[]) =>
  named('HTTPRoute', name, { rules, ...(hostnames && { hostnames }) }) as AnyRoute;

/** Every Service exists; certificates are those that are told. */
function serve(listeners: Listener[], routes: AnyRoute[], appProtocol?: string): void {
  const { ports: table } = gatewayTableOf({
    gateways: [named('Gateway', 'gate', { gatewayClassName: 'ours', listeners }) as Gateway],
    routes,
    grants: [],
    labelsOf: () => ({}),
    service: (key) =>
      key.endsWith('/none')
        ? undefined
        : ({ spec: { ports: [{ port: 80, ...(appProtocol && { appProtocol }) }] } } as unknown as Service),
    secret: () => ({ data: { 'tls.crt': 'LS0tLS1CRUdJTi', 'tls.key': 'LS0tLS1CRUdJTi' } }) as unknown as Secret,
  });
  change({ ports: [[443, null], ...table] });
}
const endpoints = async (...names: string[]) => {
  const found = await Promise.all(names.map(async (name) => [`shop/${name}:80`, [plain(await mirror(name))]] as const));
  change({ endpoints: found });
};
test('what somebody wrote as a protocol is never taken for more than a text', async () => {
  serve(
    [{ ...http, name: 'odd', protocol: 'constructor' }, http],
    [httpRoute('any', [rule(undefined)])],
    'constructor',
  );
  await endpoints('web');
  expect(asJson(await ask('/')).name).toBe('web');
});

test('what nobody here knows as a filter answers instead of passing the request without it', async () => {
  const filters = [{ type: 'ExternalAuth' }];
  serve([http], [httpRoute('guarded', [rule(undefined, 'web', { filters })])]);
  await endpoints('web');
  expect((await ask('/')).status).toBe(500);
});

const plain = ({ address, port }: { address: string; port: number }) => ({ address, port });

const path = (value: string, type: 'Exact' | 'PathPrefix' | 'RegularExpression' = 'PathPrefix') => ({
  path: { type, value },
});

test('the most specific match has a request: path, method, headers, query, in this order', async () => {
  serve(
    [http],
    [
      httpRoute('all', [
        rule([path('/')], 'root'),
        rule([path('/a')], 'prefix'),
        rule([path('/a', 'Exact')], 'exact'),
        rule([{ ...path('/a'), method: 'POST' }], 'method'),
        rule([{ ...path('/a'), headers: [{ name: 'X-Kind', value: 'one' }] }], 'header'),
        rule([{ ...path('/a'), queryParams: [{ name: 'q', value: '1' }] }], 'query'),
        rule([path('/r/[0-9]+', 'RegularExpression')], 'regex'),
        rule([{ headers: [{ name: 'x-re', type: 'RegularExpression', value: 'v[0-9]' }] }], 'header-regex'),
      ]),
    ],
  );
  await endpoints('root', 'prefix', 'exact', 'method', 'header', 'query', 'regex', 'header-regex');
  const nameAt = async (at: string, options: Parameters<typeof ask>[1] = {}) => asJson(await ask(at, options)).name;
  expect(await nameAt('/')).toBe('root');
  expect(await nameAt('/a/b')).toBe('prefix');
  expect(await nameAt('/ab')).toBe('root');
  expect(await nameAt('/a')).toBe('exact');
  expect(await nameAt('/a/', { method: 'POST' })).toBe('method');
  expect(await nameAt('/a/', { headers: { 'x-kind': 'one' } })).toBe('header');
  expect(await nameAt('/a/?q=1&q=2')).toBe('query');
  expect(await nameAt('/a/?q=2&q=1')).toBe('prefix');
  expect(await nameAt('/r/12')).toBe('regex');
  expect(await nameAt('/r/12/x')).toBe('root');
  expect(await nameAt('/', { headers: { 'x-re': 'v1' } })).toBe('header-regex');
});

test('hosts: the most specific listener has the request alone, the most specific route first, the older of two that are equal', async () => {
  serve(
    [http, { ...http, name: 'wild', hostname: '*.example.com' }, { ...http, name: 'exact', hostname: 'a.example.com' }],
    [
      httpRoute('old', [rule([path('/')], 'old')], ['b.example.com']),
      httpRoute('young', [rule([path('/')], 'young')], ['b.example.com']),
      httpRoute('wide', [rule([path('/wide')], 'wide')], ['*.example.com']),
      {
        ...httpRoute('any', [rule([path('/any')], 'any')]),
        spec: { parentRefs: [{ name: 'gate', sectionName: 'http' }], rules: [rule([path('/any')], 'any')] },
      } as AnyRoute,
    ],
  );
  await endpoints('old', 'young', 'wide', 'any');
  const at = async (host: string, where: string) => {
    const answer = await ask(where, { headers: { host } });
    return answer.status === 200 ? asJson(answer).name : answer.status;
  };
  expect(await at('b.example.com', '/')).toBe('old');
  expect(await at('b.example.com', '/wide')).toBe('old');
  expect(await at('c.d.example.com', '/wide')).toBe('wide');
  expect(await at('a.example.com', '/wide')).toBe('wide');
  expect(await at('a.example.com', '/any')).toBe(404); // of another listener
  expect(await at('example.com', '/any')).toBe('any');
});

test('an Ingress and a Gateway share a port: the host that the Ingress names is its own', async () => {
  await endpoints('web', 'gate');
  serve([http], [httpRoute('any', [rule([path('/')], 'gate')])]);
  ingress();
  expect(asJson(await ask('/')).name).toBe('web');
  expect(asJson(await ask('/', { headers: { host: 'other.example.org' } })).name).toBe('gate');
  // An Ingress that has but a certificate for a host takes nothing from anybody.
  change({ hosts: [['tls.example.org', { routes: [], certificate: 'shop/none' }]] });
  expect(asJson(await ask('/', { headers: { host: 'tls.example.org' } })).name).toBe('gate');
});

test('filters change requests, answers and paths', async () => {
  const filters: NonNullable<HTTPRouteRule['filters']> = [
    {
      type: 'RequestHeaderModifier',
      requestHeaderModifier: {
        set: [{ name: 'X-Set', value: 's' }],
        add: [{ name: 'X-Add', value: 'b' }],
        remove: ['X-Gone'],
      },
    },
    {
      type: 'ResponseHeaderModifier',
      responseHeaderModifier: { set: [{ name: 'X-Answer', value: 'yes' }], remove: ['Content-Type'] },
    },
    {
      type: 'URLRewrite',
      urlRewrite: { hostname: 'inside.example', path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/new' } },
    },
  ];
  const ofBackend: NonNullable<HTTPRouteRule['filters']> = [
    { type: 'RequestHeaderModifier', requestHeaderModifier: { add: [{ name: 'X-Backend', value: '1' }] } },
  ];
  serve(
    [http],
    [
      httpRoute('f', [
        { matches: [path('/old')], filters, backendRefs: [{ name: 'web', port: 80, filters: ofBackend }] },
      ]),
    ],
  );
  await endpoints('web');
  const answer = await ask('/old/x?y=1', { headers: { 'x-set': 'theirs', 'x-add': 'a', 'x-gone': '1' } });
  const asked = asJson(answer);
  expect(asked.url).toBe('/new/x?y=1');
  expect(asked.headers).toMatchObject({ host: 'inside.example', 'x-set': 's', 'x-add': 'a,b', 'x-backend': '1' });
  expect(asked.headers).not.toHaveProperty('x-gone');
  expect(answer.headers['x-answer']).toBe('yes');
  expect(answer.headers).not.toHaveProperty('content-type');
  expect(asJson(await ask('/old')).url).toBe('/new');
  expect(asJson(await ask('/old/a%20b%3Fadmin=1')).url).toBe('/new/a%20b%3Fadmin=1'); // still no query
});

test.each([
  [{}, '302 http://www.example.com/p/x?q'],
  [{ scheme: 'https', statusCode: 301 }, '301 https://www.example.com/p/x?q'],
  [{ hostname: 'a.example', port: 8443 }, '302 http://a.example:8443/p/x?q'],
  [{ scheme: 'https', port: 443 }, '302 https://www.example.com/p/x?q'],
  [{ path: { type: 'ReplaceFullPath' as const, replaceFullPath: '/f' } }, '302 http://www.example.com/f?q'],
  [{ path: { type: 'ReplacePrefixMatch' as const, replacePrefixMatch: '/' } }, '302 http://www.example.com/x?q'],
])('a redirect with %j leads to %s', async (requestRedirect, wanted) => {
  serve([http], [httpRoute('r', [{ matches: [path('/p')], filters: [{ type: 'RequestRedirect', requestRedirect }] }])]);
  const { status, headers } = await ask('/p/x?q', { headers: { host: 'www.example.com' } });
  expect(`${status} ${headers.location?.replace(`:${ports.http}`, '')}`).toBe(wanted);
});

test('a browser is told what it may ask from elsewhere, by its name where credentials come along', async () => {
  await endpoints('web');
  const told = async (cors: object, from: string, method = 'OPTIONS') => {
    serve([http], [httpRoute('c', [rule(undefined, 'web', { filters: [{ type: 'CORS', cors }] })])]);
    const asking = { 'access-control-request-method': 'PUT', 'access-control-request-headers': 'x-one' };
    const { status, headers } = await ask('/', { method, headers: { origin: from, ...asking } });
    const [origin, methods, names] = ['origin', 'methods', 'headers'].map(
      (one) => headers[`access-control-allow-${one}`],
    );
    return [status, origin, methods, names];
  };
  const wild = {
    allowOrigins: ['https://*.example.com'],
    allowMethods: ['GET', 'PUT'],
    allowHeaders: ['x-one', 'x-two'],
  };
  const allowed = [204, 'https://a.b.example.com', 'GET, PUT', 'x-one, x-two'];
  expect(await told(wild, 'https://a.b.example.com')).toEqual(allowed);
  expect(await told(wild, 'https://a.b.example.com', 'GET')).toEqual([200, ...allowed.slice(1)]);
  expect(await told(wild, 'https://example.com.evil.org')).toEqual([204, undefined, undefined, undefined]);
  const any = { allowOrigins: ['*'], allowMethods: ['*'], allowHeaders: ['*'] };
  expect(await told(any, 'https://x.org')).toEqual([204, '*', '*', '*']);
  expect(await told({ ...any, allowCredentials: true }, 'https://x.org')).toEqual([
    204,
    'https://x.org',
    'PUT',
    'x-one',
  ]);
});

test("what a message is long is no filter's to say", async () => {
  const set = [
    { name: 'Content-Length', value: '5' },
    { name: 'Transfer-Encoding', value: 'chunked' },
  ];
  const filters = [
    { type: 'RequestHeaderModifier', requestHeaderModifier: { set } },
    { type: 'ResponseHeaderModifier', responseHeaderModifier: { set } },
  ];
  serve([http], [httpRoute('f', [rule(undefined, 'web', { filters })])]);
  await endpoints('web');
  const answer = await ask('/', { method: 'POST', body: 'a longer body' });
  expect([answer.status, asJson(answer).bytes]).toEqual([200, 13]);
});

test('weights share requests out, and what leads nowhere fails with its share', async () => {
  await endpoints('one');
  const split = (...backendRefs: HTTPRouteRule['backendRefs'] & object) =>
    serve([http], [httpRoute('w', [{ backendRefs }])]);
  split({ name: 'one', port: 80, weight: 51 }, { name: 'none', port: 80, weight: 49 });
  expect((await ask('/')).status).toBe(200); // chance is 0.5 here
  split({ name: 'one', port: 80, weight: 49 }, { name: 'none', port: 80, weight: 51 });
  expect((await ask('/')).status).toBe(500);
  split({ name: 'one', port: 80, weight: 0 });
  expect((await ask('/')).status).toBe(500);
  split({ name: 'empty', port: 80 });
  expect((await ask('/')).status).toBe(503);
});

test('a copy of each request goes to a mirror, whose answer nobody waits for', async () => {
  const seen: string[] = [];
  const second = await backend((asked, response) => {
    let text = '';
    asked.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    asked.on('end', () => {
      seen.push(`${asked.method} ${asked.url} ${text}`);
      response.writeHead(500).end();
    });
  });
  const filters = [{ type: 'RequestMirror', requestMirror: { backendRef: { name: 'second', port: 80 } } }];
  serve([http], [httpRoute('m', [rule(undefined, 'web', { filters })])]);
  await endpoints('web');
  change({ endpoints: [['shop/second:80', [plain(second)]]] });
  expect((await ask('/a?b')).status).toBe(200);
  expect((await ask('/c', { method: 'POST', body: 'hello' })).status).toBe(200);
  await expect.poll(() => seen.toSorted()).toEqual(['GET /a?b ', 'POST /c hello']);
});

test('a backend that takes too long is not waited for', async () => {
  let asked: () => void = () => undefined;
  const hasAsked = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const slow = await backend(() => asked());
  serve([http], [httpRoute('t', [rule(undefined, 'web', { timeouts: { request: '1s' } })])]);
  change({ endpoints: [['shop/web:80', [plain(slow)]]] });
  const answer = ask('/');
  await hasAsked;
  clock.advance(1_000);
  expect((await answer).status).toBe(504);
});

const tls = (name: string, hostname: string): Listener => ({
  name,
  port: 443,
  hostname,
  protocol: 'HTTPS',
  tls: { certificateRefs: [{ name }] },
});
const commonNameAt = (servername: string) =>
  new Promise<string>((resolve, reject) => {
    const socket = connectTls({ host: '127.0.0.1', port: ports.https, servername, rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on('error', reject);
  });

test('TLS ends at its listener, or goes through to the backend as it is', async () => {
  const { certificate, key } = shownAs('backend');
  const own = createTlsServer({ cert: certificate, key }, (socket) => socket.end('through'));
  closing(own);
  await new Promise<void>((resolve) => own.listen(0, '127.0.0.1', resolve));
  const { port } = own.address() as AddressInfo;
  serve(
    [
      tls('one', 'one.example.com'),
      tls('two', '*.example.org'),
      { name: 'through', port: 443, protocol: 'TLS', hostname: 'db.example.com', tls: { mode: 'Passthrough' } },
    ],
    [
      httpRoute('web', [rule(undefined, 'web')]),
      named('TLSRoute', 'db', {
        hostnames: ['db.example.com'],
        rules: [{ backendRefs: [{ name: 'db', port: 80 }] }],
      }) as AnyRoute,
    ],
  );
  await endpoints('web');
  change({
    endpoints: [['shop/db:80', [{ address: '127.0.0.1', port }]]],
    certificates: [
      ['shop/one', shownAs('one')],
      ['shop/two', shownAs('two')],
    ],
  });
  expect(await commonNameAt('one.example.com')).toBe('one');
  expect(await commonNameAt('a.b.example.org')).toBe('two');
  expect(await commonNameAt('db.example.com')).toBe('backend');
  expect(await commonNameAt('unknown.example.net')).toBe('fallback');
  expect(asJson(await ask('/', { isSecure: true, headers: { host: 'one.example.com' } })).headers).toMatchObject({
    'x-forwarded-proto': 'https',
  });
});

test('TLS of any protocol ends at its listener, and its bytes go to the backend; beside it connections go through', async () => {
  const backendOf = async (server: ReturnType<typeof createNetServer>) => {
    closing(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { address: '127.0.0.1', port: (server.address() as AddressInfo).port };
  };
  const { certificate, key } = shownAs('backend');
  const through = await backendOf(createTlsServer({ cert: certificate, key }, (socket) => socket.end('through')));
  const echo = await backendOf(createNetServer((socket) => socket.pipe(socket)));
  const listener = (name: string, mode: 'Terminate' | 'Passthrough', certificateRefs?: { name: string }[]) =>
    ({
      ...{ name, port: 443, protocol: 'TLS', hostname: `${name}.example.com` },
      tls: { mode, ...(certificateRefs && { certificateRefs }) },
    }) as Listener;
  const route = (name: string) =>
    named('TLSRoute', name, {
      hostnames: [`${name}.example.com`],
      rules: [{ backendRefs: [{ name, port: 80 }] }],
    }) as AnyRoute;
  serve(
    [
      listener('ends', 'Terminate', [{ name: 'ends' }]),
      listener('passes', 'Passthrough'),
      { ...listener('rest', 'Passthrough'), hostname: '*.example.com' },
      tls('web', 'web.example.com'),
    ],
    [
      route('ends'),
      route('passes'),
      named('TLSRoute', 'rest', {
        hostnames: ['*.example.com'],
        rules: [{ backendRefs: [{ name: 'passes', port: 80 }] }],
      }) as AnyRoute,
      httpRoute('web', [rule(undefined, 'web')], ['web.example.com']),
    ],
  );
  await endpoints('web');
  change({
    endpoints: [
      ['shop/ends:80', [echo]],
      ['shop/passes:80', [through]],
    ],
    certificates: [
      ['shop/ends', shownAs('ends')],
      ['shop/web', shownAs('web')],
    ],
  });
  const said = (servername: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = connectTls({ host: '127.0.0.1', port: ports.https, servername, rejectUnauthorized: false }, () => {
        const { CN } = socket.getPeerCertificate().subject;
        socket.once('data', (part: Buffer) => {
          resolve(`${CN}: ${part}`);
          socket.destroy();
        });
        socket.write('no HTTP at all');
      });
      socket.on('error', reject);
    });
  expect(await said('ends.example.com')).toBe('ends: no HTTP at all');
  expect(await said('passes.example.com')).toBe('backend: through');
  expect(await commonNameAt('web.example.com')).toBe('web');
  expect(await said('www.example.com')).toBe('backend: through');
  ingress(); // it has rules for that host
  expect(await commonNameAt('www.example.com')).toBe('fallback');
  expect((await ask('/', { isSecure: true, headers: { host: 'web.example.com' } })).status).toBe(200);
});

test('a listener that asks clients for certificates, as newer definitions have it, is not served without', async () => {
  const listener = tls('one', 'one.example.com');
  const asking = { ...listener, tls: { ...listener.tls, frontendValidation: {} } } as Listener;
  await endpoints('web');
  change({ certificates: [['shop/one', shownAs('one')]] });
  for (const [shown, wanted] of [
    [listener, 200],
    [asking, 404],
  ] as const) {
    serve([http, shown], [httpRoute('web', [rule(undefined, 'web')])]);
    const { status } = await ask('/', { isSecure: true, headers: { host: 'one.example.com' } });
    expect(status).toBe(wanted);
  }
});

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
