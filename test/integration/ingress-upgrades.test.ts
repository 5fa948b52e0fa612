/** Connections that are upgraded. */
import { type IncomingMessage, request } from 'node:http';
import { request as requestTls } from 'node:https';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { ingressLab } from './ingress-lab.ts';

const { backend, behind, ports, route } = ingressLab();

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
