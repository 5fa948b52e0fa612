/** The HTTP side of an API server: ports, documents, health, streams, over one pipeline. */
import type { Authenticator } from '../authentication/authenticator.ts';
import type { TokenIssuer } from '../authentication/token-issuer.ts';
import { createDiscovery } from '../discovery/discovery.ts';
import { createOpenApi, type OpenApiOptions, schemaOfCustom } from '../openapi/openapi.ts';
import type { Pipeline } from '../pipeline.ts';
import { Forwarder, type KubeletCredentials } from '../streaming/forwarder.ts';
import { UpgradeHandler } from '../streaming/upgrade-handler.ts';
import type { HealthCheck } from './health.ts';
import { RequestHandler } from './request-handler.ts';
import { createRequestMetrics, type RequestMetrics } from './request-metrics.ts';
import { createServer, type HttpServer } from './server.ts';
import { KUBERNETES_VERSION } from './version.ts';

export interface ServeOptions {
  pipeline: Pipeline;
  authenticator: Authenticator;
  tokenIssuer: TokenIssuer;
  /** PEM. */
  certificate: string;
  key: string;
  clientCaCertificate: string;
  kubelet: KubeletCredentials;
  checks: readonly HealthCheck[];
  openApi?: Omit<OpenApiOptions, 'version'>;
  /** `host:port` under which clients reach this server. */
  serverAddress(): string;
  /** Where others (controllers, scheduler) add what they measure. */
  metrics?: RequestMetrics;
}

/** Ready to listen. */
export function serveHttp(options: ServeOptions): HttpServer {
  const { pipeline, kubelet, certificate, key, clientCaCertificate, openApi } = options;
  const { kinds, clock, log } = pipeline.services;
  const metrics = options.metrics ?? createRequestMetrics();
  const forwarder = new Forwarder(kubelet);
  const requests = new RequestHandler({
    ...options,
    forwarder,
    metrics,
    discovery: createDiscovery(kinds),
    openApi: createOpenApi(kinds, { customSchema: schemaOfCustom, ...openApi, version: KUBERNETES_VERSION.gitVersion }),
    clock,
    log,
  });
  const upgrades = new UpgradeHandler({ requests, pipeline, forwarder, metrics, clock, log });
  const server = createServer({
    certificate,
    key,
    clientCaCertificate,
    serve: (exchange) => void requests.serve(exchange),
    upgrade: (request, socket, head) => void upgrades.serve(request, socket, head),
    clock,
    log,
  });
  return {
    listen: server.listen,
    async close(graceMs) {
      requests.endWatches();
      await server.close(graceMs);
      forwarder.close();
    },
  };
}
