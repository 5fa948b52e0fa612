/**
 * A whole cluster inside a test: the real API server on the memory store, the controllers and the scheduler that the test
 * asks for, and a clock that moves only when told. Starts in milliseconds; `await using` ends it.
 */
import { generateKeyPairSync } from 'node:crypto';
import { bodies, catalog } from '#api/catalog.ts';
import { Namespace } from '#api/core/v1/namespace.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { createKindRegistry, type MutableKindRegistry } from '#api/machinery/kind-registry.ts';
import type { KubeObject, ObjectKey } from '#api/machinery/object.ts';
import { keyOf } from '#api/machinery/object.ts';
import type { Log } from '#base/log.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import type { Random } from '#base/random.ts';
import { seededRandom } from '#base/random.ts';
import type { DeleteOptions, Draft, Named, PatchType } from '#client/client.ts';
import { Client } from '#client/client.ts';
import { SharedInformers } from '#client/informers.ts';
import { isAtLeast } from '#client/object-cache.ts';
import { InProcessTransport } from '#client/transport/in-process.ts';
import type { Transport, UserInfo } from '#client/transport.ts';
import { defaultAdmission } from '#control-plane/apiserver/admission/chain.ts';
import type { ApiServer } from '#control-plane/apiserver/apiserver.ts';
import { createApiServer } from '#control-plane/apiserver/apiserver.ts';
import { TokenIssuer } from '#control-plane/apiserver/authentication/token-issuer.ts';
import { allow } from '#control-plane/apiserver/authorization/authorizer.ts';
import { ensureBootstrapObjects } from '#control-plane/apiserver/authorization/ensure-bootstrap-objects.ts';
import { rulesOf } from '#control-plane/controllers/controller-roles.ts';
import type { Controller } from '#control-plane/controllers/define-controller.ts';
import { startControllers } from '#control-plane/controllers/start-controllers.ts';
import type { Profile } from '#control-plane/scheduler/profile.ts';
import { startScheduler } from '#control-plane/scheduler/start-scheduler.ts';
import { openMemoryStorage } from '#control-plane/storage/memory.ts';
import type { Storage } from '#control-plane/storage/storage.ts';
import type { SimulatedNodesOptions } from '#node/simulated/simulated-nodes.ts';
import { startSimulatedNodes } from '#node/simulated/simulated-nodes.ts';
import type { Sent } from './builders.ts';
import { Components, type TestComponent } from './components.ts';
import { CountingPipeline } from './counting-pipeline.ts';
import { MortalTransport } from './mortal-transport.ts';
import { StoredView } from './stored-view.ts';

export * from './builders.ts';
export type { TestComponent } from './components.ts';

export interface ClusterOptions {
  controllers?: readonly Controller[];
  /** With the default profile, or the ones given. */
  scheduler?: boolean | readonly Profile[];
  /** So many nodes whose pods run on paper, named node1, node2 … */
  simulatedNodes?: number;
  /** Authorisation by RBAC with the bootstrap roles, instead of letting everybody do everything. */
  rbac?: boolean;
  /** Admission wants a ServiceAccount for every pod. */
  serviceAccounts?: boolean;
  kinds?: readonly Kind[];
  log?: Log;
  seed?: number;
  /** Further components: each is started when the API server is ready, and stopped with the cluster. */
  components?: readonly ((cluster: ComponentServices) => TestComponent)[];
}

/** The name of the scheduler, for `stop` and `start`. */
export const SCHEDULER = 'scheduler';

/** What a component of the cluster is given. */
export interface ComponentServices {
  transportFor(user: UserInfo): Transport;
  kinds: MutableKindRegistry;
  clock: ManualClock;
  random: Random;
  log: Log;
}

/** What one is given that can die: a bug in it is the test's failure, and it shares informers as long as it has not died. */
interface MortalServices extends ComponentServices {
  informers?: SharedInformers;
  onBug(error: unknown): void;
}

const ADMIN: UserInfo = { name: 'admin', groups: ['system:masters', 'system:authenticated'] };
const MANAGER: UserInfo = { name: 'system:kube-controller-manager', groups: ['system:authenticated'] };
const NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];
/** Turns of the event loop without anything happening that count as rest. */
const QUIET_TURNS = 3;
/** So many turns without rest are a loop. */
const MOST_TURNS = 200_000;

export async function startCluster(options: ClusterOptions = {}): Promise<TestCluster> {
  const clock = new ManualClock();
  const random = seededRandom(options.seed ?? 1);
  const log = options.log ?? silentLog;
  const storage = openMemoryStorage();
  const kinds = createKindRegistry([...catalog, ...(options.kinds ?? [])], bodies);
  const api = createApiServer({
    storage,
    kinds,
    clock,
    random,
    log,
    tokenIssuer: tokenIssuer(clock),
    tokens: () => ({ authenticateToken: async () => undefined }),
    admission: (loopback, { rbac }) =>
      defaultAdmission({ rbac, loopback }).filter(({ name }) => options.serviceAccounts || name !== 'ServiceAccount'),
    ...(!options.rbac && { authorizer: { authorize: () => allow() } }),
    serviceRanges: { clusterIps: ['10.96.0.0/16'], nodePorts: { from: 30_000, to: 32_767 } },
  });
  const cluster = new TestCluster({ api, storage, clock, kinds, random });
  await cluster.settles();
  await api.ready();
  for (const name of NAMESPACES) await cluster.create(Namespace, { metadata: { name } });
  const controllers = options.controllers ?? [];
  if (options.rbac) {
    const derived = controllers.map((each) => ({ controller: each.serviceAccount, rules: rulesOf(each) }));
    await ensureBootstrapObjects(cluster.client, derived);
    await cluster.settles(); // the authorizer has heard of them
  }
  const services: ComponentServices = { transportFor: (user) => cluster.transportFor(user), kinds, clock, random, log };
  for (const controller of controllers)
    cluster.run(controller.name, services, (given) => startControllers({ controllers: [controller], ...given }));
  if (options.scheduler) {
    const profiles = options.scheduler === true ? {} : { profiles: options.scheduler };
    cluster.run(SCHEDULER, services, (given) => startScheduler({ ...profiles, ...given, breathe: turn }));
  }
  if (options.simulatedNodes) await cluster.simulateNodes({ count: options.simulatedNodes });
  for (const start of options.components ?? []) cluster.add(start(services));
  await cluster.settles();
  return cluster;
}

/** A turn of the event loop. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

let keyPair: string | undefined;

function tokenIssuer(clock: ManualClock): TokenIssuer {
  keyPair ??= generateKeyPairSync('ec', { namedCurve: 'P-256' })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString();
  const issuer = 'https://kubernetes.default.svc';
  return new TokenIssuer({ privateKey: keyPair, issuer, jwksUri: `${issuer}/openid/v1/jwks`, clock });
}

interface Parts {
  api: ApiServer;
  storage: Storage;
  clock: ManualClock;
  kinds: MutableKindRegistry;
  random: Random;
}

export class TestCluster {
  readonly clock: ManualClock;
  /** As an administrator. */
  readonly client: Client;
  readonly kinds: MutableKindRegistry;
  readonly #api: ApiServer;
  readonly #storage: Storage;
  readonly #pipeline: CountingPipeline;
  readonly #view: StoredView;
  readonly #stopping = new AbortController();
  readonly #components = new Components();
  #shared: SharedInformers | undefined;
  readonly #random: Random;
  #failure: { error: unknown } | undefined;

  constructor({ api, storage, clock, kinds, random }: Parts) {
    this.#random = random;
    this.clock = clock;
    this.kinds = kinds;
    this.#api = api;
    this.#storage = storage;
    this.#pipeline = new CountingPipeline(api.pipeline);
    this.#view = new StoredView(storage, this.#stopping.signal);
    this.client = new Client(this.transportFor(ADMIN));
  }

  transportFor(user: UserInfo): Transport {
    return new InProcessTransport(this.#pipeline, user);
  }

  add(component: TestComponent): void {
    this.#components.add(component);
  }

  /** Starts a component that `stop` kills and `start` starts anew. */
  run(name: string, services: ComponentServices, start: (services: MortalServices) => TestComponent): void {
    this.#shared ??= this.#sharedInformers(services);
    this.#components.addNamed(
      name,
      (informers) => {
        const death = new AbortController();
        const component = start({
          ...services,
          transportFor: (user) => new MortalTransport(this.transportFor(user), death.signal),
          onBug: (error) => this.fail(error),
          ...(informers && { informers }),
        });
        return {
          get busy() {
            return component.busy;
          },
          ...(component.informers && { informers: component.informers }),
          stop() {
            death.abort(new Error(`${name} was stopped`));
            return component.stop();
          },
        };
      },
      this.#shared,
    );
  }

  /** Names of the controllers, and of the scheduler, that this cluster was started with. */
  get componentNames(): string[] {
    return this.#components.names;
  }

  /**
   * Kills a controller, or the scheduler: it does nothing more, also not what it is in the middle of. What the API server has
   * already received still happens.
   */
  stop(name: string): void {
    this.#components.stop(name);
  }

  /** Starts what `stop` has killed. It knows nothing of its former life. */
  start(name: string): void {
    this.#components.start(name);
  }

  /** A crash of this controller (or of the scheduler) in the middle of its work, and a new start. */
  restartController(name: string): void {
    this.stop(name);
    this.start(name);
  }

  #sharedInformers({ transportFor, clock, random, log }: ComponentServices): SharedInformers {
    const client = new Client(transportFor(MANAGER));
    return new SharedInformers({ client, clock, random, log, signal: this.#stopping.signal });
  }

  /** Resolves when they are registered and ready. `stop` is a power failure: their objects stay. */
  async simulateNodes(options: Partial<Omit<SimulatedNodesOptions, 'client' | 'informers' | 'clock' | 'random'>>) {
    const { client, clock } = this;
    const random = this.#random;
    const stopping = new AbortController();
    const informers = new SharedInformers({ client, clock, random, signal: stopping.signal });
    const starting = startSimulatedNodes({ namePrefix: 'node', ...options, client, informers, clock, random });
    await this.settles();
    const nodes = await starting;
    const component: TestComponent = {
      get busy() {
        return nodes.busy;
      },
      informers,
      stop() {
        nodes.stop();
        stopping.abort(new Error('the nodes are stopped'));
      },
    };
    this.add(component);
    await this.settles();
    return {
      names: nodes.names,
      stop: () => {
        void component.stop();
        this.#components.remove(component);
      },
    };
  }

  /** Makes the next `settles` throw: a component has a bug. */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  /** The status is written as well, where the kind takes it only by its subresource. */
  create<T extends KubeObject>(kind: Kind<T>, object: Sent<T>): Promise<T> {
    return this.client.create(kind, object as unknown as Draft<T>);
  }

  update<T extends KubeObject>(kind: Kind<T>, object: Draft<T>): Promise<T> {
    return this.client.update(kind, object);
  }

  updateStatus<T extends KubeObject>(kind: Kind<T>, object: Draft<T>): Promise<T> {
    return this.client.updateStatus(kind, object);
  }

  patch<T extends KubeObject>(
    kind: Kind<T>,
    at: ObjectKey | (Named & { subresource?: string }),
    patch: unknown,
    type: PatchType = 'merge',
  ): Promise<T> {
    return this.client.patch(kind, namedBy(at), { type, patch });
  }

  delete<T extends KubeObject>(kind: Kind<T>, at: ObjectKey | Named, options: DeleteOptions = {}): Promise<void> {
    return this.client.delete(kind, namedBy(at), options);
  }

  /** As of the last `settles`; undefined when there is none. */
  get<T extends KubeObject>(kind: Kind<T>, key: ObjectKey): T | undefined {
    return this.#view.list(kind).find((object) => keyOf(object) === key);
  }

  /** As of the last `settles`, in key order. */
  list<T extends KubeObject>(kind: Kind<T>, { namespace }: { namespace?: string } = {}): T[] {
    return this.#view.list(kind, namespace);
  }

  /**
   * Resolves when nothing is left to do at this time: no request under way, no key queued, no event undelivered, no timer
   * due. Throws what a component failed with, and when the cluster does not come to rest.
   */
  async settles(): Promise<void> {
    let quiet = 0;
    let revision = -1;
    for (let turns = 0; quiet < QUIET_TURNS; turns++) {
      await turn();
      if (this.#failure) throw this.#failure.error;
      if (turns > MOST_TURNS) throw new Error(`the cluster does not settle: ${this.#unrest().slice(0, 5).join(', ')}`);
      if ((this.clock.nextDueMs ?? Number.POSITIVE_INFINITY) <= this.clock.now()) {
        this.clock.advance(0);
        quiet = 0;
        continue;
      }
      const isQuiet = this.#unrest().length === 0 && (await this.#view.isCurrent()) && revision === this.#view.revision;
      revision = this.#view.revision;
      quiet = isQuiet ? quiet + 1 : 0;
    }
  }

  /** Lets so much time pass, settling at every moment at which a timer is due. */
  async passes(ms: number): Promise<void> {
    const endMs = this.clock.now() + ms;
    await this.settles();
    for (let dueMs = this.clock.nextDueMs; dueMs !== undefined && dueMs <= endMs; dueMs = this.clock.nextDueMs) {
      this.clock.advance(Math.max(0, dueMs - this.clock.now()));
      await this.settles();
    }
    this.clock.advance(endMs - this.clock.now());
    await this.settles();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#components.stopAll();
    this.#stopping.abort(new Error('the cluster is stopped'));
    await this.#api.close();
    await this.#storage.close();
  }

  /** What there is to wait for. */
  #unrest(): string[] {
    const unrest: string[] = [];
    if (this.#pipeline.open > 0) unrest.push(`${this.#pipeline.open} requests under way`);
    for (const { busy } of this.#components.running()) if (busy > 0) unrest.push(`${busy} keys or events to work on`);
    for (const informers of this.#components.informers())
      for (const { kind, resourceVersion, hasSynced, isScoped } of informers.progress()) {
        const isBehind = !isScoped && !isAtLeast(resourceVersion, String(this.#view.lastChange(kind)));
        if (!hasSynced || isBehind) unrest.push(`an informer of ${kind.plural} is behind`);
      }
    return unrest;
  }
}

function namedBy<T extends Named>(at: ObjectKey | T): Named {
  if (typeof at !== 'string') return at;
  const [name = '', namespace] = at.split('/').reverse();
  return { name, ...(namespace && { namespace }) };
}
