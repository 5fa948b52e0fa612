/**
 * What a test has of its cluster: objects, time that passes when told, components that can die, faults, and an address at which
 * programs outside of the test reach it.
 */
import { setMaxListeners } from 'node:events';
import type { Kind } from '#api/machinery/kind.ts';
import type { MutableKindRegistry } from '#api/machinery/kind-registry.ts';
import { sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { PlainSignal } from '#base/plain-signal.ts';
import type { Random } from '#base/random.ts';
import { Client } from '#client/client.ts';
import { SharedInformers } from '#client/informers.ts';
import { InProcessTransport } from '#client/transport/in-process.ts';
import type { RequestPipeline, Transport, UserInfo } from '#client/transport.ts';
import { systemClock } from '#cmd/system-clock.ts';
import type { ApiServer } from '#control-plane/apiserver/apiserver.ts';
import type { TokenIssuer } from '#control-plane/apiserver/authentication/token-issuer.ts';
import { inProcessPipeline } from '#control-plane/apiserver/in-process.ts';
import type { ResourceMetricsSource } from '#control-plane/apiserver/registry/resource-metrics.ts';
import type { Storage } from '#control-plane/storage/storage.ts';
import { SimulatedNodePools } from '#node/simulated/simulated-node-pools.ts';
import type { SimulatedNodesOptions } from '#node/simulated/simulated-nodes.ts';
import { type SimulatedNodes, startSimulatedNodes } from '#node/simulated/simulated-nodes.ts';
import { AbsentKinds } from './absent-kinds.ts';
import { ClusterObjects } from './cluster-objects.ts';
import { AskedComponent, Components, LateComponent, type TestComponent } from './components.ts';
import { Faults } from './faults.ts';
import { Gate } from './gate.ts';
import { MortalTransport } from './mortal-transport.ts';
import { nodeSwitch } from './node-switch.ts';
import { OutsideAccess } from './outside-access.ts';
import { Rest } from './rest.ts';
import { SimulatedMetrics } from './simulated-metrics.ts';
import { StoredView } from './stored-view.ts';
import { type Duration, millisecondsOf, type TestClock } from './test-clock.ts';

/** What a component of the cluster is given. */
export interface ComponentServices {
  transportFor(user: UserInfo): Transport;
  kinds: MutableKindRegistry;
  tokenIssuer: TokenIssuer;
  clock: TestClock;
  random: Random;
  log: Log;
}

/** What one is given that can die: a bug in it is the test's failure, and it shares informers as long as it has not died. */
export interface MortalServices extends ComponentServices {
  informers?: SharedInformers;
  onBug(error: unknown): void;
}

export interface TestClusterParts {
  api: ApiServer;
  storage: Storage;
  kinds: MutableKindRegistry;
  tokenIssuer: TokenIssuer;
  random: Random;
  log: Log;
}

const ADMIN: UserInfo = { name: 'admin', groups: ['system:masters', 'system:authenticated'] };
const MANAGER: UserInfo = { name: 'system:kube-controller-manager', groups: ['system:authenticated'] };
/** On the machine's clock. */
const LOOK_EVERY_MS = 10;

export class TestCluster extends ClusterObjects {
  readonly clock: TestClock;
  /** As an administrator. */
  readonly client: Client;
  readonly kinds: MutableKindRegistry;
  /** What goes wrong on purpose. */
  readonly faults: Faults;
  readonly #parts: TestClusterParts;
  readonly #gate: Gate;
  readonly #pipeline: RequestPipeline;
  protected readonly view: StoredView;
  readonly #stopping = new AbortController();
  readonly #components = new Components();
  #shared: SharedInformers | undefined;
  readonly #outside: OutsideAccess;
  readonly #simulated: SimulatedNodes[] = [];
  readonly #rest: Rest;
  readonly #absent: AbsentKinds;
  /** What simulated nodes and their pods use. */
  readonly metrics: ResourceMetricsSource;

  constructor(clock: TestClock, parts: TestClusterParts) {
    super();
    const { api, storage, kinds } = parts;
    setMaxListeners(0, this.#stopping.signal);
    this.clock = clock;
    this.kinds = kinds;
    this.#parts = parts;
    this.view = new StoredView(storage, this.#stopping.signal);
    const absent = new AbsentKinds({ kinds, view: this.view });
    this.#absent = absent;
    const nodes = nodeSwitch(new Client(new InProcessTransport(api.pipeline, ADMIN)));
    this.faults = new Faults({ clock, nodes, meetWatches: () => absent.endAll() });
    const edgeClock = { ...systemClock, now: () => clock.now() };
    this.#gate = new Gate(api.requests, { faults: this.faults, absent, edgeClock });
    this.#pipeline = inProcessPipeline(this.#gate.pipeline);
    this.client = new Client(this.transportFor(ADMIN));
    const { view } = this;
    this.#rest = new Rest({ clock, view, gate: this.#gate, faults: this.faults, components: this.#components });
    const paper = { clock, simulated: this.#simulated, informers: () => this.#informers() };
    this.metrics = new SimulatedMetrics(paper);
    this.#outside = new OutsideAccess({ ...parts, ...paper, pipeline: this.#gate.pipeline });
  }

  get services(): ComponentServices {
    const { kinds, tokenIssuer, random, log } = this.#parts;
    return { transportFor: (user) => this.transportFor(user), kinds, tokenIssuer, clock: this.clock, random, log };
  }

  /** Resolves when the API server serves. */
  async ready(): Promise<void> {
    await this.settles();
    await this.#parts.api.ready();
  }

  /** Where clients in other processes find it: `https://127.0.0.1:PORT`, listening from the first time somebody asks. */
  async url(): Promise<string> {
    return (await this.#outside.listening()).url;
  }

  /** For clients in other processes (kubectl, helm, client libraries): YAML, of the administrator unless it names a user. */
  async kubeconfig(user?: Pick<UserInfo, 'name' | 'groups'>): Promise<string> {
    return (await this.#outside.listening()).kubeconfig(user);
  }

  /** The path of a file with the kubeconfig, for `KUBECONFIG`. It goes with the cluster. */
  async kubeconfigFile(user?: Pick<UserInfo, 'name' | 'groups'>): Promise<string> {
    return (await this.#outside.listening()).kubeconfigFile(user);
  }

  /** Where the kubelet of a simulated node is, once clients from outside may ask for it. */
  nearKubelet(nodeName: string): { host: string; port: number } | undefined {
    return this.#outside.nearKubelet(nodeName);
  }

  transportFor(user: UserInfo): Transport {
    return new InProcessTransport(this.#pipeline, user);
  }

  add(component: TestComponent): void {
    this.#components.add(component);
  }

  /** Starts a component that `stop` kills and `start` starts anew. `after`: without an object of this kind it would have nothing to do. */
  run(name: string, start: (services: MortalServices) => TestComponent, { after }: { after?: Kind } = {}): void {
    this.#components.addNamed(
      name,
      (informers) => {
        const death = new PlainSignal();
        const begin = () =>
          start({
            ...this.services,
            transportFor: (user) => new MortalTransport(this.transportFor(user), death),
            onBug: (error) => this.fail(error),
            ...(informers && { informers }),
          });
        const component = after && informers ? this.#onceThereIs(after, begin, informers) : begin();
        return new AskedComponent({
          busy: () => component.busy,
          ...(component.informers && { informers: component.informers }),
          stop() {
            death.abort(new Error(`${name} was stopped`));
            return component.stop();
          },
        });
      },
      this.#informers(),
    );
  }

  #onceThereIs(kind: Kind, start: () => TestComponent, informers: SharedInformers): TestComponent {
    const component = new LateComponent(start, informers);
    const isAbsent = this.#absent.of(kind, async () => component.begin()) !== undefined;
    if (!isAbsent) component.begin();
    return component;
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

  #informers(): SharedInformers {
    if (this.#shared) return this.#shared;
    const { clock } = this;
    const { random, log } = this.#parts;
    const client = new Client(this.transportFor(MANAGER));
    const { signal } = this.#stopping;
    this.#shared = new SharedInformers({ client, clock, random, log, signal, absence: this.#absent });
    return this.#shared;
  }

  /** Resolves when they are registered and ready. `stop` is a power failure: their objects stay. */
  async simulateNodes(options: Partial<Omit<SimulatedNodesOptions, 'client' | 'informers' | 'clock' | 'random'>>) {
    const { client, clock } = this;
    const informers = this.#informers();
    const { random } = this.#parts;
    const starting = startSimulatedNodes({ namePrefix: 'node', ...options, client, informers, clock, random });
    await this.settles();
    const nodes = await starting;
    this.#simulated.push(nodes);
    const component = new AskedComponent({ busy: () => nodes.busy, informers, stop: () => nodes.stop() });
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

  /** Makes the nodes that SimulatedNodePools ask for. */
  async simulatePools(): Promise<void> {
    const { client, clock } = this;
    const { random, log } = this.#parts;
    const informers = this.#informers();
    const pools = new SimulatedNodePools({ client, informers, clock, random, log });
    this.#simulated.push(pools.nodes);
    const starting = pools.start();
    await this.settles();
    await starting;
    this.add(new AskedComponent({ busy: () => pools.busy, informers, stop: () => pools.stop() }));
  }

  /** Makes the next `settles` throw: a component has a bug. */
  fail(error: unknown): void {
    this.#rest.fail(error);
  }

  /**
   * Resolves when nothing is left to do at this time: no request under way, no key queued, no event undelivered, no timer
   * due. Throws what a component failed with, and when the cluster does not come to rest.
   */
  settles(): Promise<void> {
    return this.#rest.reached();
  }

  /**
   * Resolves with what `found` gives, as soon as that is something. For what programs outside of the test do in their own time:
   * the cluster's does not pass meanwhile.
   */
  async until<T>(found: () => T | undefined | null | false, { timeout = '30s' as Duration } = {}): Promise<T> {
    const endMs = systemClock.monotonicMs() + millisecondsOf(timeout);
    for (;;) {
      await this.settles();
      const value = found();
      if (value) return value;
      if (systemClock.monotonicMs() > endMs) throw new Error(`this did not come true within ${timeout}: ${found}`);
      await sleep(systemClock, LOOK_EVERY_MS);
    }
  }

  /** `clock.advance`. */
  passes(duration: Duration): Promise<void> {
    return this.clock.advance(duration);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#components.stopAll();
    this.#stopping.abort(new Error('the cluster is stopped'));
    await this.#outside.close();
    await this.#parts.api.close();
    await this.#parts.storage.close();
  }
}
