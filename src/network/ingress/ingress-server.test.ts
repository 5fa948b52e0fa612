/** Ports of Gateways that come and go while somebody else opens their sockets. */
import { connect } from 'node:net';
import { expect, test, vi } from 'vitest';
import { type Deferred, deferred } from '#base/deferred.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { keepsNothing, type SocketHandle } from '#base/socket-keeper.ts';
import { IngressServer } from './ingress-server.ts';
import { ListeningSockets } from './listening-sockets.ts';

const PORT = 8080;
const HOST = '127.0.0.1';
const SOME = { isTls: false, speaksHttp2: false, hasPassthrough: false, listeners: new Map() };

/** At a port that nobody else has. */
function freeSocket() {
  const handle = new ListeningSockets(keepsNothing).at({ host: HOST, port: 0 });
  const found = { port: 0 };
  (handle as SocketHandle & { getsockname(found: object): number }).getsockname(found);
  return { handle, port: found.port };
}

const isOpen = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, HOST, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });

test('a socket that is refused late does not hide that of the servers that came after', async () => {
  const asked: Deferred<SocketHandle>[] = [];
  const complaints: string[] = [];
  const server = new IngressServer({
    httpPort: 0,
    httpsPort: 0,
    newRequestId: () => '',
    random: { next: () => 0 },
    clock: new ManualClock(),
    onComplaint: (text) => complaints.push(text),
    async socketAt({ port }) {
      if (port === 0) return freeSocket().handle;
      const waiting = deferred<SocketHandle>();
      asked.push(waiting);
      return waiting.promise;
    },
  });
  await server.listen([HOST]);
  server.change({ ports: [[PORT, SOME]] });
  await vi.waitUntil(() => asked.length === 1);
  server.change({ ports: [[PORT, null]] });
  server.change({ ports: [[PORT, SOME]] });
  await vi.waitUntil(() => asked.length === 2);

  asked[0]?.reject(new Error('too late'));
  await vi.waitUntil(() => complaints.length === 1);
  const { handle, port } = freeSocket();
  asked[1]?.resolve(handle);
  await vi.waitUntil(() => isOpen(port));
  server.change({ ports: [[PORT, null]] });
  await expect.poll(() => isOpen(port)).toBe(false);
  await server.close();
});
