/** Which backend a request reaches, with what, and what happens when it cannot be reached. */
import { request } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { expect, test } from 'vitest';
import { asJson, ingressLab, second } from './ingress-lab.ts';

const { ask, backend, behind, change, closing, mirror, ports, route } = ingressLab();

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
  closing(hangsUp);
  await new Promise<void>((resolve) => hangsUp.listen(0, '127.0.0.1', resolve));
  behind(gone, { address: '127.0.0.1', port: (hangsUp.address() as AddressInfo).port }, await mirror('web'));
  for (let i = 0; i < 6; i++) expect((await ask('/')).status).toBe(200);
});

test('a path keeps its rules, however it is written', async () => {
  const closed = { 'whitelist-source-range': '10.0.0.0/8' };
  route(closed, ['/admin'], false, [second({})]);
  const web = await mirror('web');
  change({ endpoints: ['web', 'next'].map((name) => [`shop/${name}:80`, [web]] as const) });
  for (const path of ['/admin', '/%61dmin', '//admin', '/x/../admin', '/./admin/']) {
    expect([path, (await ask(path)).status]).toEqual([path, 403]);
  }
  for (const path of ['/..', '/%2e%2e/admin', '/%zz']) expect([path, (await ask(path)).status]).toEqual([path, 400]);
  expect(asJson(await ask('/a%20b//c?d')).url).toBe('/a%20b//c?d'); // what passes is not written anew
  expect((await ask('http://www.example.com/admin', { headers: { host: 'elsewhere' } })).status).toBe(403);
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
