/** Certificates by name, and HTTP/2. */
import { connect as connectTls } from 'node:tls';
import { expect, test } from 'vitest';
import { asJson, ingressLab, shownAs } from './ingress-lab.ts';

const { ask, behind, change, mirror, overHttp2, ports, route } = ingressLab();

test('a host with a certificate shows it, sends everybody there, and takes a new one while it runs', async () => {
  const shown = (servername: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = connectTls({ host: '127.0.0.1', port: ports.https, servername, rejectUnauthorized: false }, () => {
        resolve(String(socket.getPeerCertificate().subject.CN));
        socket.destroy();
      });
      socket.on('error', reject);
    });
  route({}, ['/'], true);
  behind(await mirror('web'));
  change({ certificates: [['shop/cert', shownAs('first')]] });
  expect(await shown('www.example.com')).toBe('first');
  expect(await shown('other.example.com')).toBe('fallback');
  expect((await ask('/x')).headers.location).toBe('https://www.example.com/x');
  const secure = asJson(await ask('/x', { isSecure: true }));
  expect(secure.headers).toMatchObject({ 'x-forwarded-proto': 'https' });
  expect(change({ certificates: [['shop/cert', { certificate: 'no', key: 'pem' }]] })).toHaveLength(1);
  expect(await shown('www.example.com')).toBe('first');
  change({ certificates: [['shop/cert', shownAs('second')]] });
  expect(await shown('www.example.com')).toBe('second');
});

test('HTTP/2 clients are served, many requests on one connection', async () => {
  route({}, ['/'], true);
  behind(await mirror('web'));
  change({ certificates: [['shop/cert', shownAs('first')]] });
  const session = overHttp2();
  const one = (i: number) =>
    new Promise<string>((resolve, reject) => {
      const stream = session.request({ ':path': `/${i}`, ':method': 'POST' });
      let text = '';
      stream.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      stream.on('end', () => resolve(text));
      stream.on('error', reject);
      stream.end('x'.repeat(i));
    });
  const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => one(i)));
  session.close();
  expect(answers.map((text) => JSON.parse(text).bytes)).toEqual(Array.from({ length: 20 }, (_, i) => i));
});
