/**
 * A whole cluster inside a test: the real API server on the memory store, the controllers and the scheduler that the test
 * asks for, and a clock that moves only when told. Starts in milliseconds; `await using` ends it.
 */
import { generateKeyPairSync } from 'node:crypto';
import { bodies, catalog, ownKinds } from '#api/catalog.ts';
import { Namespace } from '#api/core/v1/namespace.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { createKindRegistry } from '#api/machinery/kind-registry.ts';
import { metricsKinds } from '#api/metrics/v1beta1/resource-metrics.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { silentLog } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { ensureMetricsReader } from '#cmd/control-plane/resource-metrics.ts';
import { serviceAccountAuthenticators } from '#cmd/control-plane/service-account-authentication.ts';
import { defaultAdmission } from '#control-plane/apiserver/admission/chain.ts';
import { ensureSystemPriorityClasses } from '#control-plane/apiserver/admission/system-priority-classes.ts';
import { createApiServer } from '#control-plane/apiserver/apiserver.ts';
import { tokenChain } from '#control-plane/apiserver/authentication/authenticator-chain.ts';
import { TokenIssuer } from '#control-plane/apiserver/authentication/token-issuer.ts';
import { type SigningKeys, signingKeysOf } from '#control-plane/apiserver/authentication/token-signer.ts';
import { allow } from '#control-plane/apiserver/authorization/authorizer.ts';
import { ensureBootstrapObjects } from '#control-plane/apiserver/authorization/ensure-bootstrap-objects.ts';
import { resourceMetricsBehaviours } from '#control-plane/apiserver/registry/resource-metrics.ts';
import { rulesOf } from '#control-plane/controllers/controller-roles.ts';
import type { Controller } from '#control-plane/controllers/define-controller.ts';
import { startControllers } from '#control-plane/controllers/start-controllers.ts';
import type { Profile } from '#control-plane/scheduler/profile.ts';
import { startScheduler } from '#control-plane/scheduler/start-scheduler.ts';
import { type MemoryImage, openMemoryStorage } from '#control-plane/storage/memory.ts';
import type { Storage } from '#control-plane/storage/storage.ts';
import type { TestComponent } from './components.ts';
import type { ControllerMaker } from './controller-makers.ts';
import { turn } from './rest.ts';
import { TestClock } from './test-clock.ts';
import { type ComponentServices, type MortalServices, TestCluster } from './test-cluster.ts';

export * from './builders.ts';
export type { TestComponent } from './components.ts';
export { type ComponentServices, TestCluster } from './test-cluster.ts';

export interface ClusterOptions {
  /** `virtual` (unless told otherwise): time stands still until the test lets it pass. `real`: the machine's. */
  clock?: 'virtual' | 'real';
  controllers?: readonly (Controller | ControllerMaker)[];
  /**
   * Those of `controllers` that write the same into every cluster that has just begun: it begins with that, as one whose
   * controllers are started again. One is known by its name.
   */
  beginners?: readonly Controller[];
  /** With the default profile, or the ones given. */
  scheduler?: boolean | readonly Profile[];
  /** So many nodes whose pods run on paper, named node1, node2 … */
  simulatedNodes?: number;
  /** Objects of the kind SimulatedNodePool make further ones. */
  simulatedNodePools?: boolean;
  /** metrics.k8s.io says what simulated nodes and their pods use. */
  resourceMetrics?: boolean;
  /** Authorisation by RBAC with the bootstrap roles, instead of letting everybody do everything. */
  rbac?: boolean;
  /** Admission wants a ServiceAccount for every pod. */
  serviceAccounts?: boolean;
  /** There are the two PriorityClasses that every cluster has. */
  systemPriorityClasses?: boolean;
  kinds?: readonly Kind[];
  log?: Log;
  seed?: number;
  /** Further components: each is started when the API server is ready, and stopped with the cluster. */
  components?: readonly ((cluster: ComponentServices) => TestComponent)[];
}

/** The name of the scheduler, for `stop` and `start`. */
export const SCHEDULER = 'scheduler';

const NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

export async function startCluster(options: ClusterOptions = {}): Promise<TestCluster> {
  const cluster = await bootedCluster(options);
  const { controllers = [], scheduler, simulatedNodes, simulatedNodePools, components = [] } = options;
  if (options.rbac) {
    const made = controllers.map((each) => madeWith(cluster.services, each));
    const derived = made.map((each) => ({ controller: each.serviceAccount, rules: rulesOf(each) }));
    await ensureBootstrapObjects(cluster.client, derived);
    if (options.resourceMetrics) await ensureMetricsReader(cluster.client);
    await cluster.settles(); // the authorizer has heard of them
  }
  for (const controller of controllers) if (!isOfAnyKind(controller)) run(cluster, controller);
  if (scheduler) {
    const profiles = scheduler === true ? {} : { profiles: scheduler };
    cluster.run(SCHEDULER, (services) => startScheduler({ ...profiles, ...services, breathe: turn }));
  }
  if (simulatedNodePools) await cluster.simulatePools();
  // Last: of kinds that others follow whole they need no informers of their own.
  for (const controller of controllers) if (isOfAnyKind(controller)) run(cluster, controller);
  if (simulatedNodes) await cluster.simulateNodes({ count: simulatedNodes });
  for (const start of components) cluster.add(start(cluster.services));
  await cluster.settles();
  return cluster;
}

const isOfAnyKind = (controller: Controller | ControllerMaker): boolean =>
  'form' in controller && controller.form !== 'kind';

const madeWith = (services: ComponentServices, controller: Controller | ControllerMaker): Controller =>
  'make' in controller ? controller.make(services) : controller;

function run(cluster: TestCluster, controller: Controller | ControllerMaker): void {
  const start = (services: MortalServices) =>
    startControllers({ controllers: [madeWith(services, controller)], ...services });
  cluster.run(controller.name, start, 'after' in controller ? { after: controller.after } : {});
}

/** With an API server that serves, and the namespaces that there always are. */
async function bootedCluster(options: ClusterOptions): Promise<TestCluster> {
  if (options.clock !== 'real' && !options.kinds) {
    const cluster = openCluster(options, openMemoryStorage(await bootImage(options)));
    await cluster.ready();
    return cluster;
  }
  const cluster = openCluster(options, openMemoryStorage());
  await boot(cluster, options);
  return cluster;
}

async function boot(cluster: TestCluster, { systemPriorityClasses }: ClusterOptions): Promise<void> {
  await cluster.ready();
  for (const name of NAMESPACES) await cluster.create(Namespace, { metadata: { name } });
  if (systemPriorityClasses) await ensureSystemPriorityClasses(cluster.client);
}

/** Not one that a test would choose: what is drawn from it must not be drawn again. */
const BOOT_SEED = 0xb007_1ace;
/**
 * By whether there are node pools and metrics (other kinds, and an APIService more each) and PriorityClasses, and by who has
 * written as well.
 */
const bootImages = new Map<string, Promise<MemoryImage>>();

/**
 * What an API server writes into an empty store before it serves, and the beginners among the controllers into an empty
 * cluster: some sixty objects, always the same ones. Made once in a process; its clusters find them as a server does that is
 * started again.
 */
function bootImage(options: ClusterOptions): Promise<MemoryImage> {
  const {
    simulatedNodePools = false,
    resourceMetrics = false,
    systemPriorityClasses = false,
    beginners = [],
  } = options;
  const written = { simulatedNodePools, resourceMetrics, systemPriorityClasses };
  const id = JSON.stringify([written, beginners.map(({ name }) => name)]);
  const made = bootImages.get(id) ?? makeBootImage({ ...written, beginners, seed: BOOT_SEED });
  bootImages.set(id, made);
  return made;
}

async function makeBootImage(options: ClusterOptions): Promise<MemoryImage> {
  const storage = openMemoryStorage();
  await using cluster = openCluster(options, storage);
  await boot(cluster, options);
  for (const beginner of options.beginners ?? []) run(cluster, beginner);
  await cluster.settles();
  return storage.image();
}

/** Without anybody in it. */
function openCluster(options: ClusterOptions, storage: Storage): TestCluster {
  const { seed = 1, log = silentLog, rbac, serviceAccounts } = options;
  const clock = new TestClock(options.clock ?? 'virtual', () => cluster.settles());
  const random = seededRandom(seed);
  const own = [
    ...(options.simulatedNodePools ? ownKinds.simulatedNodes : []),
    ...(options.resourceMetrics ? metricsKinds : []),
  ];
  const kinds = createKindRegistry([...catalog, ...own, ...(options.kinds ?? [])], bodies);
  const metrics = { nodes: () => cluster.metrics.nodes(), pods: () => cluster.metrics.pods() };
  const issuer = tokenIssuer(clock);
  const api = createApiServer({
    storage,
    kinds,
    clock,
    random,
    log,
    tokenIssuer: issuer,
    tokens: (loopback) => tokenChain(serviceAccountAuthenticators(loopback, { issuer, clock })),
    admission: (loopback, authorization) =>
      defaultAdmission({ rbac: authorization.rbac, loopback }).filter(
        ({ name }) => serviceAccounts || name !== 'ServiceAccount',
      ),
    ...(!rbac && { authorizer: { authorize: () => allow() } }),
    nearKubelet: (nodeName) => cluster.nearKubelet(nodeName),
    ...(options.resourceMetrics && { behaviours: resourceMetricsBehaviours(metrics) }),
    serviceRanges: { clusterIps: ['10.96.0.0/16'], nodePorts: { from: 30_000, to: 32_767 } },
  });
  const cluster = new TestCluster(clock, { api, storage, kinds, tokenIssuer: issuer, random, log });
  return cluster;
}

let signingKeys: SigningKeys | undefined;

function tokenIssuer(clock: Clock): TokenIssuer {
  signingKeys ??= signingKeysOf(newSigningKey());
  const issuer = 'https://kubernetes.default.svc';
  return new TokenIssuer({ keys: signingKeys, issuer, jwksUri: `${issuer}/openid/v1/jwks`, clock });
}

const newSigningKey = (): string =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
