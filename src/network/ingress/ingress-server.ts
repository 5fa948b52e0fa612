/** Everything that listens for an Ingress and for Gateways, and what it knows. Changes take effect between two requests: all of one, or none. */
import { type Clock, sleep } from '#base/clock.ts';
import type { Random } from '#base/random.ts';
import type { SocketHandle } from '#base/socket-keeper.ts';
import type { Endpoint } from './backends.ts';
import { BasicAuths } from './basic-auth.ts';
import { Certificates, type KeyPair } from './certificates.ts';
import type { PortListeners } from './listeners.ts';
import type { ListeningAt } from './listening-sockets.ts';
import { PortServers } from './port-servers.ts';
import { type Limits, RateLimits } from './rate-limits.ts';
import type { HostRoutes } from './route-table.ts';
import type { TrafficContext } from './traffic.ts';
import type { TrafficRecord } from './traffic-record.ts';
import { Upstreams } from './upstreams.ts';

/** What is different from now on; null: it is gone. */
export interface TableChange {
  /** Of Ingresses, at the two ports that every one has. */
  hosts?: readonly (readonly [string, HostRoutes | null])[];
  /** Of Gateways. */
  ports?: readonly (readonly [number, PortListeners | null])[];
  endpoints?: readonly (readonly [string, readonly Endpoint[]])[];
  certificates?: readonly (readonly [string, KeyPair | null])[];
  /** Of Secrets: hashes by user. */
  users?: readonly (readonly [string, readonly [string, string][] | null])[];
  fallbackCertificate?: KeyPair;
}

export interface IngressServerOptions {
  httpPort: number;
  httpsPort: number;
  newRequestId(): string;
  random: Random;
  clock: Clock;
  record?: TrafficRecord;
  /** Absent: its own, for it is the only one. */
  limits?: Limits;
  /** Of somebody who keeps them. Absent: it opens its own. */
  socketAt?(at: ListeningAt): Promise<SocketHandle>;
  /** Told of what cannot be opened or shown. */
  onComplaint?(text: string): void;
}

/** What Ingresses and Gateways call them, wherever they are in a test. */
export const HTTP_PORT = 80;
export const HTTPS_PORT = 443;

export class IngressServer {
  readonly #options: IngressServerOptions;
  readonly #hosts = new Map<string, HostRoutes>();
  readonly #certificates = new Certificates();
  readonly #upstreams = new Upstreams();
  readonly #contexts = new Map<number, TrafficContext>();
  readonly #open = new Map<number, PortServers>();
  readonly #basicAuths = new BasicAuths();
  readonly #limits: Limits;
  #addresses: readonly string[] = [];
  #fallback: KeyPair | undefined;

  constructor(options: IngressServerOptions) {
    this.#options = options;
    this.#limits = options.limits ?? new RateLimits(() => options.clock.monotonicMs());
  }

  /** @returns what of it is no good, and left as it was. */
  change({ hosts = [], ports = [], endpoints = [], certificates = [], users = [], ...rest }: TableChange): string[] {
    const { fallbackCertificate } = rest;
    for (const [secret, list] of users) this.#basicAuths.put(secret, list);
    for (const [name, routes] of hosts) {
      if (routes) this.#hosts.set(name, routes);
      else this.#hosts.delete(name);
    }
    for (const [backend, found] of endpoints) this.#upstreams.put(backend, found);
    if (endpoints.length > 0) this.#upstreams.closeUnused();
    if (fallbackCertificate) this.#putFallback(fallbackCertificate);
    const complaints = certificates.flatMap(([id, pair]) => {
      const complaint = this.#certificates.put(id, pair ?? undefined);
      return complaint === undefined ? [] : [`${id}: ${complaint}`];
    });
    for (const [port, listeners] of ports) this.#putPort(port, listeners ?? undefined);
    if (ports.length > 0 || certificates.length > 0) this.#showToNameless();
    return complaints;
  }

  /** Resolves with the ports when all addresses are listened on. */
  async listen(addresses: readonly string[]): Promise<{ http: number; https: number }> {
    this.#addresses = addresses;
    const { httpPort, httpsPort } = this.#options;
    const http = await this.#openPort(HTTP_PORT, { isTls: false, at: httpPort });
    const https = await this.#openPort(HTTPS_PORT, { isTls: true, at: httpsPort });
    const known = [...this.#contexts].flatMap(([port, { port: listeners }]) =>
      listeners ? [[port, listeners] as const] : [],
    );
    for (const [port, listeners] of known) this.#putPort(port, listeners);
    return { http, https };
  }

  /** Takes no new connections; resolves when the last of the old ones has ended, or that long has passed. */
  async drain(withinMs: number): Promise<void> {
    const ended = Promise.all([...this.#open.values()].map((servers) => servers.drain()));
    const late = sleep(this.#options.clock, withinMs);
    await Promise.race([ended, late]);
  }

  /** Of clients. */
  get connections(): number {
    let count = 0;
    for (const servers of this.#open.values()) count += servers.connections;
    return count;
  }

  async close(): Promise<void> {
    for (const servers of this.#open.values()) servers.close();
    await this.#upstreams.close();
  }

  #contextAt(port: number): TrafficContext {
    let context = this.#contexts.get(port);
    if (!context) {
      const { newRequestId, random, clock, record } = this.#options;
      context = {
        hosts: port === HTTP_PORT || port === HTTPS_PORT ? this.#hosts : NO_HOSTS,
        port: undefined,
        upstreams: this.#upstreams,
        limits: this.#limits,
        basicAuths: this.#basicAuths,
        clock,
        newRequestId,
        random: () => random.next(),
        record,
      };
      this.#contexts.set(port, context);
    }
    return context;
  }

  #putPort(port: number, listeners: PortListeners | undefined): void {
    this.#contextAt(port).port = listeners;
    if (port === HTTP_PORT || port === HTTPS_PORT || this.#addresses.length === 0) return;
    const open = this.#open.get(port);
    if (open && open.isTls === listeners?.isTls) return;
    this.#open.delete(port);
    void open?.drain();
    if (!listeners) return;
    const { isTls } = listeners;
    turn() // the port is free from then on
      .then(async () => {
        // It may have changed again.
        if (this.#contextAt(port).port?.isTls === isTls && !this.#open.has(port))
          await this.#openPort(port, { isTls, at: port });
      })
      .catch((error: unknown) => this.#options.onComplaint?.(`cannot listen on port ${port}: ${error}`));
  }

  async #openPort(port: number, { isTls, at }: { isTls: boolean; at: number }): Promise<number> {
    const context = this.#contextAt(port);
    const { socketAt } = this.#options;
    const servers = new PortServers({
      isTls,
      context,
      pair: this.#certificates.pairForAny(context.port) ?? this.#fallback,
      certificateFor: (name) => this.#certificates.contextFor(context, name),
      ...(socketAt && { socketAt }),
    });
    this.#open.set(port, servers);
    let opened = 0;
    try {
      for (const host of this.#addresses) opened = await servers.open({ host, port: at });
    } catch (error) {
      void servers.drain(); // at others of the addresses it may be open
      if (this.#open.get(port) === servers) this.#open.delete(port); // the next change tries again
      throw error;
    }
    return opened;
  }

  /** For clients that name no host, or one without a certificate. */
  #putFallback(pair: KeyPair): void {
    this.#fallback = pair;
    this.#certificates.putFallback(pair);
    this.#showToNameless();
  }

  #showToNameless(): void {
    for (const [port, servers] of this.#open) {
      const pair = this.#certificates.pairForAny(this.#contexts.get(port)?.port) ?? this.#fallback;
      if (pair) servers.show(pair);
    }
  }
}

const NO_HOSTS: ReadonlyMap<string, HostRoutes> = new Map();

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => resolve()));
