/** What the annotations of Ingresses do to requests and answers. */
import { expect, test, vi } from 'vitest';
import { asJson, ingressLab, second } from './ingress-lab.ts';

const { ask, backend, behind, change, clock, ended, mirror, route } = ingressLab();

test('what cannot stand in a header is no annotation', async () => {
  behind(await mirror('web'));
  for (const value of ['https://例え.jp/', 'https://a.b/\r\nx: y', 'a\r\nX-Real-IP: 10.0.0.1']) {
    route({ 'permanent-redirect': value, 'upstream-vhost': value, 'app-root': value });
    const answer = await ask('/');
    expect([answer.status, asJson(answer).headers['host']]).toEqual([200, 'www.example.com']);
  }
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

test.each<Record<string, string>>([
  { 'auth-url': 'guard.shop.svc' },
  { 'auth-url': 'https://例え.jp/' },
  { 'auth-type': 'digest', 'auth-secret': 'users' },
  { 'auth-type': 'basic' },
  { 'auth-tls-secret': 'shop/authority' },
  { 'whitelist-source-range': 'everybody' },
  { 'denylist-source-range': '10.0.0.0/8,10.0.0.0/99' },
])('nobody passes where it cannot be kept who may: %j', async (annotations) => {
  route(annotations);
  behind(await mirror('web'));
  expect((await ask('/')).status).toBe(503);
});

test('a time that no timer can wait is a long one', async () => {
  route({ 'proxy-read-timeout': '31536000', 'proxy-connect-timeout': '31536000' });
  behind(await mirror('web'));
  expect((await ask('/')).status).toBe(200);
});

test('a canary gets what header, cookie or weight say', async () => {
  const nameFor = async (annotations: Record<string, string>, headers: Record<string, string> = {}) => {
    route({}, ['/'], false, [second({ canary: 'true', ...annotations })]);
    change({
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
  const byPattern = { 'canary-by-header': 'X-Try', 'canary-by-header-pattern': '^v[12]|beta' };
  for (const said of ['v1', 'v2.3', 'a beta']) expect(await nameFor(byPattern, { 'x-try': said })).toBe('next');
  for (const said of ['v3', 'V1', 'always']) expect(await nameFor(byPattern, { 'x-try': said })).toBe('web');
  expect(await nameFor({ ...byPattern, 'canary-by-header-value': 'please' }, { 'x-try': 'v1' })).toBe('web');
  expect(await nameFor({ ...byPattern, 'canary-by-header-pattern': '(' }, { 'x-try': '(' })).toBe('web');
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

test('text of a configuration is nobody’s: snippets count as absent', async () => {
  const texts = ['configuration', 'server', 'auth', 'stream', 'modsecurity'].map((of) => [
    `${of}-snippet`,
    'return 418;',
  ]);
  route(Object.fromEntries(texts));
  behind(await mirror('web'));
  expect(asJson(await ask('/')).name).toBe('web');
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

test('who is excepted from limits asks as often as he likes', async () => {
  const limits = { 'limit-rps': '1', 'limit-burst-multiplier': '1' };
  behind(await mirror('web'));
  const statuses = async (annotations: Record<string, string>) => {
    route({ ...limits, ...annotations });
    const all: number[] = [];
    for (let i = 0; i < 4; i++) all.push((await ask('/')).status);
    clock.advance(10_000);
    return all;
  };
  for (const name of ['limit-whitelist', 'limit-allowlist'])
    expect(await statuses({ [name]: '192.0.2.0/24,127.0.0.0/8' })).toEqual([200, 200, 200, 200]);
  expect(await statuses({ 'limit-whitelist': '192.0.2.0/24' })).toEqual([200, 200, 503, 503]);
});

test('a backend that takes no more of a body is not waited for', async () => {
  route({ 'proxy-send-timeout': '5', 'proxy-body-size': '0' });
  const taking = { bytes: 0, isAsked: false };
  const web = await backend((asked) => {
    taking.isAsked = true;
    asked.pause(); // it reads the head, and nothing of what follows
  });
  behind(web);
  const answer = ask('/', { method: 'POST', body: Buffer.alloc(64 * 2 ** 20) });
  await vi.waitUntil(() => taking.isAsked, { timeout: 30_000 });
  let isOver = false;
  const status = answer.then(
    ({ status }) => status,
    (error: NodeJS.ErrnoException) => error.code, // it may hang up before everything was sent
  );
  void status.then(() => {
    isOver = true;
  });
  await vi.waitUntil(
    () => {
      clock.advance(1_000);
      return isOver;
    },
    { timeout: 30_000, interval: 50 },
  );
  expect([504, 'EPIPE', 'ECONNRESET']).toContain(await status);
  expect(ended.at(-1)).toMatchObject({ status: 504 });
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
