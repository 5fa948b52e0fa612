/** Connections to the pods behind Services: kept and used again, and the choice of the next one. */
import { Pool } from 'undici';
import type { Endpoint } from './backends.ts';
import type { RouteOptions } from './route-options.ts';

/** Less than servers usually wait, so that they do not close just when a request is on its way. */
const KEEP_ALIVE_MS = 4_000;

export class Upstreams {
  #endpoints = new Map<string, readonly Endpoint[]>();
  readonly #turns = new Map<string, number>();
  readonly #pools = new Map<string, Pool>();

  put(backend: string, endpoints: readonly Endpoint[]): void {
    if (endpoints.length > 0) this.#endpoints.set(backend, endpoints);
    else this.#endpoints.delete(backend);
  }

  /** Connections to pods that are no endpoint any more end when their last answer has. */
  closeUnused(): void {
    const used = new Set([...this.#endpoints.values()].flat().map(({ address, port }) => at(address, port)));
    for (const [key, pool] of this.#pools) {
      if (used.has(key.split(' ')[0] ?? '')) continue;
      this.#pools.delete(key);
      void pool.close();
    }
  }

  has(backend: string): boolean {
    return this.#endpoints.has(backend);
  }

  /** Every endpoint once, beginning with the next one in turn. Empty: nobody is there. */
  inTurn(backend: string): Endpoint[] {
    const endpoints = this.#endpoints.get(backend) ?? [];
    const turn = (this.#turns.get(backend) ?? 0) % Math.max(1, endpoints.length);
    this.#turns.set(backend, turn + 1);
    return [...endpoints.slice(turn), ...endpoints.slice(0, turn)];
  }

  poolOf({ address, port }: Endpoint, { backendProtocol, connectTimeoutMs }: RouteOptions): Pool {
    const key = `${at(address, port)} ${backendProtocol} ${connectTimeoutMs}`;
    let pool = this.#pools.get(key);
    if (!pool) {
      pool = new Pool(`${backendProtocol}://${at(address, port)}`, {
        // As ingress-nginx does: what is inside the cluster shows certificates that nobody outside can check.
        connect: { timeout: connectTimeoutMs, rejectUnauthorized: false },
        keepAliveTimeout: KEEP_ALIVE_MS,
        pipelining: 1,
      });
      this.#pools.set(key, pool);
    }
    return pool;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()));
  }
}

/** As in a URL. */
export const at = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
