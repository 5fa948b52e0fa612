/** The control plane, put together. The order of starting is the order in which each part needs the one before. */
import { createHmac } from 'node:crypto';
import { bodies, catalog } from '#api/catalog.ts';
import { Node } from '#api/core/v1/node.ts';
import { GATEWAY_CONTROLLER } from '#api/gateway/v1/kedge-gateway.ts';
import type { KindRegistry } from '#api/machinery/kind.ts';
import { createKindRegistry } from '#api/machinery/kind-registry.ts';
import { metricsKinds } from '#api/metrics/v1beta1/resource-metrics.ts';
import { INGRESS_CONTROLLER } from '#api/networking/v1/kedge-ingress.ts';
import type { Log } from '#base/log.ts';
import { InProcessTransport } from '#client/transport/in-process.ts';
import type { Transport, UserInfo } from '#client/transport.ts';
import { ensureSystemPriorityClasses } from '#control-plane/apiserver/admission/system-priority-classes.ts';
import { ensureExtensionAuthentication } from '#control-plane/apiserver/aggregation/extension-authentication.ts';
import type { TokenIssuer } from '#control-plane/apiserver/authentication/token-issuer.ts';
import { ensureBootstrapObjects } from '#control-plane/apiserver/authorization/ensure-bootstrap-objects.ts';
import type { DebugPage } from '#control-plane/apiserver/http/debug-pages.ts';
import { resourceMetricsBehaviours } from '#control-plane/apiserver/registry/resource-metrics.ts';
import { graphOf } from '#control-plane/controllers/controller-graph.ts';
import { rulesOf } from '#control-plane/controllers/controller-roles.ts';
import type { Controller } from '#control-plane/controllers/define-controller.ts';
import { ownerScalesOver } from '#control-plane/controllers/disruption/owner-scales.ts';
import { metricsOver } from '#control-plane/controllers/horizontal-pod-autoscaler/metrics-source.ts';
import { scalesOver } from '#control-plane/controllers/horizontal-pod-autoscaler/scales.ts';
import { type ClusterSettings, controllersFor } from '#control-plane/controllers/index.ts';
import { complaintsAbout, isSelected } from '#control-plane/controllers/selection.ts';
import type { SecretTokens } from '#control-plane/controllers/service-account-token.ts';
import { serviceAccountUser } from '#control-plane/controllers/start-controllers.ts';
import { runCompaction } from '#control-plane/storage/compaction.ts';
import type { ClusterPaths, ClusterRecord } from '#node/machine/cluster-dir.ts';
import { planFor } from '#node/machine/slots.ts';
import { ensurePki } from '../pki/pki.ts';
import { systemClock, systemRandom } from '../system-clock.ts';
import { openApiServer } from './api-server.ts';
import { ApiServerFlags, FlagError } from './api-server-flags.ts';
import { openClusterStorage } from './cluster-storage.ts';
import { openImageRegistry } from './image-registry.ts';
import { ImageRegistryLife } from './image-registry-life.ts';
import { ensureKubernetesService } from './kubernetes-service.ts';
import { ensureGatewayApi } from './local-gateway.ts';
import { ensureIngressClass } from './local-ingress.ts';
import { localLoadBalancers } from './local-load-balancers.ts';
import { ensureLocalPath, localPathFolders } from './local-path.ts';
import { startManagers } from './managers.ts';
import { ensureCertificateRotation } from './node-certificates.ts';
import { ensureMetricsReader, servedMetrics } from './resource-metrics.ts';
import { schedulerSettings } from './scheduler-profiles.ts';
import { keepKubernetesService } from './shared-kubernetes-service.ts';
import { refuseOtherAuthorities } from './shared-store.ts';
import { Simulation } from './simulation.ts';
import { ensureNamespaces, ensureTokenTracking } from './system-objects.ts';

export interface ControlPlaneOptions {
  cluster: ClusterRecord;
  paths: ClusterPaths;
  /** Nodes of the record that this machine cannot run. */
  simulate: readonly string[];
  log: Log;
  /** The disk has failed or is full: nothing more is accepted, and only a new start can help. */
  onFailure: (error: Error) => void;
}

export interface ControlPlane {
  close(graceMs: number): Promise<void>;
}

/** Resolves when the API server answers that it is ready and everything else has been started. */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { cluster, paths, log } = options;
  const plan = planFor(cluster);
  const stopping = new AbortController();
  const pki = ensurePki({ directory: paths.pki, clock: systemClock });
  const flags = new ApiServerFlags(cluster.settings.apiServer);
  const { onFailure } = options;
  const { storage, isShared } = await openClusterStorage({ flags, directory: paths.store, log, onFailure });
  const schedulerOptions = schedulerSettings(flags);
  const simulation = new Simulation({ cluster, simulate: options.simulate, pki, log });
  const kinds = createKindRegistry([...catalog, ...metricsKinds, ...simulation.kinds], bodies);
  const debug = new Map<string, DebugPage>();
  const metrics = servedMetrics({ pki, log });
  const behaviours = resourceMetricsBehaviours(metrics);
  const apiServer = await openApiServer({
    cluster,
    pki,
    storage,
    kinds,
    behaviours,
    debug,
    nearKubelet: simulation.nearKubelet,
    log,
  });
  const { client } = apiServer.loopback;
  const transportFor = (user: UserInfo): Transport => new InProcessTransport(apiServer.pipeline, user);
  const localPath = localPathFolders({ pki, port: cluster.apiServerPort });
  const settings: ClusterSettings = {
    localPath,
    ...(hasNodesHere(options) && {
      loadBalancers: localLoadBalancers(plan),
      ingress: { controller: INGRESS_CONTROLLER, addresses: plan.ingressAddresses },
      gateway: { controllerName: GATEWAY_CONTROLLER, addresses: plan.ingressAddresses },
    }),
    rootCa: pki.caCertificate,
    certificateSigner: pki.certificateSigner,
    secretTokens: secretTokensOf(apiServer.tokenIssuer, pki.caCertificate),
    autoscaler: autoscalerSources(transportFor, apiServer.kinds),
    ownerScales: ownerScalesOver(transportFor(controllerUser('disruption-controller')), apiServer.kinds),
    hmac: (key, text) => createHmac('sha256', key).update(text).digest(),
    ...(cluster.settings.nodeMonitorGracePeriodSeconds !== undefined && {
      nodeLifecycle: { gracePeriodMs: cluster.settings.nodeMonitorGracePeriodSeconds * 1000 },
    }),
  };
  const allControllers = controllersFor(settings);
  const controllers = selected(cluster, allControllers);

  await apiServer.ready();
  if (isShared) await refuseOtherAuthorities(client, pki);
  await Promise.all([ensureNamespaces(client), ensureSystemPriorityClasses(client)]);
  await ensureTokenTracking(client, systemClock.now());
  await ensureLocalPath(client);
  if (hasNodesHere(options)) await ensureIngressClass(client);
  await ensureMetricsReader(client);
  await ensureCertificateRotation(client);
  await ensureBootstrapObjects(
    client,
    allControllers.map((each) => ({ controller: each.serviceAccount, rules: rulesOf(each) })),
  );
  const [ip = ''] = plan.hostAddresses; // upstream's is of the primary family alone, as the Service is
  const own = { ip, port: cluster.apiServerPort };
  const clusterIps = plan.kubernetesAddresses.slice(0, 1);
  const shared =
    isShared && (await keepKubernetesService({ client, storage, clock: systemClock, log, own, clusterIps }));
  if (!shared) await ensureKubernetesService(client, { servers: [own], clusterIps });
  await ensureExtensionAuthentication(client, { client: pki.caCertificate, frontProxy: pki.frontProxyCaCertificate });
  apiServer.announceReady();
  const open = () => openImageRegistry({ root: paths.images, plan, listen: cluster.listen ?? [], pki, log });
  const images = new ImageRegistryLife({ client, log, open });
  if (hasNodesHere(options)) await images.open();
  if (hasNodesHere(options))
    void ensureGatewayApi(client, { clock: systemClock, random: systemRandom, log, signal: stopping.signal }).catch(
      (error: unknown) => log.warn('the Gateway API is not served as it should be', { error: String(error) }),
    );

  const managers = startManagers({
    ...{ flags, isShared, scheduler: schedulerOptions },
    controllers: () => selected(cluster, controllersFor(settings)),
    ...{ transportFor, kinds: apiServer.kinds, clock: systemClock, random: systemRandom },
    log,
    breathe: turnOfTheLoop,
  });
  const { informers } = managers;
  debug.set('/debug/controllers/graph', () => ({ controllers: managers.stats(), edges: graphOf(controllers) }));
  metrics.follow(informers, simulation.usageOf);
  images.openWithFirstNode(informers.for(Node));
  debug.set('/debug/scheduler/why/', (key) => managers.explain(key));
  await simulation.start({ client, informers });
  const compacting = runCompaction({ storage, clock: systemClock, log, signal: stopping.signal });

  return {
    async close(graceMs) {
      if (shared) await shared.stop(); // before anything that it leads to ends
      stopping.abort();
      await simulation.stop();
      await managers.stop();
      localPath.close();
      metrics.close();
      await images.close();
      await apiServer.close(graceMs);
      await compacting;
      await storage.close();
    },
  };
}

/** Throws FlagError, as kube-controller-manager says it. */
function selected({ settings }: ClusterRecord, all: readonly Controller[]): Controller[] {
  const list = new ApiServerFlags(settings.apiServer).list('controllers', ['*']);
  const names = all.map(({ name }) => name);
  const complaints = complaintsAbout(list, names);
  if (complaints.length > 0) throw new FlagError(`--controllers: ${complaints.join(', ')}`);
  return all.filter(({ name }) => isSelected(name, list));
}

const controllerUser = (name: string): UserInfo => serviceAccountUser(`system:serviceaccount:kube-system:${name}`);

function autoscalerSources(transportFor: (user: UserInfo) => Transport, kinds: KindRegistry) {
  const transport = transportFor(controllerUser('horizontal-pod-autoscaler'));
  return { metrics: metricsOver(transport, kinds), scales: scalesOver(transport, kinds) };
}

const secretTokensOf = (issuer: TokenIssuer, rootCa: string): SecretTokens => ({
  rootCa,
  issue({ metadata: { namespace = '', name, uid } }, secret) {
    return issuer.issueLegacy({ namespace, serviceAccount: { name, uid }, secret });
  },
});

/** Whether this machine has nodes with real containers, and so a network that leads to them. */
const hasNodesHere = ({ cluster, simulate }: ControlPlaneOptions): boolean =>
  Object.keys(cluster.nodes).length > simulate.length;

const turnOfTheLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
