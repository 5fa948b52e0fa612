/** Connections to the pods behind Services: kept and used again, and the choice of the next one. */
import { Client } from 'undici';
import { at, type Endpoint } from './backends.ts';
import { Http2Upstreams } from './http2-upstreams.ts';
import type { RouteOptions } from './route-options.ts';
import { UnreachableEndpoints } from './unreachable-endpoints.ts';

/** Less than servers usually wait, so that they do not close just when a request is on its way. */
const KEEP_ALIVE_MS = 4_000;
const ELSEWHERE_CONNECT_MS = 5_000;
/** Of one endpoint, that wait for the next request. */
const MOST_IDLE = 1_024;

/** How an endpoint is reached. */
export type Reach = Pick<RouteOptions, 'backendProtocol' | 'connectTimeoutMs'>;

export class Upstreams {
  readonly http2 = new Http2Upstreams();
  readonly unreachable = new UnreachableEndpoints();
  #endpoints = new Map<string, readonly Endpoint[]>();
  readonly #turns = new Map<string, number>();
  readonly #pools = new Map<string, Connections>();
  readonly #origins = new Map<string, Connections>();
  /** The pool that each endpoint was last asked by: a text need not be made for each request. */
  #lastPools = new WeakMap<Endpoint, { reach: Reach; pool: Connections }>();

  put(backend: string, endpoints: readonly Endpoint[]): void {
    if (endpoints.length > 0) this.#endpoints.set(backend, endpoints);
    else this.#endpoints.delete(backend);
  }

  /** Connections to pods that are no endpoint any more end when their last answer has. */
  closeUnused(): void {
    const used = new Set([...this.#endpoints.values()].flat().map(at));
    for (const [key, pool] of this.#pools) {
      if (used.has(key.split(' ')[0] ?? '')) continue;
      this.#pools.delete(key);
      this.#lastPools = new WeakMap();
      pool.close();
    }
    this.http2.closeUnused((key) => used.has(key));
    this.unreachable.forget((key) => used.has(key));
  }

  has(backend: string): boolean {
    return this.#endpoints.has(backend);
  }

  /** The next ones in turn, at most so many. Empty: nobody is there. */
  next(backend: string, most: number): readonly Endpoint[] {
    const endpoints = this.#endpoints.get(backend);
    if (!endpoints) return [];
    const count = endpoints.length;
    if (count === 1) return endpoints;
    const turn = (this.#turns.get(backend) ?? 0) % count;
    this.#turns.set(backend, turn + 1);
    const chosen: Endpoint[] = [];
    for (let i = 0; i < count && i < most; i++) chosen.push(endpoints[(turn + i) % count] as Endpoint);
    return chosen;
  }

  /** Every endpoint once, beginning with the next one in turn. */
  inTurn(backend: string): readonly Endpoint[] {
    return this.next(backend, Number.POSITIVE_INFINITY);
  }

  connectionsTo(endpoint: Endpoint, reach: Reach): Connections {
    const last = this.#lastPools.get(endpoint);
    if (last?.reach === reach) return last.pool;
    const pool = this.#poolOf(endpoint, reach);
    this.#lastPools.set(endpoint, { reach, pool });
    return pool;
  }

  #poolOf(endpoint: Endpoint, { backendProtocol, connectTimeoutMs }: Reach): Connections {
    const key = `${at(endpoint)} ${backendProtocol} ${connectTimeoutMs}`;
    let pool = this.#pools.get(key);
    if (!pool) {
      const scheme = backendProtocol === 'https' || backendProtocol === 'grpcs' ? 'https' : 'http';
      pool = new Connections(`${scheme}://${at(endpoint)}`, connectTimeoutMs);
      this.#pools.set(key, pool);
    }
    return pool;
  }

  /** For who is no pod: by its name. They stay as long as this process. */
  connectionsToOrigin(origin: string): Connections {
    let pool = this.#origins.get(origin);
    if (!pool) {
      pool = new Connections(origin, ELSEWHERE_CONNECT_MS);
      this.#origins.set(origin, pool);
    }
    return pool;
  }

  async close(): Promise<void> {
    this.http2.close();
    await Promise.all([...this.#pools.values(), ...this.#origins.values()].map((pool) => pool.destroy()));
  }
}

/** To one endpoint: the one that was used last is taken first, so that those that are too many fall silent and end. */
export class Connections {
  readonly #origin: string;
  readonly #connectTimeoutMs: number;
  readonly #idle: Client[] = [];
  readonly #busy = new Set<Client>();
  #isClosed = false;

  constructor(origin: string, connectTimeoutMs: number) {
    this.#origin = origin;
    this.#connectTimeoutMs = connectTimeoutMs;
  }

  /** For one request; to be given back when it has ended. */
  take(): Client {
    const client = this.#idle.pop() ?? this.#connect();
    this.#busy.add(client);
    return client;
  }

  giveBack(client: Client): void {
    this.#busy.delete(client);
    if (this.#isClosed || this.#idle.length >= MOST_IDLE) void client.close().catch(() => undefined);
    else this.#idle.push(client);
  }

  #connect(): Client {
    const client = new Client(this.#origin, {
      // As ingress-nginx does: what is inside the cluster shows certificates that nobody outside can check.
      connect: { timeout: this.#connectTimeoutMs, rejectUnauthorized: false },
      keepAliveTimeout: KEEP_ALIVE_MS,
      pipelining: 1,
    });
    client.on('disconnect', () => {
      const at = this.#idle.indexOf(client);
      if (at < 0) return; // in use: whoever uses it hears of it
      this.#idle.splice(at, 1);
      void client.close().catch(() => undefined);
    });
    return client;
  }

  close(): void {
    this.#isClosed = true;
    for (const client of this.#idle.splice(0)) void client.close().catch(() => undefined);
  }

  async destroy(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#idle.splice(0), ...this.#busy].map((client) => client.destroy()));
  }
}
