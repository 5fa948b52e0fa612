/**
 * The cluster's DNS on one node: listens on the DNS ClusterIP, which is bound on every node, so that a pod asks its own
 * node and no packet is translated. UDP answers that do not fit are truncated, and the client comes back over TCP (RFC 7766).
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, isIP, type Server, type Socket } from 'node:net';
import type { Log } from '#base/log.ts';
import { keepsNothing, type SocketHandle, type SocketKeeper, socketName } from '#base/socket-keeper.ts';
import type { Informers } from '#client/informer.ts';
import { keepZoneCurrent } from './keep-zone-current.ts';
import { Responder } from './responder.ts';
import { type Forward, lengthPrefix } from './upstream.ts';
import { Zone } from './zone.ts';

const IDLE_TCP_MS = 10_000;
const MOST_TCP_CLIENTS = 512;
/** At a time: nobody keeps the others out. */
const MOST_OF_ONE_CLIENT = 128;
/** Enough that a burst of a whole node waits in the socket rather than being asked again after seconds. */
const RECEIVE_BYTES = 4 << 20;

export interface DnsOptions {
  informers: Informers;
  domain: string;
  /** Addresses to listen on; each must be one of this host's. */
  addresses: readonly string[];
  port?: number;
  /** Absent: who asks while nothing runs is refused. */
  sockets?: SocketKeeper;
  forward: Forward;
  log: Log;
  signal: AbortSignal;
}

/** Resolves when it answers; it goes on until `signal` aborts. Throws when an address cannot be bound. */
export async function startDns(options: DnsOptions): Promise<{ port: number }> {
  const zone = new Zone(options.domain);
  await keepZoneCurrent(zone, options.informers, options.signal);
  const responder = new Responder(zone, options);
  const ports = await Promise.all(
    options.addresses.map(async (address) => {
      const port = await listenTcp(address, responder, options);
      await listenUdp(address, port, responder, options);
      return port;
    }),
  );
  return { port: ports[0] ?? 0 };
}

function listenUdp(address: string, port: number, responder: Responder, options: DnsOptions): Promise<void> {
  const { signal, log, sockets = keepsNothing } = options;
  const name = socketName('udp', address, port);
  const former = sockets.take(name);
  const type = isIP(address) === 6 ? 'udp6' : 'udp4';
  const socket: UdpSocket = createSocket({ type, recvBufferSize: RECEIVE_BYTES });
  signal.addEventListener('abort', () => socket.close(), { once: true });
  serveUdp(socket, responder, signal);
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    const listens = () => {
      socket.off('error', reject);
      socket.on('error', (error) => log.warn('DNS over UDP', { error: error.message }));
      if (!former) keepUdp(socket, name, sockets);
      resolve();
    };
    // A socket that is there already is taken as well; the types do not know it.
    if (former) socket.bind(former as object, listens);
    else socket.bind(port, address, listens);
  });
}

/** The engine has no public name for what is behind such a socket. An engine that has it elsewhere keeps none. */
function keepUdp(socket: UdpSocket, name: string, sockets: SocketKeeper): void {
  for (const symbol of Object.getOwnPropertySymbols(socket)) {
    const state = (
      socket as unknown as Record<symbol, { handle?: SocketHandle & { recvStart?: unknown } } | undefined>
    )[symbol];
    if (typeof state?.handle?.recvStart === 'function') sockets.keep(name, state.handle);
  }
}

export function serveUdp(socket: UdpSocket, responder: Responder, signal: AbortSignal): void {
  socket.on('message', (message, from) => {
    if (from.port === 0) return; // forged: nothing can be sent there
    const prepared = responder.prepared(message);
    if (prepared) return socket.send(prepared, from.port, from.address, sent);
    void responder.respond(message, 'udp').then((answer) => {
      if (answer && !signal.aborted) socket.send(answer, from.port, from.address, sent);
    });
  });
}

/** Who asked and is gone by now is not told. */
const sent = () => undefined;

function listenTcp(address: string, responder: Responder, options: DnsOptions): Promise<number> {
  const { signal, port = 53, log, sockets = keepsNothing } = options;
  const name = socketName('tcp', address, port);
  const former = sockets.take(name);
  const clients = new Set<Socket>();
  const server: Server = createServer((socket) => {
    const others = [...clients].filter(({ remoteAddress }) => remoteAddress === socket.remoteAddress);
    if (others.length >= MOST_OF_ONE_CLIENT) return socket.destroy();
    clients.add(socket);
    socket.on('close', () => clients.delete(socket));
    serveTcp(socket, responder);
  });
  server.maxConnections = MOST_TCP_CLIENTS;
  signal.addEventListener(
    'abort',
    () => {
      server.close();
      for (const client of clients) client.destroy();
    },
    { once: true },
  );
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(former ?? { port, host: address }, () => {
      server.off('error', reject);
      server.on('error', (error) => log.warn('DNS over TCP', { error: error.message }));
      const { _handle: handle } = server as Server & { _handle?: SocketHandle };
      if (!former && handle) sockets.keep(name, handle);
      const bound = server.address();
      resolve(typeof bound === 'object' && bound ? bound.port : 53);
    });
  });
}

/** Nobody may ask faster than it takes the answers: what it has not taken would be kept here. */
function serveTcp(socket: Socket, responder: Responder): void {
  let received = Buffer.alloc(0);
  socket.setTimeout(IDLE_TCP_MS, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    socket.pause();
    void answerAll().then(() => socket.resume());
  });

  async function answerAll(): Promise<void> {
    while (received.length >= 2 && received.length >= received.readUInt16BE(0) + 2) {
      const message = received.subarray(2, received.readUInt16BE(0) + 2);
      received = received.subarray(message.length + 2);
      const answer = await responder.respond(message, 'tcp');
      if (socket.destroyed) return;
      if (answer && !socket.write(Buffer.concat([lengthPrefix(answer), answer]))) await takenBy(socket);
    }
  }
}

/** Resolves when what was written is on its way, or the client is gone. */
const takenBy = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.on('drain', done).on('close', done);
  });
