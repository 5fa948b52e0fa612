/**
 * One TLS port for HTTP/2, HTTP/1.1 and upgrades of it. A client may show a certificate and need not. Closing lets
 * answers that are under way finish and tells HTTP/2 clients to go elsewhere.
 */

import { constants } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  createSecureServer,
  type Http2SecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Clock, sleep, type Timer } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { type Exchange, Http1Exchange, Http2Exchange } from './exchange.ts';

export interface ServerOptions {
  /** PEM: the certificate with its chain, and its key. */
  certificate: string;
  key: string;
  /** PEM: told to clients as who signs their certificates. */
  clientCaCertificate: string;
  serve(exchange: Exchange): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  clock: Clock;
  log: Log;
}

export interface HttpServer {
  /** Port 0 takes a free one. */
  listen(at: { host: string; port: number }): Promise<{ port: number }>;
  /** Takes no more; ends what is left after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/** Of one connection; client-go has all its informers and requests on one. Source: upstream's default. */
const MAX_CONCURRENT_STREAMS = 250;
/** In MB. Beyond it Node refuses new streams of a session: several answers of 256 KB chunks each must fit. */
const MAX_SESSION_MEMORY_MB = 256;

/** Selectors stand in the first line, and name thousands of values. Source: upstream's DefaultMaxHeaderBytes. */
const MAX_HEADER_BYTES = 1024 * 1024;
/** A client that does not come to the end of its headers is waiting for something else. Source: upstream's ReadHeaderTimeout. */
const HEADERS_TIMEOUT_MS = 32_000;
/** Longer than clients keep idle connections, so that none is closed in the moment of its use. Source: upstream's IdleTimeout. */
const IDLE_TIMEOUT_MS = 90_000;
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** The kernel asks a silent peer after so long, and soon gives it up. */
const KEEP_ALIVE_MS = 30_000;
/** A peer with streams open is asked as often whether it is still there, and given up when it does not say so in time. */
const PING_EVERY_MS = 45_000;
const PING_TIMEOUT_MS = 15_000;

/** What a client may send on one connection before it is read: images go to nodes through here. */
const SESSION_WINDOW_BYTES = 4 * 1024 * 1024;

/** Properties of its server of HTTP/1, which a secure server of HTTP/2 has as well, though its type does not say so. */
const HTTP1_LIMITS = {
  maxHeaderSize: MAX_HEADER_BYTES,
  headersTimeout: HEADERS_TIMEOUT_MS,
  keepAliveTimeout: IDLE_TIMEOUT_MS,
  requestTimeout: 0, // images go through here to nodes; what is not long by its nature has a deadline of its own
};

export function createServer({
  certificate,
  key,
  clientCaCertificate,
  serve,
  upgrade,
  clock,
  log,
}: ServerOptions): HttpServer {
  const servers: Http2SecureServer[] = [];
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<Socket>();

  const make = (): Http2SecureServer => {
    const server = createSecureServer({
      allowHTTP1: true,
      cert: certificate,
      key,
      ca: clientCaCertificate,
      requestCert: true,
      rejectUnauthorized: false, // who it is for is the authenticator's to say
      minVersion: 'TLSv1.2',
      secureOptions: constants.SSL_OP_NO_TICKET, // a session that is taken up again would bring no chain of the client
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      maxSessionMemory: MAX_SESSION_MEMORY_MB,
      settings: {
        maxConcurrentStreams: MAX_CONCURRENT_STREAMS,
        initialWindowSize: 1024 * 1024,
        maxHeaderListSize: MAX_HEADER_BYTES,
      },
    });
    Object.assign(server, HTTP1_LIMITS);
    server.on('request', (request, response) =>
      serve(new Http1Exchange(request as unknown as IncomingMessage, response as unknown as ServerResponse)),
    );
    server.removeAllListeners('stream'); // whoever listens for requests gets HTTP/2 made to look like HTTP/1 as well
    // Its type leaves out the fourth argument.
    server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, raw: string[]) =>
      serve(new Http2Exchange(stream, headers, raw)),
    );
    server.on('upgrade', upgrade);
    server.on('session', (session) => {
      sessions.add(session);
      session.setLocalWindowSize(SESSION_WINDOW_BYTES);
      const stopAsking = keepAsking(session, clock);
      session.once('close', () => {
        stopAsking();
        sessions.delete(session);
      });
      session.on('error', (error) => log.debug('a connection broke', { error: error.message }));
    });
    server.on('connection', (socket: Socket) => {
      socket.setKeepAlive(true, KEEP_ALIVE_MS);
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    });
    server.on('tlsClientError', (error) => log.debug('a TLS handshake failed', { error: error.message }));
    server.on('clientError', refuseBroken);
    return server;
  };

  return {
    listen: ({ host, port }) =>
      new Promise((resolve, reject) => {
        const server = make();
        server.once('error', reject);
        server.listen({ host, port }, () => {
          server.off('error', reject);
          server.on('error', (error) => log.error('the server failed', { error: error.message }));
          servers.push(server);
          resolve({ port: (server.address() as AddressInfo).port });
        });
      }),

    async close(graceMs) {
      const closed = Promise.all(servers.map((server) => new Promise<void>((done) => server.close(() => done()))));
      for (const session of sessions) session.close();
      const isDone = await Promise.race([closed.then(() => true), sleep(clock, graceMs).then(() => false)]);
      if (isDone) return;
      for (const session of sessions) session.destroy();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

const BROKEN: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

/** What is no HTTP/1. Nothing that came behind it is read. */
function refuseBroken(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (socket.writable && error.code !== 'ECONNRESET') {
    const status = BROKEN[error.code ?? ''] ?? '400 Bad Request';
    socket.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`, () => socket.destroy());
  } else socket.destroy();
}

/** Half-open connections hold watches, and with them what these would have sent. Returns what ends the asking. */
function keepAsking(session: ServerHttp2Session, clock: Clock): () => void {
  let timer: Timer;
  const ask = () => {
    if (session.destroyed || session.closed) return;
    const late = clock.timer(PING_TIMEOUT_MS, () => session.destroy());
    const isAsked = session.ping(() => late.cancel());
    if (!isAsked) late.cancel(); // too many are unanswered: the first of them will be late
    timer = clock.timer(PING_EVERY_MS, ask);
  };
  timer = clock.timer(PING_EVERY_MS, ask);
  return () => timer.cancel();
}
