/**
 * One TLS port for HTTP/2, HTTP/1.1 and upgrades of it. A client may show a certificate and need not. Closing lets
 * answers that are under way finish and tells HTTP/2 clients to go elsewhere.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '#base/clock.ts';
import { sleep } from '#base/clock.ts';
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

/** What a client may send on one connection before it is read: images go to nodes through here. */
const SESSION_WINDOW_BYTES = 4 * 1024 * 1024;

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
      maxSessionMemory: MAX_SESSION_MEMORY_MB,
      settings: { maxConcurrentStreams: MAX_CONCURRENT_STREAMS, initialWindowSize: 1024 * 1024 },
    });
    server.on('request', (request, response) =>
      serve(new Http1Exchange(request as unknown as IncomingMessage, response as unknown as ServerResponse)),
    );
    server.removeAllListeners('stream'); // whoever listens for requests gets HTTP/2 made to look like HTTP/1 as well
    server.on('stream', (stream, headers) => serve(new Http2Exchange(stream, headers)));
    server.on('upgrade', upgrade);
    server.on('session', (session) => {
      sessions.add(session);
      session.setLocalWindowSize(SESSION_WINDOW_BYTES);
      session.once('close', () => sessions.delete(session));
      session.on('error', (error) => log.debug('a connection broke', { error: error.message }));
    });
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    });
    server.on('tlsClientError', (error) => log.debug('a TLS handshake failed', { error: error.message }));
    server.on('clientError', (_error: Error, socket: Duplex) => socket.destroy());
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
