/** Requests that somebody else is asked about first. */
import { request } from 'node:http';
import { expect, test } from 'vitest';
import { asJson, ingressLab } from './ingress-lab.ts';

const { ask, backend, behind, change, mirror, ports, route } = ingressLab();

/** Lets in who says `let me in`, and tells what it was asked. */
async function guard(): Promise<{ origin: string; port: number; asked: Record<string, unknown>[] }> {
  const asked: Record<string, unknown>[] = [];
  const { port } = await backend((request, response) => {
    asked.push({ method: request.method, url: request.url, ...request.headers });
    const passes = request.headers.authorization === 'let me in';
    response.writeHead(passes ? 204 : 401, passes ? { 'X-User': 'jane' } : { 'www-authenticate': 'Basic realm="x"' });
    response.end();
  });
  return { origin: `http://127.0.0.1:${port}`, port, asked };
}
const headers = { authorization: 'let me in', 'x-user': 'forged' };

test('a request passes with what was said of it, and with nothing that the client says under that name', async () => {
  const { origin, asked } = await guard();
  route({ 'auth-url': `${origin}/check?a=b`, 'auth-response-headers': 'X-User' });
  behind(await mirror('web'));
  const answer = await ask('/x?y', { headers, method: 'POST', body: 'hello' });
  expect(asJson(answer)).toMatchObject({ bytes: 5, headers: { 'x-user': 'jane' } });
  expect(asked).toEqual([
    expect.objectContaining({
      method: 'GET',
      url: '/check?a=b',
      'x-original-url': 'http://www.example.com/x?y',
      'x-original-method': 'POST',
    }),
  ]);
});

test('who is asked is told what was really asked for, whatever the client says of that', async () => {
  const { origin, asked } = await guard();
  route({ 'auth-url': origin });
  behind(await mirror('web'));
  const told = { 'x-original-url': 'http://www.example.com/public', 'x-original-method': 'HEAD' };
  await ask('/admin', { headers: { ...headers, ...told, 'x-auth-request-redirect': '/public' } });
  expect(asked[0]).toMatchObject({
    'x-original-url': 'http://www.example.com/admin',
    'x-original-method': 'GET',
    'x-auth-request-redirect': '/admin',
  });
});

test('one that may not pass is refused, or sent to where one signs in', async () => {
  const { origin } = await guard();
  behind(await mirror('web'));
  route({ 'auth-url': origin });
  const refused = await ask('/');
  expect([refused.status, refused.headers['www-authenticate']]).toEqual([401, 'Basic realm="x"']);
  route({ 'auth-url': origin, 'auth-signin': 'https://login.example.com/start' });
  expect((await ask('/x?y')).headers.location).toBe(
    'https://login.example.com/start?rd=http%3A%2F%2Fwww.example.com%2Fx%3Fy',
  );
});

test('where the guard does not answer nobody passes', async () => {
  const { origin } = await guard();
  behind(await mirror('web'));
  route({ 'auth-url': 'http://guard.shop.svc.cluster.local:4180/auth' });
  expect((await ask('/', { headers })).status).toBe(503);
  const [, port = ''] = /:(\d+)$/.exec(origin) ?? [];
  change({ endpoints: [['shop/guard:4180', [{ address: '127.0.0.1', port: Number(port) }]]] });
  expect((await ask('/', { headers })).status).toBe(200);
  change({ endpoints: [['shop/guard:4180', [{ address: '127.0.0.1', port: 1 }]]] });
  expect((await ask('/', { headers })).status).toBe(500);
});

test('a guard that is a Service is asked as its URL says, however the backend is asked', async () => {
  const { origin } = await guard();
  const [, port = ''] = /:(\d+)$/.exec(origin) ?? [];
  change({ endpoints: [['shop/guard:80', [{ address: '127.0.0.1', port: Number(port) }]]] });
  behind(await mirror('web')); // which knows no TLS
  route({ 'auth-url': 'http://guard.shop.svc/auth', 'backend-protocol': 'HTTPS' });
  expect((await ask('/', { headers })).status).toBe(502); // of the backend: the guard lets it pass
  expect((await ask('/')).status).toBe(401);
});

test('an upgrade is asked about as well', async () => {
  const { origin } = await guard();
  const reached: string[] = [];
  const web = await backend(undefined);
  web.server.on('upgrade', (asked, socket) => {
    reached.push(String(asked.headers['x-user']));
    socket.end('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n');
  });
  behind(web);
  route({ 'auth-url': origin, 'auth-response-headers': 'X-User' });
  const statusOf = (more: Record<string, string>) =>
    new Promise<number | undefined>((resolve, reject) => {
      const all = { host: 'www.example.com', connection: 'Upgrade', upgrade: 'x', ...more };
      const sent = request({ host: '127.0.0.1', port: ports.http, agent: false, headers: all });
      sent.on('upgrade', ({ statusCode }, socket) => {
        socket.destroy();
        resolve(statusCode);
      });
      sent.on('response', (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      sent.on('error', reject);
      sent.end();
    });
  expect(await statusOf({})).toBe(401);
  expect(await statusOf(headers)).toBe(101);
  expect(reached).toEqual(['jane']);
});

test('who says a name and a password of the Secret passes, and nobody while there is none', async () => {
  route({ 'auth-type': 'basic', 'auth-secret': 'users', 'auth-realm': 'the shop' });
  behind(await mirror('web'));
  const as = (credentials: string) =>
    ask('/', { headers: { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` } });
  expect((await as('jane:secret')).status).toBe(503);
  change({ users: [['shop/users', [['jane', '$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/']]]] });
  const unknown = await ask('/');
  expect([unknown.status, unknown.headers['www-authenticate']]).toEqual([401, 'Basic realm="the shop"']);
  for (let i = 0; i < 2; i++) expect((await as('jane:secret')).status).toBe(200);
  for (const wrong of ['jane:other', 'joe:secret', ':secret', 'jane:']) expect((await as(wrong)).status).toBe(401);
  change({ users: [['shop/users', [['jane', '{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=']]]] }); // the empty one
  expect((await as('jane:secret')).status).toBe(401);
  route({ 'auth-type': 'basic', 'auth-secret': 'other/users' });
  expect((await as('jane:secret')).status).toBe(503); // of another namespace
});
