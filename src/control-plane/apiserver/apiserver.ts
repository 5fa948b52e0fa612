/**
 * The API server, put together: store, caches, verbs, who may do what. It serves components in the same process at once
 * (`pipeline`) and everybody else after `listen` (see `http/`). It makes no clock, log or key of its own.
 */
import { Node } from '#api/core/v1/node.ts';
import { setMaxListeners } from 'node:events';
import type { KindRegistry } from '#api/machinery/kind.ts';
import type { MutableKindRegistry } from '#api/machinery/kind-registry.ts';
import type { Clock } from '#base/clock.ts';
import { followOpened } from '#base/followable.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import { Client } from '#client/client.ts';
import type { Informers } from '#client/informer.ts';
import { SharedInformers } from '#client/informers.ts';
import { InProcessTransport } from '#client/transport/in-process.ts';
import type { RequestPipeline, UserInfo } from '#client/transport.ts';
import type { Storage } from '#control-plane/storage/storage.ts';
import { AdmissionChain } from './admission/chain.ts';
import type { AdmissionPlugin, ServiceEndpoint } from './admission/define-admission.ts';
import { WebhookClient } from './admission/webhooks/webhook-client.ts';
import { Aggregation } from './aggregation/aggregation.ts';
import type { Auditor } from './audit/auditor.ts';
import type { TokenAuthenticator } from './authentication/authenticator.ts';
import { MASTERS_GROUP } from './authentication/authenticator.ts';
import type { TokenIssuer } from './authentication/token-issuer.ts';
import type { Authorizer } from './authorization/authorizer.ts';
import {
  type ChosenAuthorizer,
  type ClusterAuthorizer,
  clusterAuthorizer,
} from './authorization/cluster-authorizer.ts';
import { WebhookConverter } from './conversion/webhook-converter.ts';
import { expireEvents } from './event-expiry.ts';
import { ensureBootstrapConfig, keepBootstrapConfig } from './flow-control/ensure-bootstrap-config.ts';
import { FlowControl } from './flow-control/flow-control.ts';
import { followConfiguration } from './flow-control/follow-configuration.ts';
import { inProcessPipeline } from './in-process.ts';
import { KindInstallation } from './kind-installation.ts';
import type { LiveLookup } from './live-lookup.ts';
import { AccessCounts } from './metrics/access-counts.ts';
import { Pipeline } from './pipeline.ts';
import { type Behaviour, behavioursOf, type NearKubelet, type VerbServices } from './registry/behaviour.ts';
import { allBehaviours } from './registry/behaviours.ts';
import { createCaches } from './registry/caches.ts';
import type { ComponentCheck } from './registry/component-statuses.ts';
import { ensureDefaultServiceCidr, keepDefaultServiceCidr } from './registry/default-service-cidr.ts';
import { resolveService } from './registry/resolve-service.ts';
import { removeUnasked } from './verbs/delete.ts';
import { Tunnels } from './tunnels/tunnels.ts';
import type { ServiceRanges } from './registry/service.ts';
import { repairServiceClaims } from './registry/service-claims.ts';
import { StoredObjects } from './registry/stored-objects.ts';

/** As whom the API server asks itself. */
export const LOOPBACK_USER: UserInfo = {
  name: 'system:apiserver',
  groups: [MASTERS_GROUP, 'system:authenticated'],
};

/** What parts of the API server that read the cluster get to work with. */
export interface Loopback {
  client: Client;
  informers: Informers;
  live: LiveLookup;
}

export interface ApiServerOptions {
  storage: Storage;
  kinds: MutableKindRegistry;
  clock: Clock;
  random: Random;
  log: Log;
  tokenIssuer: TokenIssuer;
  /** Who the bearer of a token is: for TokenReview, and for requests over HTTP. */
  tokens(loopback: Loopback): TokenAuthenticator;
  /** In the order in which they run. */
  admission(loopback: Loopback, authorization: ClusterAuthorizer): readonly AdmissionPlugin[];
  /** In place of masters, Node and RBAC: for tests. */
  authorizer?: Authorizer;
  /** Which authorizers are asked, in order; another list from some time on is followed. Unless told Node and RBAC. */
  authorizers?: () => readonly ChosenAuthorizer[];
  serviceRanges: ServiceRanges;
  componentChecks?: readonly ComponentCheck[];
  /** Of kinds that only some servers have. */
  behaviours?: readonly Behaviour[];
  /** Asked before a node's own address is dialled. */
  nearKubelet?: NearKubelet;
  /** PEM: by which other API servers know this one, signed by an authority of its own. */
  frontProxy?: { certificate: string; key: string };
  /** Closed by who made it, after this server. */
  auditor?: Auditor;
  /** How many seats priority and fairness shares among the levels. */
  seats?: number;
}

export interface ApiServer {
  /** For the in-process transport. */
  pipeline: RequestPipeline;
  /** For the HTTP transport. */
  requests: Pipeline;
  loopback: Loopback;
  tokens: TokenAuthenticator;
  authorization: ClusterAuthorizer;
  /** Who may begin, of those who come over HTTP. */
  flowControl: FlowControl;
  /** All that can be had through this server: what it serves itself, and what other API servers do. */
  kinds: KindRegistry;
  /**
   * Repairs what Services hold, serves what is defined, and resolves when authorisation and admission know the cluster.
   */
  ready(): Promise<void>;
  /** Ends watches and informers; the storage stays open. */
  close(): Promise<void>;
}

export function createApiServer(options: ApiServerOptions): ApiServer {
  const { storage, kinds, clock, random, log } = options;
  const stop = new AbortController();
  setMaxListeners(0, stop.signal); // every informer and every timer of this server ends with it
  const caches = createCaches({ storage, clock, log });
  const stored = new StoredObjects({ storage, caches });

  // The loopback asks the pipeline that is made from what asks the loopback; informers begin to ask at once.
  const made = deferred<Pipeline>();
  const requests = made.promise.then(inProcessPipeline);
  const early: RequestPipeline = {
    handle: async (request) => (await requests).handle(request),
    watch(request) {
      const opening = requests.then((opened) => opened.watch(request));
      return {
        [Symbol.asyncIterator]: async function* () {
          yield* await opening;
        },
        follow: (take) => followOpened(opening, take),
      };
    },
  };
  const client = new Client(new InProcessTransport(early, LOOPBACK_USER));
  const informers = new SharedInformers({ client, clock, random, signal: stop.signal, log });
  const loopback: Loopback = { client, informers, live: (kind, at) => stored.get(kind, at) };

  const accessCounts = new AccessCounts();
  const authorization = clusterAuthorizer(informers, {
    chosen: options.authorizers,
    isReplaced: options.authorizer !== undefined,
    decisions: accessCounts.decisions,
  });
  const authorizer = options.authorizer ?? authorization.authorizer;
  const tokens = options.tokens(loopback);
  const behaviours = behavioursOf([
    ...(options.behaviours ?? []),
    ...allBehaviours({
      serviceRanges: options.serviceRanges,
      tokenIssuer: options.tokenIssuer,
      reviews: { tokens, audiences: options.tokenIssuer.audiences, rules: authorization.rules },
      componentChecks: options.componentChecks ?? [],
    }),
  ]);
  const tunnels = new Tunnels({ nodes: () => informers.for(Node), clock, log: log.child({ component: 'tunnels' }) });
  const endpoint: ServiceEndpoint = async (service) => {
    const found = await resolveService(service, { stored, caches, random });
    return 'problem' in found ? found : { ...found, way: tunnels.wayTo(found) };
  };
  const admission = new AdmissionChain(options.admission(loopback, authorization), {
    informers,
    live: loopback.live,
    authorizer,
    clock,
    random,
    log: log.child({ component: 'admission' }),
    kinds,
    endpoint,
  });
  const { nearKubelet } = options;
  const services: VerbServices = {
    stored,
    caches,
    kinds,
    behaviours,
    admission,
    authorizer,
    clock,
    random,
    log,
    nearKubelet,
    tunnels,
  };
  const aggregation = new Aggregation({
    client,
    informers,
    kinds,
    endpoint,
    frontProxy: options.frontProxy,
    clock,
    random,
    log,
  });
  const pipeline = new Pipeline(services, { auditor: options.auditor, aggregation, accessCounts });
  made.resolve(pipeline);
  const flowControl = new FlowControl({
    clock,
    ...(options.seats !== undefined && { seats: options.seats }),
    size({ group, version, resource }) {
      const kind = kinds.byResource(group, version, resource);
      return kind && !kind.virtual ? caches.of(kind).size : undefined;
    },
  });
  followConfiguration({ flowControl, client, informers, clock, log, signal: stop.signal });
  const conversion = { client: new WebhookClient(), clock, random, endpoint };
  const installation = new KindInstallation({
    kinds,
    caches,
    client,
    informers,
    remove: (kind, at) => removeUnasked(kind, at, services),
    converterFor: (webhook) => new WebhookConverter(webhook, conversion),
    clock,
    log,
    signal: stop.signal,
  });

  return {
    pipeline: inProcessPipeline(pipeline),
    requests: pipeline,
    loopback,
    tokens,
    authorization,
    flowControl,
    kinds: aggregation.kinds,
    async ready() {
      const repaired = await repairServiceClaims(storage, services);
      if (repaired.added + repaired.removed > 0) log.info('repaired what Services hold', repaired);
      await installation.start();
      await aggregation.start();
      await ensureBootstrapConfig(client);
      keepBootstrapConfig({ client, informers, clock, log, signal: stop.signal });
      const cidrs = options.serviceRanges.clusterIps;
      await ensureDefaultServiceCidr(client, cidrs, clock);
      keepDefaultServiceCidr({ client, live: loopback.live, cidrs, clock, log, signal: stop.signal });
      expireEvents({ storage, caches, clock, log, signal: stop.signal });
      await informers.synced(stop.signal);
    },
    async close() {
      stop.abort();
      tunnels.close();
      aggregation.stop();
      await caches.close();
    },
  };
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
