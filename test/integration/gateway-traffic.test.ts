/** Requests by way of Gateways and what hangs on them, through the same servers as those of Ingresses. */
import { expect, test } from 'vitest';
import type { HTTPRouteRule } from '#api/gateway/v1/http-route.ts';
import type { AnyRoute } from '#api/gateway/v1/route.ts';
import { gatewayLab, http, httpRoute, path, plain, rule } from './gateway-lab.ts';
import { asJson } from './ingress-lab.ts';

const { ask, backend, change, clock, endpoints, ports, route: ingress, serve } = gatewayLab();

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
  ['a request', {}],
  ['an upgrade', { connection: 'Upgrade', upgrade: 'echo' }],
])('%s has the host that its route writes, at the path that its backend writes', async (_, headers) => {
  const rewriting = (urlRewrite: NonNullable<NonNullable<HTTPRouteRule['filters']>[number]['urlRewrite']>) => [
    { type: 'URLRewrite', urlRewrite },
  ];
  const own = rewriting({ path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/own' } });
  const backendRefs = [{ name: 'web', port: 80, filters: own }];
  serve(
    [http],
    [httpRoute('r', [{ matches: [path('/old')], filters: rewriting({ hostname: 'inside.example' }), backendRefs }])],
  );
  await endpoints('web');
  const asked = asJson(await ask('/old/x?y=1', { headers }));
  expect([asked.headers['host'], asked.url]).toEqual(['inside.example', '/own/x?y=1']);
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
