/** The HTTP side of an API server: ports, documents, health, streams, over one pipeline. */
import { sleep } from '#base/clock.ts';
import { registerPolicyMetrics } from '../admission/policies/policy-metrics.ts';
import { registerWebhookMetrics } from '../admission/webhooks/webhook-metrics.ts';
import { registerAggregationMetrics } from '../aggregation/aggregation-metrics.ts';
import type { Authenticator } from '../authentication/authenticator.ts';
import type { TokenIssuer } from '../authentication/token-issuer.ts';
import { registerDeprecatedUse } from '../deprecated-use.ts';
import { createDiscovery } from '../discovery/discovery.ts';
import type { FlowControl } from '../flow-control/flow-control.ts';
import { registerFlowMetrics } from '../flow-control/flow-metrics.ts';
import { registerAccessMetrics } from '../metrics/access-counts.ts';
import { HealthResults } from '../metrics/health-results.ts';
import { registerBuildInfo, registerObjectMetrics } from '../metrics/object-metrics.ts';
import { createOpenApi, type OpenApiOptions, schemaOfCustom } from '../openapi/openapi.ts';
import type { Pipeline } from '../pipeline.ts';
import { Forwarder, type KubeletCredentials } from '../streaming/forwarder.ts';
import { UpgradeHandler } from '../streaming/upgrade-handler.ts';
import type { DebugPages } from './debug-pages.ts';
import type { HealthCheck } from './health.ts';
import { Lifecycle } from './lifecycle.ts';
import { RequestDeadlines } from './request-deadlines.ts';
import { RequestHandler } from './request-handler.ts';
import { createRequestMetrics, type RequestMetrics } from './request-metrics.ts';
import { createServer, type HttpServer } from './server.ts';
import { KUBERNETES_VERSION, versionInfo } from './version.ts';

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
  flowControl: FlowControl;
  debug?: DebugPages;
  /** With which this server was started: `/flagz`. */
  flags?: Readonly<Record<string, string>>;
  /** How long requests have that do not last by their nature. Upstream: --request-timeout. */
  requestTimeoutMs?: number;
  /** How long requests are taken after /readyz has begun to fail. Upstream: --shutdown-delay-duration. */
  shutdownDelayMs?: number;
  /** Of a request to have its HTTP/2 client come back on another connection. Upstream: --goaway-chance. */
  goawayChance?: number;
}

export interface ServedHttp extends HttpServer {
  /** What /metrics says; others may add to it. */
  metrics: RequestMetrics['registry'];
}

/** Ready to listen. */
export function serveHttp(options: ServeOptions): ServedHttp {
  const { pipeline, kubelet, certificate, key, clientCaCertificate, openApi, goawayChance = 0 } = options;
  const { kinds, clock, random, log } = pipeline.services;
  const metrics = options.metrics ?? createRequestMetrics();
  registerFlowMetrics(metrics.registry, options.flowControl);
  registerPolicyMetrics(metrics.registry, pipeline.services.admission.policyChecks);
  pipeline.services.admission.times.registerMetrics(metrics.registry);
  registerAccessMetrics(metrics.registry, pipeline.accessCounts);
  registerWebhookMetrics(metrics.registry, pipeline.services.admission.webhookCalls);
  registerAggregationMetrics(metrics.registry, pipeline.aggregation);
  registerDeprecatedUse(metrics.registry, pipeline.deprecatedUse);
  registerObjectMetrics(metrics.registry, pipeline.services);
  registerBuildInfo(metrics.registry, versionInfo());
  const { tunnels } = pipeline.services;
  const forwarder = new Forwarder(kubelet, tunnels);
  const lifecycle = new Lifecycle();
  const requests = new RequestHandler({
    ...options,
    checks: [...options.checks, lifecycle.check],
    forwarder,
    metrics,
    healthResults: new HealthResults(clock.now()),
    startedMs: clock.now(),
    lifecycle,
    deadlines: new RequestDeadlines(clock, options.requestTimeoutMs),
    discovery: createDiscovery(kinds, pipeline.aggregation.discovery),
    openApi: createOpenApi(
      kinds,
      { customSchema: schemaOfCustom, ...openApi, version: KUBERNETES_VERSION.gitVersion },
      pipeline.aggregation.openApi,
    ),
    clock,
    log,
  });
  const upgrades = new UpgradeHandler({ requests, pipeline, forwarder, tunnels, metrics, clock, log });
  const server = createServer({
    certificate,
    key,
    clientCaCertificate,
    serve: goawayChance
      ? (exchange) => {
          if (random.next() < goawayChance) exchange.sendElsewhere();
          void requests.serve(exchange);
        }
      : (exchange) => void requests.serve(exchange),
    upgrade: (request, socket, head) => void upgrades.serve(request, socket, head),
    clock,
    log,
  });
  return {
    listen: server.listen,
    metrics: metrics.registry,
    async close(graceMs) {
      lifecycle.isShuttingDown = true;
      if (options.shutdownDelayMs) await sleep(clock, options.shutdownDelayMs);
      lifecycle.isDraining = true;
      requests.endWatches();
      await server.close(graceMs);
      forwarder.close();
    },
  };
}
