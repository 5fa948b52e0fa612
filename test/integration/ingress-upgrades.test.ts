/** Connections that are upgraded. */
import { type IncomingMessage, request } from 'node:http';
import { request as requestTls } from 'node:https';
import { connect } from 'node:net';
import { expect, test, vi } from 'vitest';
import { ingressLab } from './ingress-lab.ts';

const { ask, backend, behind, connections, ended, ports, route } = ingressLab();

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
  await vi.waitUntil(() => ended.length > 0, { timeout: 60_000 });
  expect(ended).toMatchObject([{ route: { owner: 'shop/web' }, status: 101, bytes: 5, failedTries: 0 }]);
});

test('a refused upgrade is on record as well', async () => {
  const answered = async () => {
    ended.length = 0;
    const socket = connect(ports.http, '127.0.0.1', () =>
      socket.write('GET / HTTP/1.1\r\nhost: www.example.com\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
    );
    socket.resume();
    await vi.waitUntil(() => ended.length > 0, { timeout: 60_000 });
    return ended;
  };
  expect(await answered()).toMatchObject([{ route: undefined, status: 404 }]);
  route();
  expect(await answered()).toMatchObject([{ route: { owner: 'shop/web' }, status: 503 }]);
  behind({ address: '127.0.0.1', port: 1 });
  expect(await answered()).toMatchObject([{ route: { owner: 'shop/web' }, status: 502, failedTries: 1 }]);
  route({ 'whitelist-source-range': '10.0.0.0/8' });
  expect(await answered()).toMatchObject([{ route: { owner: 'shop/web' }, status: 403 }]);
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

test.each([false, true])(
  'nobody speaks HTTP/2 past the routes: the request is one like others (TLS: %s)',
  async (isSecure) => {
    route({ 'ssl-redirect': 'false' }, ['/'], true);
    const asked: string[] = [];
    const web = await backend((request, response) => {
      let text = '';
      request.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      request.on('end', () => {
        asked.push(`${request.method} ${request.url} ${text} ${request.headers.upgrade}`);
        response.end('plain');
      });
    });
    web.server.on('upgrade', (request, socket) => {
      asked.push(`upgraded to ${request.headers.upgrade}`);
      socket.end('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n');
    });
    behind(web);
    const send = (method: string, body: string) =>
      new Promise<string>((resolve, reject) => {
        const sent = (isSecure ? requestTls : request)({
          host: '127.0.0.1',
          port: isSecure ? ports.https : ports.http,
          servername: 'www.example.com',
          rejectUnauthorized: false,
          agent: false,
          method,
          path: '/x',
          headers: {
            host: 'www.example.com',
            connection: 'Upgrade, HTTP2-Settings',
            upgrade: 'h2c',
            'http2-settings': 'AAMAAABkAAQAoAAAAAIAAAAA',
            ...(body && { 'content-length': String(body.length) }),
          },
        });
        sent.on('upgrade', (_, socket) => {
          socket.destroy();
          resolve('upgraded');
        });
        sent.on('response', (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (part: string) => {
            text += part;
          });
          response.on('end', () => resolve(text));
        });
        sent.on('error', reject);
        sent.end(body);
      });
    expect(await send('GET', '')).toBe('plain');
    expect(await send('POST', 'hello')).toBe('plain');
    expect(asked).toEqual(['GET /x  undefined', 'POST /x hello undefined']);
  },
);

test('what a backend was asked and did not answer is not asked of another, unless that does no harm', async () => {
  route();
  let times = 0;
  const silent = async () => {
    const found = await backend(undefined);
    found.server.on('upgrade', (_, socket) => {
      times++;
      socket.destroy();
    });
    return found;
  };
  behind(await silent(), await silent());
  const statusOf = (method: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      const headers = { host: 'www.example.com', connection: 'Upgrade', upgrade: 'x' };
      const sent = request({ host: '127.0.0.1', port: ports.http, agent: false, method, headers });
      sent.on('response', (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      sent.on('error', reject);
      sent.end();
    });
  expect([await statusOf('POST'), times]).toEqual([502, 1]);
  expect([await statusOf('GET'), times]).toEqual([502, 3]);
});

test('who is refused and does not close is not kept', async () => {
  route();
  const socket = connect({ port: ports.http, host: '127.0.0.1', allowHalfOpen: true });
  socket.write('GET / HTTP/1.1\r\nhost: unknown.example.com\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n');
  let text = '';
  socket.setEncoding('latin1').on('data', (part: string) => {
    text += part;
  });
  await new Promise((resolve) => socket.once('end', resolve));
  expect(text).toMatch(/^HTTP\/1.1 404 /);
  await expect.poll(() => connections(), { timeout: 30_000 }).toBe(0);
  socket.destroy();
});

test('what cannot even be asked of a backend is told as what it was answered', async () => {
  route();
  behind({ address: '127.0.0.1', port: 65_536 }); // there is no such port
  const answer = await ask('/', { headers: { connection: 'Upgrade', upgrade: 'x' } });
  expect(answer.status).toBe(502);
  await expect.poll(() => ended.map(({ status }) => status)).toEqual([502]);
});
