/**
 * Tells load balancers whether this node has endpoints of a Service that keeps its traffic local: `/healthz` at the
 * Service's `healthCheckNodePort` is 200 with some, 503 with none. Source: API reference, Service; KEP-3458.
 */
import { createServer, type Server } from 'node:http';
import type * as schema from '#api/generated/schema.ts';
import type { Log } from '#base/log.ts';

export interface LocalEndpoints {
  namespace: string;
  name: string;
  /** How many distinct endpoints on this node are ready. */
  count: number;
}

/** The port to answer at; undefined for Services whose traffic goes anywhere. */
export const healthCheckPortOf = ({ spec }: schema.Service): number | undefined =>
  spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local'
    ? spec.healthCheckNodePort || undefined
    : undefined;

export class HealthChecks {
  readonly #log: Log;
  readonly #byService = new Map<string, { port: number; server: Server; endpoints: LocalEndpoints }>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** From now on the Service is answered for at this port. */
  put(key: string, port: number, endpoints: LocalEndpoints): void {
    const known = this.#byService.get(key);
    if (known?.port === port) {
      known.endpoints = endpoints;
      return;
    }
    this.remove(key);
    this.#byService.set(key, { port, server: this.#listen(key, port), endpoints });
  }

  has(key: string): boolean {
    return this.#byService.has(key);
  }

  remove(key: string): void {
    const known = this.#byService.get(key);
    if (!known) return;
    known.server.close();
    known.server.closeAllConnections();
    this.#byService.delete(key);
  }

  close(): void {
    for (const { server } of this.#byService.values()) {
      server.close();
      server.closeAllConnections();
    }
    this.#byService.clear();
  }

  #listen(key: string, port: number): Server {
    const server = createServer({ requestTimeout: 10_000 }, (request, response) => {
      const endpoints = this.#byService.get(key)?.endpoints;
      const { count = 0, namespace, name } = endpoints ?? {};
      request.resume();
      response.writeHead(count > 0 ? 200 : 503, {
        'content-type': 'application/json',
        'x-content-type-options': 'nosniff',
        'x-load-balancing-endpoint-weight': String(count),
      });
      const answer = { service: { namespace, name }, localEndpoints: count, serviceProxyHealthy: true };
      response.end(`${JSON.stringify(answer)}\n`);
    });
    server.on('error', (error) => {
      this.#log.warn('cannot answer health checks of a Service', { service: key, port, error: String(error) });
      server.close();
      // The next `put` tries again.
      if (this.#byService.get(key)?.server === server) this.#byService.delete(key);
    });
    return server.listen(port);
  }
}
