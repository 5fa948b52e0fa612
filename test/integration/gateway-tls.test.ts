/** Listeners of Gateways with TLS that ends there, or goes through. */
import { type AddressInfo, createServer as createNetServer } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { expect, test } from 'vitest';
import type { Listener } from '#api/gateway/v1/gateway.ts';
import type { AnyRoute } from '#api/gateway/v1/route.ts';
import { gatewayLab, http, httpRoute, named, rule, tls } from './gateway-lab.ts';
import { asJson, shownAs } from './ingress-lab.ts';

const { ask, change, closing, endpoints, ports, route: ingress, serve } = gatewayLab();

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
