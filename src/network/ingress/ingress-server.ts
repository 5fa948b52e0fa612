/** The servers of the Ingress, HTTP/1.1 and HTTP/2, and what they know. Changes take effect between two requests: all of one, or none. */
import { createServer, type Server as HttpServer, type IncomingMessage } from 'node:http';
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import type { Server, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Clock, sleep } from '#base/clock.ts';
import type { Random } from '#base/random.ts';
import type { Request } from './arrival.ts';
import type { Endpoint } from './backends.ts';
import { carryUpgrade } from './carry-upgrade.ts';
import { Certificates, type KeyPair } from './certificates.ts';
import { RateLimits } from './rate-limits.ts';
import type { HostRoutes } from './route-table.ts';
import { carry, type Response, type TrafficContext } from './traffic.ts';
import { Upstreams } from './upstreams.ts';

/** What is different from now on; null: it is gone. */
export interface TableChange {
  hosts?: readonly (readonly [string, HostRoutes | null])[];
  endpoints?: readonly (readonly [string, readonly Endpoint[]])[];
  certificates?: readonly (readonly [string, KeyPair | null])[];
  fallbackCertificate?: KeyPair;
}

export interface IngressServerOptions {
  httpPort: number;
  httpsPort: number;
  newRequestId(): string;
  random: Random;
  clock: Clock;
}

const KEEP_ALIVE_MS = 75_000;
/** Until a head must be whole. A body may take as long as it comes. */
const HEADERS_MS = 60_000;
const MOST_HEADER_BYTES = 32 * 1024;
/** At a time and connection. */
const MOST_STREAMS = 128;

export class IngressServer {
  readonly #hosts = new Map<string, HostRoutes>();
  readonly #certificates = new Certificates();
  readonly #upstreams = new Upstreams();
  readonly #servers: Server[] = [];
  readonly #secureServers: Http2SecureServer[] = [];
  readonly #sockets = new Set<Socket>();
  #fallback: KeyPair | undefined;
  readonly #context: TrafficContext;
  readonly #options: IngressServerOptions;

  constructor(options: IngressServerOptions) {
    this.#options = options;
    const { newRequestId, random, clock } = options;
    const limits = new RateLimits(() => clock.monotonicMs());
    this.#context = {
      hosts: this.#hosts,
      upstreams: this.#upstreams,
      limits,
      clock,
      newRequestId,
      random: () => random.next(),
    };
  }

  /** @returns what of it is no good, and left as it was. */
  change({ hosts = [], endpoints = [], certificates = [], fallbackCertificate }: TableChange): string[] {
    for (const [name, routes] of hosts) {
      if (routes) this.#hosts.set(name, routes);
      else this.#hosts.delete(name);
    }
    for (const [backend, found] of endpoints) this.#upstreams.put(backend, found);
    if (endpoints.length > 0) this.#upstreams.closeUnused();
    if (fallbackCertificate) this.#putFallback(fallbackCertificate);
    return certificates.flatMap(([id, pair]) => {
      const complaint = this.#certificates.put(id, pair ?? undefined);
      return complaint === undefined ? [] : [`${id}: ${complaint}`];
    });
  }

  /** Resolves with the ports when all addresses are listened on. */
  async listen(addresses: readonly string[]): Promise<{ http: number; https: number }> {
    const { httpPort, httpsPort } = this.#options;
    const ports = { http: 0, https: 0 };
    for (const host of addresses) {
      ports.http = await this.#open(this.#plain(), { host, port: httpPort });
      ports.https = await this.#open(this.#secure(), { host, port: httpsPort });
    }
    return ports;
  }

  /** Takes no new connections; resolves when the last of the old ones has ended, or that long has passed. */
  async drain(withinMs: number): Promise<void> {
    const ended = Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
    for (const server of this.#servers) (server as Partial<HttpServer>).closeIdleConnections?.();
    const late = sleep(this.#options.clock, withinMs);
    await Promise.race([ended, late]);
  }

  async close(): Promise<void> {
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
    await this.#upstreams.close();
  }

  /** For clients that name no host, or one without a certificate. */
  #putFallback(pair: KeyPair): void {
    this.#fallback = pair;
    this.#certificates.putFallback(pair);
    for (const server of this.#secureServers) server.setSecureContext({ cert: pair.certificate, key: pair.key });
  }

  #plain(): Server {
    const server = createServer({
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: HEADERS_MS,
      requestTimeout: 0,
      maxHeaderSize: MOST_HEADER_BYTES,
    });
    return this.#carrying(server);
  }

  #secure(): Server {
    const server = createSecureServer({
      ...(this.#fallback && { cert: this.#fallback.certificate, key: this.#fallback.key }),
      allowHTTP1: true,
      ...{ maxHeaderSize: MOST_HEADER_BYTES }, // for HTTP/1.1; the types do not know it
      settings: { maxConcurrentStreams: MOST_STREAMS },
      SNICallback: (name, done) => done(null, this.#certificates.contextFor(this.#hosts, name)),
    });
    // Those that speak HTTP/1.1 there are kept as long as the others.
    Object.assign(server, { keepAliveTimeout: KEEP_ALIVE_MS, headersTimeout: HEADERS_MS });
    server.on('session', (session) => session.setTimeout(KEEP_ALIVE_MS, () => session.close()));
    server.on('secureConnection', (socket) => socket.setMaxListeners(0)); // one carries many requests at a time
    this.#secureServers.push(server);
    return this.#carrying(server);
  }

  #carrying<T extends Server>(server: T): T {
    server.on('request', (request: Request, response: Response) => {
      response.on('error', () => response.destroy()); // the client is gone
      carry(request, response, this.#context);
    });
    server.on('upgrade', (request: IncomingMessage, client: Duplex, head: Buffer) => {
      carryUpgrade(request, client, head, this.#context).catch(() => client.destroy());
    });
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      socket.on('error', () => socket.destroy());
    });
    return server;
  }

  #open(server: Server, at: { host: string; port: number }): Promise<number> {
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.on('error', reject); // after it listens, what goes wrong with it is one connection's
      server.listen(at, () => {
        const address = server.address();
        resolve(typeof address === 'object' && address ? address.port : 0);
      });
    });
  }
}
