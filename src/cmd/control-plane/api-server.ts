/** The API server of a cluster: who it takes for whom, what it admits, and where it listens. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MutableKindRegistry } from '#api/machinery/kind-registry.ts';
import type { Log } from '#base/log.ts';
import { defaultAdmission } from '#control-plane/apiserver/admission/chain.ts';
import { type ApiServer, createApiServer } from '#control-plane/apiserver/apiserver.ts';
import type { OutsideSigner } from '#control-plane/apiserver/authentication/outside-signer.ts';
import { TokenIssuer } from '#control-plane/apiserver/authentication/token-issuer.ts';
import type { DebugPages } from '#control-plane/apiserver/http/debug-pages.ts';
import type { HealthCheck } from '#control-plane/apiserver/http/health.ts';
import { type ServeOptions, serveHttp } from '#control-plane/apiserver/http/serve.ts';
import { registerStorageSize } from '#control-plane/apiserver/metrics/storage-size.ts';
import { lazyDescriptions } from '#control-plane/apiserver/openapi/descriptions.ts';
import type { Behaviour, NearKubelet } from '#control-plane/apiserver/registry/behaviour.ts';
import type { ComponentCheck } from '#control-plane/apiserver/registry/component-statuses.ts';
import type { Storage } from '#control-plane/storage/storage.ts';
import type { ClusterRecord } from '#node/machine/cluster-dir.ts';
import { planFor } from '#node/machine/slots.ts';
import { apiServerIdentity, frontProxyIdentity, kubeletClientIdentity } from '../pki/cluster-identities.ts';
import type { Pki } from '../pki/pki.ts';
import { systemClock, systemRandom } from '../system-clock.ts';
import { chosenPlugins } from './admission.ts';
import { ApiServerFlags, FlagError } from './api-server-flags.ts';
import { openAudit } from './audit.ts';
import { type Authentication, openAuthentication } from './authentication.ts';
import { openAuthorization } from './authorization.ts';
import { openEncryption } from './encryption.ts';
import { expressions } from './expressions.ts';

const CLUSTER_DOMAIN = 'cluster.local';
const NODE_PORTS = { from: 30_000, to: 32_767 }; // upstream's --service-node-port-range

export interface ApiServerServices {
  /** See ServeOptions. */
  debug?: DebugPages;
  cluster: ClusterRecord;
  pki: Pki;
  storage: Storage;
  kinds: MutableKindRegistry;
  log: Log;
  /** Of kinds that are not in the catalog. */
  behaviours: readonly Behaviour[];
  nearKubelet: NearKubelet;
}

export interface ListeningApiServer extends Pick<ApiServer, 'pipeline' | 'loopback' | 'kinds' | 'ready'> {
  tokenIssuer: TokenIssuer;
  /** On addresses that this machine has not had so far: they come with the first node. */
  listenForNodes(): Promise<void>;
  /** From now on /readyz says so. */
  announceReady(): void;
  close(graceMs: number): Promise<void>;
}

/** Listens on loopback, on the cluster's bridge where there is one, and where its owner asked for it. */
export async function openApiServer(services: ApiServerServices): Promise<ListeningApiServer> {
  const { cluster, pki, kinds, log } = services;
  const plan = planFor(cluster);
  const { defaultTolerationSeconds: seconds } = cluster.settings;
  const flags = new ApiServerFlags(cluster.settings.apiServer);
  const signer = await outsideSignerOf(flags, log);
  const tokenIssuer = tokenIssuerOf(services, signer);
  const outside = { flags, expressions, clock: systemClock, random: systemRandom, log };
  const authentication = openAuthentication({ ...outside, pki, tokenIssuer });
  const authorization = openAuthorization(outside);
  const chosen = chosenPlugins(flags);
  const auditor = openAudit(outside);
  const encryption = await openEncryption(services.storage, { flags, log });
  const { storage } = encryption;
  let isReady = false;
  const apiServer = createApiServer({
    storage,
    kinds,
    clock: systemClock,
    random: systemRandom,
    log,
    tokenIssuer,
    tokens: authentication.tokens,
    authorizers: authorization.authorizers,
    admission: (loopback, { rbac }) =>
      defaultAdmission({
        rbac,
        loopback,
        chosen,
        ...(seconds !== undefined && { tolerationSeconds: { notReadySeconds: seconds, unreachableSeconds: seconds } }),
      }),
    serviceRanges: { clusterIps: plan.serviceRanges, nodePorts: NODE_PORTS },
    seats: seatsOf(flags),
    behaviours: services.behaviours,
    nearKubelet: services.nearKubelet,
    componentChecks: componentChecks(storage, () => isReady),
    ...(auditor && { auditor }),
    frontProxy: pki.issueFrontProxyClient('front-proxy-client', frontProxyIdentity),
  });
  const parts = { apiServer, authentication, tokenIssuer, storage, isReady: () => isReady, checks: encryption.checks };
  const http = serveHttp({ ...httpOptions(services, parts), ...edgesOf(flags) });
  if (auditor) auditor.registerMetrics(http.metrics);
  authentication.registerMetrics(http.metrics);
  signer?.counts.registerMetrics(http.metrics);
  registerStorageSize(http.metrics, storage);
  await http.listen({ host: '127.0.0.1', port: cluster.apiServerPort });
  const absent = new Set(plan.hostAddresses);
  const listenForNodes = async () => {
    for (const host of absent)
      if (await listensUnlessAbsent(() => http.listen({ host, port: cluster.apiServerPort }))) absent.delete(host);
  };
  await listenForNodes();
  for (const host of cluster.listen ?? []) await http.listen({ host, port: cluster.apiServerPort });
  log.info('the API server listens', { port: cluster.apiServerPort });
  return {
    pipeline: apiServer.pipeline,
    loopback: apiServer.loopback,
    tokenIssuer,
    kinds: apiServer.kinds,
    listenForNodes,
    ready: () => apiServer.ready(),
    announceReady() {
      isReady = true;
    },
    async close(graceMs) {
      isReady = false;
      await http.close(graceMs);
      await apiServer.close();
      authentication.close();
      authorization.close();
      encryption.close();
      signer?.close();
      await auditor?.close();
    },
  };
}

/** Without nodes of its own a cluster has no bridge, and so nobody who would ask there. */
async function listensUnlessAbsent(listen: () => Promise<unknown>): Promise<boolean> {
  try {
    await listen();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRNOTAVAIL') throw error;
    return false;
  }
}

/** Of priority and fairness: what both limits allow together. */
const seatsOf = (flags: ApiServerFlags): number =>
  flags.count('max-requests-inflight', 400) + flags.count('max-mutating-requests-inflight', 200);

function edgesOf(flags: ApiServerFlags): Partial<ServeOptions> {
  const goawayChance = Number(flags.text('goaway-chance', '0'));
  if (!(goawayChance >= 0 && goawayChance <= 0.02))
    throw new FlagError('--goaway-chance can not be less than 0 or greater than 0.02');
  return {
    requestTimeoutMs: flags.milliseconds('request-timeout', 60_000),
    shutdownDelayMs: flags.milliseconds('shutdown-delay-duration', 0),
    goawayChance,
  };
}

interface HttpParts {
  storage: Storage;
  apiServer: ApiServer;
  authentication: Authentication;
  tokenIssuer: TokenIssuer;
  isReady: () => boolean;
  checks: readonly HealthCheck[];
}

/** Under upstream's names. Controllers and scheduler live and die with this process. */
function componentChecks(storage: Storage, isReady: () => boolean): ComponentCheck[] {
  const inProcess = async () => {
    if (!isReady()) throw new Error('not started yet');
    return 'ok';
  };
  const stored = async () => {
    await storage.currentRevision();
    return 'ok';
  };
  return [
    { name: 'controller-manager', check: inProcess },
    { name: 'scheduler', check: inProcess },
    { name: 'etcd-0', check: stored },
  ];
}

/** What upstream's server does in its own time, and this one before it is ready. */
const DONE_WHEN_READY = ['poststarthook/rbac/bootstrap-roles', 'autoregister-completion'];

function httpOptions(
  { cluster, pki, debug }: ApiServerServices,
  { apiServer, authentication, tokenIssuer, storage, isReady, checks }: HttpParts,
): ServeOptions {
  const plan = planFor(cluster);
  const addresses = [...plan.hostAddresses, ...plan.kubernetesAddresses, ...(cluster.listen ?? [])];
  const pair = pki.issueServer('apiserver', apiServerIdentity({ clusterDomain: CLUSTER_DOMAIN, addresses }));
  const kubelet = pki.issueClient('apiserver-kubelet-client', kubeletClientIdentity);
  return {
    pipeline: apiServer.requests,
    authenticator: authentication.authenticator(apiServer.tokens),
    tokenIssuer,
    flowControl: apiServer.flowControl,
    ...pair,
    clientCaCertificate: authentication.clientAuthorities,
    kubelet: { ...kubelet, ca: pki.caCertificate },
    checks: [
      { name: 'ping', of: ['healthz', 'livez', 'readyz'], check: () => undefined },
      {
        name: 'etcd', // upstream's name for the store
        of: ['healthz', 'livez', 'readyz'],
        check: async () => void (await storage.currentRevision()),
      },
      {
        name: 'informer-sync',
        of: ['readyz'],
        check: () => apiServer.loopback.informers.synced(AbortSignal.abort(new Error('informers have not listed yet'))),
      },
      ...checks,
      ...DONE_WHEN_READY.map(
        (name): HealthCheck => ({
          name,
          of: ['readyz'],
          check() {
            if (!isReady()) throw new Error('not finished');
          },
        }),
      ),
    ],
    ...(debug && { debug }),
    flags: cluster.settings.apiServer ?? {},
    openApi: { descriptions: lazyDescriptions(DESCRIPTIONS) },
    serverAddress: () => `127.0.0.1:${cluster.apiServerPort}`,
  };
}

/** Written beside the program when it is built. */
const DESCRIPTIONS = join(programFolder(), 'descriptions.json.gz');

function programFolder(): string {
  const folder = dirname(fileURLToPath(import.meta.url));
  return folder.endsWith('chunks') ? dirname(folder) : folder;
}

const SIGNER = 'service-account-signing-endpoint';

/** undefined: the server signs itself. Throws FlagError. */
async function outsideSignerOf(flags: ApiServerFlags, log: Log): Promise<OutsideSigner | undefined> {
  if (!flags.has(SIGNER)) return undefined;
  // gRPC is loaded only where somebody is spoken to.
  const { openOutsideSigner } = await import('#control-plane/apiserver/authentication/outside-signer.ts');
  return openOutsideSigner({ endpoint: flags.text(SIGNER), clock: systemClock, log }).catch((error: Error) => {
    throw new FlagError(`--${SIGNER}: ${error.message}`);
  });
}

function tokenIssuerOf({ cluster, pki }: ApiServerServices, signer: OutsideSigner | undefined): TokenIssuer {
  const issuer = `https://kubernetes.default.svc.${CLUSTER_DOMAIN}`;
  const [host] = planFor(cluster).hostAddresses;
  return new TokenIssuer({
    ...(signer ? { signer } : { privateKey: pki.serviceAccountKey.privateKey }),
    issuer,
    jwksUri: `https://${host}:${cluster.apiServerPort}/openid/v1/jwks`,
    clock: systemClock,
  });
}
