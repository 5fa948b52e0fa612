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

interface Answering {
  server: Server;
  /** Of Services that want the port: the first is answered for. More than one only while one goes and another comes. */
  keys: string[];
}

export class HealthChecks {
  readonly #log: Log;
  readonly #byService = new Map<string, { port: number; endpoints: LocalEndpoints }>();
  readonly #byPort = new Map<number, Answering>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** From now on the Service is answered for at this port, or from when whoever has it lets go. */
  put(key: string, port: number, endpoints: LocalEndpoints): void {
    if (this.#byService.get(key)?.port !== port) this.remove(key);
    this.#byService.set(key, { port, endpoints });
    const answering = this.#byPort.get(port);
    if (!answering) this.#byPort.set(port, { server: this.#listen(port), keys: [key] });
    else if (!answering.keys.includes(key)) answering.keys.push(key);
  }

  has(key: string): boolean {
    return this.#byService.has(key);
  }

  remove(key: string): void {
    const port = this.#byService.get(key)?.port;
    this.#byService.delete(key);
    const answering = port === undefined ? undefined : this.#byPort.get(port);
    if (port === undefined || !answering) return;
    answering.keys = answering.keys.filter((other) => other !== key);
    if (answering.keys.length > 0) return;
    this.#byPort.delete(port);
    end(answering.server);
  }

  close(): void {
    for (const { server } of this.#byPort.values()) end(server);
    this.#byPort.clear();
    this.#byService.clear();
  }

  #listen(port: number): Server {
    const server = createServer({ requestTimeout: 10_000 }, (request, response) => {
      const [key = ''] = this.#byPort.get(port)?.keys ?? [];
      const { count = 0, namespace, name } = this.#byService.get(key)?.endpoints ?? {};
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
      const answering = this.#byPort.get(port);
      const isOurs = answering?.server === server;
      const services = isOurs ? answering.keys : [];
      this.#log.warn('cannot answer health checks of a Service', { services, port, error: String(error) });
      server.close();
      // The next `put` tries again.
      if (isOurs) this.#byPort.delete(port);
    });
    return server.listen(port);
  }
}

function end(server: Server): void {
  server.close();
  server.closeAllConnections();
}
