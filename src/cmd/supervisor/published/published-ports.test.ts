import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, expect, test } from 'vitest';
import { silentLog } from '#base/log.ts';
import { freePort } from '#testing/free-port.ts';
import { LoopbackListener, PortTaken } from './loopback-listener.ts';
import { PublishedPorts } from './published-ports.ts';

const closing: { close(): unknown }[] = [];
afterEach(() => {
  for (const each of closing.splice(0)) each.close();
});

/** Says what it heard, back to front, once the client has ended. */
async function echo(): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let heard = '';
    socket.setEncoding('utf8').on('data', (part: string) => {
      heard += part;
    });
    socket.on('end', () => socket.end([...heard].reverse().join('')));
    socket.on('error', () => socket.destroy());
  });
  closing.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return server;
}
const portOf = (server: Server) => (server.address() as AddressInfo).port;

async function said(port: number, words: string, host = '127.0.0.1'): Promise<string> {
  const socket = connect({ port, host, allowHalfOpen: true });
  socket.on('error', () => undefined);
  socket.end(words);
  return text(socket).catch(() => 'broken');
}

test('a connection is carried byte for byte, each side ending in its own time', async () => {
  const to = await echo();
  const port = await freePort();
  const listener = await LoopbackListener.at(port, {
    destination: () => ({ host: '127.0.0.1', port: portOf(to) }),
    log: silentLog,
  });
  closing.push(listener);
  const words = 'abc'.repeat(100_000);
  expect((await said(port, words)) === 'cba'.repeat(100_000)).toBe(true);
});

test('a connection to nowhere is closed, and the next one is asked for anew', async () => {
  const to = await echo();
  let isThere = false;
  const port = await freePort();
  const destination = () => (isThere ? { host: '127.0.0.1', port: portOf(to) } : undefined);
  closing.push(await LoopbackListener.at(port, { destination, log: silentLog }));
  expect(await said(port, 'x')).not.toBe('x');
  isThere = true;
  expect(await said(port, 'xy')).toBe('yx');
});

test('a port that somebody has is refused by name, and given up whole', async () => {
  const other = await echo();
  const options = { destination: () => undefined, log: silentLog };
  await expect(LoopbackListener.at(portOf(other), options)).rejects.toThrow(PortTaken);
  await expect(LoopbackListener.at(portOf(other), options)).rejects.toThrow(
    `port ${portOf(other)} of this machine is in use by another program`,
  );
});

test('Ingresses take the next port where the usual one is taken; a Service has the port that was asked for, or a reason', async () => {
  const other = await echo();
  const plan = { slot: 0, ingressAddresses: ['172.29.0.1'] };
  const wish = { port: portOf(other), namespace: 'shop', service: 'web', to: '80' };
  const fixed = await import('#testing/fixed-informers.ts');
  const ports = new PublishedPorts({
    plan,
    publish: [wish],
    informers: () => fixed.fixedInformers([]),
    log: silentLog,
  });
  closing.push(ports);
  await ports.open();
  const again = new PublishedPorts({ plan, publish: [], informers: () => fixed.fixedInformers([]), log: silentLog });
  closing.push(again);
  await again.open();
  expect(ports.status[0]).toEqual({
    port: wish.port,
    to: 'shop/web:80',
    problem: `port ${wish.port} of this machine is in use by another program`,
  });
  const [first, second] = [ports, again].map(({ status }) => status.filter(({ to }) => to.startsWith('ingress ')));
  expect(first?.map(({ to, problem }) => [to, problem])).toEqual([
    ['ingress http', undefined],
    ['ingress https', undefined],
  ]);
  expect(second?.map(({ port }) => port)).not.toEqual(first?.map(({ port }) => port));
});
