/** The servers of one port: HTTP/1.1 and, where TLS ends here or a backend needs it, HTTP/2. */
import { createServer, type Server as HttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  createServer as createPlainHttp2Server,
  createSecureServer,
  type Http2SecureServer,
  type ServerHttp2Session,
} from 'node:http2';
import { Server as NetServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer as createTlsServer, type SecureContext } from 'node:tls';
import { sleep } from '#base/clock.ts';
import type { SocketHandle } from '#base/socket-keeper.ts';
import type { Request } from './arrival.ts';
import { carryUpgrade, isOrdinary } from './carry-upgrade.ts';
import type { KeyPair } from './certificates.ts';
import { greetingOf, MOST_HELLO_BYTES } from './client-hello.ts';
import { peek } from './first-bytes.ts';
import type { ListeningAt } from './listening-sockets.ts';
import { passThrough, passthroughFor } from './pass-through.ts';
import { carry, type Response, type TrafficContext } from './traffic.ts';

const KEEP_ALIVE_MS = 75_000;
/** Of a server that drains: so long a kept connection may ask once more, and is told to go; one that was closed meanwhile would fail. */
const STAYS_IDLE_MS = 2_000;
const LOOK_FOR_IDLE_MS = 500;
/** That wait until somebody takes them, for a while perhaps nobody. */
const MOST_WAITING = 4_096;
/** Until a head must be whole. A body may take as long as it comes. */
const HEADERS_MS = 60_000;
const MOST_HEADER_BYTES = 32 * 1024;
/** At a time and connection. */
const MOST_STREAMS = 128;
/** How a client of HTTP/2 begins that knows that it is spoken. Source: RFC 9113, section 3.4. */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export interface PortOptions {
  isTls: boolean;
  /** What its requests see; may change from one to the next. */
  context: TrafficContext;
  /** Of TLS: what is shown to clients that ask for no name, and to those that ask for one. */
  pair: KeyPair | undefined;
  certificateFor(servername: string): SecureContext | undefined;
  /** Absent: it opens its own. */
  socketAt?(at: ListeningAt): Promise<SocketHandle>;
}

export class PortServers {
  readonly isTls: boolean;
  readonly #options: PortOptions;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  /** Of HTTP/2. */
  readonly #sessions = new Set<ServerHttp2Session>();
  #isEnding = false;

  constructor(options: PortOptions) {
    this.#options = options;
    this.isTls = options.isTls;
  }

  /** @returns the port, which is another one where 0 is asked for. */
  async open(at: ListeningAt): Promise<number> {
    const server = this.isTls ? this.#secure() : this.#plain();
    this.#servers.push(server);
    const socket = await this.#options.socketAt?.(at);
    if (this.#isEnding) {
      socket?.close();
      return at.port;
    }
    return new Promise((resolve, reject) => {
      server.on('error', reject); // after it listens, what goes wrong with it is one connection's
      server.listen(socket ?? at, MOST_WAITING, () => {
        const address = server.address();
        resolve(typeof address === 'object' && address ? address.port : 0);
      });
    });
  }

  /** For clients that ask for no name. */
  show(pair: KeyPair): void {
    if (!this.isTls) return;
    for (const server of this.#servers)
      (server as Http2SecureServer).setSecureContext({ cert: pair.certificate, key: pair.key });
  }

  /** Takes no new connections; resolves when the last of the old ones has ended, each of which is asked to. */
  async drain(): Promise<void> {
    this.#isEnding = true;
    const { clock } = this.#options.context;
    // Not their own `close`: it ends idle connections at once.
    const ended = this.#servers.map(
      (server) => new Promise((resolve) => NetServer.prototype.close.call(server, resolve)),
    );
    for (const server of this.#servers) server.prependListener('request', askToGo);
    for (const session of this.#sessions) session.close();
    let hasEnded = false;
    const closeIdle = async () => {
      await sleep(clock, STAYS_IDLE_MS);
      for (const server of this.#servers) server.close();
      for (; !hasEnded; await sleep(clock, LOOK_FOR_IDLE_MS))
        for (const server of this.#servers) (server as Partial<HttpServer>).closeIdleConnections?.();
    };
    void closeIdle();
    await Promise.all(ended);
    hasEnded = true;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  close(): void {
    this.#isEnding = true;
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #plain(): Server {
    const server = createServer({
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: HEADERS_MS,
      requestTimeout: 0,
      maxHeaderSize: MOST_HEADER_BYTES,
    });
    // For those that speak HTTP/2 without TLS; it listens nowhere itself.
    const http2 = this.#carrying(createPlainHttp2Server({ settings: { maxConcurrentStreams: MOST_STREAMS } }));
    this.#keepSessions(http2);
    const { context } = this.#options;
    return this.#inFront(this.#carrying(server), (socket, serve) => {
      if (!context.port?.speaksHttp2) return serve();
      const isEnough = (bytes: Buffer) =>
        !PREFACE.subarray(0, bytes.length).equals(bytes.subarray(0, PREFACE.length)) || bytes.length >= PREFACE.length;
      peek(socket, { isEnough, most: PREFACE.length, clock: context.clock }, (bytes) => {
        if (bytes.subarray(0, PREFACE.length).equals(PREFACE)) http2.emit('connection', socket);
        else serve();
      });
    });
  }

  #secure(): Server {
    const { pair, certificateFor, context } = this.#options;
    const server = createSecureServer({
      ...(pair && { cert: pair.certificate, key: pair.key }),
      allowHTTP1: true,
      ...{ maxHeaderSize: MOST_HEADER_BYTES }, // for HTTP/1.1; the types do not know it
      settings: { maxConcurrentStreams: MOST_STREAMS },
      SNICallback: (name, done) => done(null, certificateFor(name)),
    });
    // Those that speak HTTP/1.1 there are kept as long as the others.
    Object.assign(server, { keepAliveTimeout: KEEP_ALIVE_MS, headersTimeout: HEADERS_MS, requestTimeout: 0 });
    this.#keepSessions(server);
    server.on('secureConnection', (socket) => socket.setMaxListeners(0)); // one carries many requests at a time
    const ending = this.#endingTls();
    return this.#inFront(this.#carrying(server), (socket, serve) => {
      if (!context.port?.hasPassthrough) return serve();
      const isEnough = (bytes: Buffer) => greetingOf(bytes).is === 'whole';
      peek(socket, { isEnough, most: MOST_HELLO_BYTES, clock: context.clock }, (bytes) => {
        const greeting = greetingOf(bytes);
        const name = greeting.is === 'whole' ? greeting.servername : undefined;
        const passthrough = name === undefined ? undefined : passthroughFor(context, name);
        if (passthrough?.terminates) ending.emit('connection', socket);
        else if (passthrough) passThrough(socket, passthrough, context);
        else serve();
      });
    });
  }

  /** For connections of which the bytes are given on without TLS; it listens nowhere itself. */
  #endingTls(): Server {
    const { certificateFor, context } = this.#options;
    const server = createTlsServer({ SNICallback: (name, done) => done(null, certificateFor(name)) });
    server.on('secureConnection', (socket) => {
      socket.on('error', () => socket.destroy());
      const { servername } = socket; // false where none was asked for
      const passthrough = servername ? passthroughFor(context, servername.toLowerCase()) : undefined;
      if (passthrough?.terminates) passThrough(socket, passthrough, context);
      else socket.destroy(); // the table has changed meanwhile
    });
    server.on('tlsClientError', (_, socket) => socket.destroy());
    return server;
  }

  #carrying<T extends Server>(server: T): T {
    const { context } = this.#options;
    server.on('request', (request: Request, response: Response) => {
      response.on('error', () => response.destroy()); // the client is gone
      carry(request, response, context);
    });
    server.on('upgrade', (request: IncomingMessage, client: Duplex, head: Buffer) => {
      if (isOrdinary(request)) {
        client.unshift(Buffer.concat([headWithoutUpgrade(request), head]));
        server.emit('encrypted' in client ? 'secureConnection' : 'connection', client);
        return;
      }
      carryUpgrade(request, client, head, context).catch(() => client.destroy());
    });
    return server;
  }

  /** Those that are idle end. */
  #keepSessions(server: Server): void {
    server.on('session', (session: ServerHttp2Session) => {
      this.#sessions.add(session);
      session.once('close', () => this.#sessions.delete(session));
      session.setTimeout(KEEP_ALIVE_MS, () => session.close());
    });
  }

  /** Asks before a connection is served: `serve` gives it to whoever would have had it. */
  #inFront<T extends Server>(server: T, ask: (socket: Socket, serve: () => void) => void): T {
    const listeners = server.listeners('connection');
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => {
      this.#keep(socket);
      ask(socket, () => {
        for (const listener of listeners) listener.call(server, socket);
      });
    });
    return server;
  }

  /** From its first moment on, and once only: it may be looked at again. */
  #keep(socket: Socket): void {
    if (this.#sockets.has(socket)) return;
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  }
}

/** As it came but for what asked for an upgrade: to be read once more. */
function headWithoutUpgrade({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? '').toLowerCase();
    if (name !== 'upgrade' && name !== 'http2-settings') lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`);
  }
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

/** With the next answer. HTTP/2 has its own way. */
function askToGo(request: Request, response: Response): void {
  if (request.httpVersionMajor === 1) (response as ServerResponse).shouldKeepAlive = false;
}
