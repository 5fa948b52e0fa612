/** The servers of the Ingress, HTTP/1.1 and HTTP/2, and what they know. Changes take effect between two requests: all of one, or none. */
import { createServer, type IncomingMessage } from 'node:http';
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import type { Server, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Endpoint } from './backends.ts';
import { carryUpgrade } from './carry-upgrade.ts';
import { Certificates, type KeyPair } from './certificates.ts';
import { RateLimits } from './rate-limits.ts';
import type { HostRoutes } from './route-table.ts';
import { carry, type Request, type Response, type TrafficContext } from './traffic.ts';
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
  /** From 0 to below 1. */
  random(): number;
  /** Of a clock that is never set. */
  nowMs(): number;
}

const KEEP_ALIVE_MS = 75_000;
const MOST_HEADER_BYTES = 32 * 1024;

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
    const { newRequestId, random, nowMs } = options;
    const limits = new RateLimits(nowMs);
    this.#context = { hosts: this.#hosts, upstreams: this.#upstreams, limits, newRequestId, random };
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
    const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, maxHeaderSize: MOST_HEADER_BYTES });
    return this.#carrying(server);
  }

  #secure(): Server {
    const server = createSecureServer({
      ...(this.#fallback && { cert: this.#fallback.certificate, key: this.#fallback.key }),
      allowHTTP1: true,
      SNICallback: (name, done) => done(null, this.#certificates.contextFor(this.#hosts, name)),
    });
    this.#secureServers.push(server);
    return this.#carrying(server);
  }

  #carrying<T extends Server>(server: T): T {
    server.on('request', (request: Request, response: Response) => {
      response.on('error', () => response.destroy()); // the client is gone
      void carry(request, response, this.#context);
    });
    server.on('upgrade', (request: IncomingMessage, client: Duplex, head: Buffer) => {
      void carryUpgrade(request, client, head, this.#context);
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
      server.once('error', reject);
      server.listen(at, () => {
        const address = server.address();
        resolve(typeof address === 'object' && address ? address.port : 0);
      });
    });
  }
}
