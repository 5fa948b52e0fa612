/** The control plane, put together. The order of starting is the order in which each part needs the one before. */
import { createHmac, randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { bodies, catalog } from '#api/catalog.ts';
import { GATEWAY_CONTROLLER } from '#api/gateway/v1/kedge-gateway.ts';
import { createKindRegistry } from '#api/machinery/kind-registry.ts';
import { metricsKinds } from '#api/metrics/v1beta1/resource-metrics.ts';
import { INGRESS_CONTROLLER } from '#api/networking/v1/kedge-ingress.ts';
import type { Log } from '#base/log.ts';
import { InProcessTransport } from '#client/transport/in-process.ts';
import type { Transport, UserInfo } from '#client/transport.ts';
import { ensureSystemPriorityClasses } from '#control-plane/apiserver/admission/system-priority-classes.ts';
import { keepExtensionAuthentication } from '#control-plane/apiserver/aggregation/extension-authentication.ts';
import { ensureBootstrapObjects } from '#control-plane/apiserver/authorization/ensure-bootstrap-objects.ts';
import type { DebugPage } from '#control-plane/apiserver/http/debug-pages.ts';
import { resourceMetricsBehaviours } from '#control-plane/apiserver/registry/resource-metrics.ts';
import { graphOf } from '#control-plane/controllers/controller-graph.ts';
import { rulesOf } from '#control-plane/controllers/controller-roles.ts';
import type { Controller } from '#control-plane/controllers/define-controller.ts';
import { type ClusterSettings, controllersFor } from '#control-plane/controllers/index.ts';
import { complaintsAbout, isSelected } from '#control-plane/controllers/selection.ts';
import { runCompaction } from '#control-plane/storage/compaction.ts';
import { type ClusterPaths, type ClusterRecord, readCluster } from '#node/machine/cluster-dir.ts';
import { planFor } from '#node/machine/slots.ts';
import { ensurePki } from '../pki/pki.ts';
import { systemClock, systemRandom } from '../system-clock.ts';
import { openApiServer } from './api-server.ts';
import { ApiServerFlags, FlagError } from './api-server-flags.ts';
import { openClusterStorage } from './cluster-storage.ts';
import { autoscalerSources, ownerScales, secretTokensOf } from './controller-sources.ts';
import { firstNode, hasNodesIn } from './first-node.ts';
import { keepIdentityLease } from './identity-lease.ts';
import { ensureKubernetesService } from './kubernetes-service.ts';
import { localLoadBalancers } from './local-load-balancers.ts';
import { ensureLocalPath, localPathFolders } from './local-path.ts';
import { startManagers } from './managers.ts';
import { ensureCertificateRotation } from './node-certificates.ts';
import { nodeServicesOf } from './node-service-list.ts';
import { NodeServices } from './node-services.ts';
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
    rootCa: pki.caCertificate,
    certificateSigner: pki.certificateSigner,
    ...(apiServer.tokenIssuer.signer.signsLegacy && {
      secretTokens: secretTokensOf(apiServer.tokenIssuer, pki.caCertificate),
    }),
    autoscaler: autoscalerSources({ transportFor, kinds: apiServer.kinds }),
    ownerScales: ownerScales({ transportFor, kinds: apiServer.kinds }),
    hmac: (key, text) => createHmac('sha256', key).update(text).digest(),
    ...(cluster.settings.nodeMonitorGracePeriodSeconds !== undefined && {
      nodeLifecycle: { gracePeriodMs: cluster.settings.nodeMonitorGracePeriodSeconds * 1000 },
    }),
  };
  const besideNodes: ClusterSettings = {
    loadBalancers: localLoadBalancers(plan),
    ingress: { controller: INGRESS_CONTROLLER, addresses: plan.ingressAddresses },
    gateway: { controllerName: GATEWAY_CONTROLLER, addresses: plan.ingressAddresses },
  };
  let hasNodes = hasNodesIn(cluster, options.simulate);
  const controllersNow = () => controllersFor({ ...settings, ...(hasNodes && besideNodes) });
  const isWanted = wantedControllers(cluster, controllersFor({ ...settings, ...besideNodes }));
  const ensureRoles = () =>
    ensureBootstrapObjects(
      client,
      controllersNow().map((each) => ({ controller: each.serviceAccount, rules: rulesOf(each) })),
    );

  await apiServer.ready();
  if (isShared) await refuseOtherAuthorities(client, pki);
  await Promise.all([ensureNamespaces(client), ensureSystemPriorityClasses(client)]);
  await ensureTokenTracking(client, systemClock.now());
  await ensureLocalPath(client);
  await ensureMetricsReader(client);
  await ensureCertificateRotation(client);
  await ensureRoles();
  const [ip = ''] = plan.hostAddresses; // upstream's is of the primary family alone, as the Service is
  const own = { ip, port: cluster.apiServerPort };
  const clusterIps = plan.kubernetesAddresses.slice(0, 1);
  const shared =
    isShared && (await keepKubernetesService({ client, storage, clock: systemClock, log, own, clusterIps }));
  if (!shared) await ensureKubernetesService(client, { servers: [own], clusterIps });
  const { signal } = stopping;
  await keepExtensionAuthentication(
    { client: pki.caCertificate, frontProxy: pki.frontProxyCaCertificate },
    { ...apiServer.loopback, clock: systemClock, log, signal },
  );
  const nodeServices = new NodeServices(nodeServicesOf({ ...options, client, plan, pki, signal }));
  if (hasNodes) await nodeServices.open(); // before: an Ingress gets its class when it is created
  apiServer.announceReady();
  const identity = keepIdentityLease({
    ...{ client, clock: systemClock, random: systemRandom, log },
    ...{ hostname: hostname(), port: cluster.apiServerPort, instance: randomUUID() },
  });

  const managers = startManagers({
    ...{ flags, isShared, scheduler: schedulerOptions },
    controllers: () => controllersNow().filter(isWanted),
    ...{ transportFor, kinds: apiServer.kinds, clock: systemClock, random: systemRandom },
    log,
    breathe: turnOfTheLoop,
  });
  const { informers } = managers;
  debug.set('/debug/controllers/graph', () => ({
    controllers: managers.stats(),
    edges: graphOf(controllersNow().filter(isWanted)),
  }));
  metrics.follow(informers, simulation.usageOf);
  const read = () => readCluster(paths, cluster.name);
  const withFirstNode = async () => {
    const told = (error: unknown) => log.error('what comes with nodes is not whole', { error: String(error) });
    hasNodes = true;
    await apiServer.listenForNodes().catch(told);
    await nodeServices.open().catch(told);
    await ensureRoles().catch(told);
    managers.startMissing();
  };
  const waiting =
    !hasNodes &&
    firstNode({ read, simulate: options.simulate, clock: systemClock, log, signal }).then((isThere) =>
      isThere ? withFirstNode() : undefined,
    );
  debug.set('/debug/scheduler/why/', (key) => managers.explain(key));
  await simulation.start({ client, informers, whileLeading: managers.whileLeading });
  const compacting = runCompaction({ storage, clock: systemClock, log, signal });

  return {
    async close(graceMs) {
      if (shared) await shared.stop(); // before anything that it leads to ends
      await identity.stop();
      stopping.abort();
      await waiting;
      await simulation.stop();
      await managers.stop();
      localPath.close();
      metrics.close();
      await nodeServices.close();
      await apiServer.close(graceMs);
      await compacting;
      await storage.close();
    },
  };
}

/** `all` that there may be. Throws FlagError, as kube-controller-manager says it. */
function wantedControllers({ settings }: ClusterRecord, all: readonly Controller[]): (one: Controller) => boolean {
  const list = new ApiServerFlags(settings.apiServer).list('controllers', ['*']);
  const names = all.map(({ name }) => name);
  const complaints = complaintsAbout(list, names);
  if (complaints.length > 0) throw new FlagError(`--controllers: ${complaints.join(', ')}`);
  return ({ name }) => isSelected(name, list);
}

const turnOfTheLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
