/**
 * What a test has of its cluster: objects, time that passes when told, components that can die, faults, and an address at which
 * programs outside of the test reach it.
 */
import { setMaxListeners } from 'node:events';
import { Node } from '#api/core/v1/node.ts';
import { parseYaml } from '#api/machinery/codec-yaml.ts';
import { type Kind, pathOf } from '#api/machinery/kind.ts';
import type { MutableKindRegistry } from '#api/machinery/kind-registry.ts';
import type { KubeObject, ObjectKey } from '#api/machinery/object.ts';
import { keyOf } from '#api/machinery/object.ts';
import { sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import { documentsIn } from '#cli/verbs/manifests.ts';
import type { DeleteOptions, Draft, Named, PatchType } from '#client/client.ts';
import { Client } from '#client/client.ts';
import { SharedInformers } from '#client/informers.ts';
import { InProcessTransport } from '#client/transport/in-process.ts';
import type { RequestPipeline, Transport, UserInfo } from '#client/transport.ts';
import { type SimulatedKubelet, startSimulatedKubelet } from '#cmd/simulated-kubelet/simulated-kubelet.ts';
import { systemClock } from '#cmd/system-clock.ts';
import type { ApiServer } from '#control-plane/apiserver/apiserver.ts';
import type { TokenIssuer } from '#control-plane/apiserver/authentication/token-issuer.ts';
import { inProcessPipeline } from '#control-plane/apiserver/in-process.ts';
import type { Storage } from '#control-plane/storage/storage.ts';
import { SimulatedNodePools } from '#node/simulated/simulated-node-pools.ts';
import type { SimulatedNodesOptions } from '#node/simulated/simulated-nodes.ts';
import { type SimulatedNodes, startSimulatedNodes } from '#node/simulated/simulated-nodes.ts';
import type { Sent } from './builders.ts';
import { Components, type TestComponent } from './components.ts';
import { Faults, type NodeSwitch } from './faults.ts';
import { Gate } from './gate.ts';
import { HttpsEdge } from './https-edge.ts';
import { MortalTransport } from './mortal-transport.ts';
import { StoredView } from './stored-view.ts';
import { type Duration, millisecondsOf, type TestClock } from './test-clock.ts';

/** What a component of the cluster is given. */
export interface ComponentServices {
  transportFor(user: UserInfo): Transport;
  kinds: MutableKindRegistry;
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
/** Turns of the event loop without anything happening that count as rest. */
const QUIET_TURNS = 3;
/** On the machine's clock. */
const LOOK_EVERY_MS = 10;
/** So many turns without rest are a loop. */
const MOST_TURNS = 200_000;

/** A turn of the event loop. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export class TestCluster {
  readonly clock: TestClock;
  /** As an administrator. */
  readonly client: Client;
  readonly kinds: MutableKindRegistry;
  /** What goes wrong on purpose. */
  readonly faults: Faults;
  readonly #parts: TestClusterParts;
  readonly #gate: Gate;
  readonly #pipeline: RequestPipeline;
  readonly #view: StoredView;
  readonly #stopping = new AbortController();
  readonly #components = new Components();
  #shared: SharedInformers | undefined;
  #edge: Promise<HttpsEdge> | undefined;
  #kubelet: SimulatedKubelet | undefined;
  readonly #simulated: SimulatedNodes[] = [];
  /** The revision with which all informers had come up, and how many they were. */
  #caughtUp = { revision: 0, informers: 0 };
  readonly #lastChange = (kind: Kind): number => this.#view.lastChange(kind);
  #failure: { error: unknown } | undefined;

  constructor(clock: TestClock, parts: TestClusterParts) {
    const { api, storage, kinds } = parts;
    setMaxListeners(0, this.#stopping.signal);
    this.clock = clock;
    this.kinds = kinds;
    this.#parts = parts;
    this.faults = new Faults(clock, nodeSwitch(new Client(new InProcessTransport(api.pipeline, ADMIN))));
    this.#gate = new Gate(api.requests, { faults: this.faults, edgeClock: { ...systemClock, now: () => clock.now() } });
    this.#pipeline = inProcessPipeline(this.#gate.pipeline);
    this.#view = new StoredView(storage, this.#stopping.signal);
    this.client = new Client(this.transportFor(ADMIN));
  }

  get services(): ComponentServices {
    const { kinds, random, log } = this.#parts;
    return { transportFor: (user) => this.transportFor(user), kinds, clock: this.clock, random, log };
  }

  /** Resolves when the API server serves. */
  async ready(): Promise<void> {
    await this.settles();
    await this.#parts.api.ready();
  }

  /** Where clients in other processes find it: `https://127.0.0.1:PORT`, listening from the first time somebody asks. */
  async url(): Promise<string> {
    return (await this.#listening()).url;
  }

  /** For clients in other processes (kubectl, helm, client libraries): YAML, of the administrator unless it names a user. */
  async kubeconfig(user?: Pick<UserInfo, 'name' | 'groups'>): Promise<string> {
    return (await this.#listening()).kubeconfig(user);
  }

  /** The path of a file with the kubeconfig, for `KUBECONFIG`. It goes with the cluster. */
  async kubeconfigFile(user?: Pick<UserInfo, 'name' | 'groups'>): Promise<string> {
    return (await this.#listening()).kubeconfigFile(user);
  }

  #listening(): Promise<HttpsEdge> {
    this.#edge ??= this.#listen();
    return this.#edge;
  }

  async #listen(): Promise<HttpsEdge> {
    const { api, tokenIssuer, log } = this.#parts;
    const edge = await HttpsEdge.open({ api, pipeline: this.#gate.pipeline, tokenIssuer, log });
    const memberOf = (name: string) => this.#simulated.find((nodes) => nodes.member(name));
    this.#kubelet = await startSimulatedKubelet({
      nodes: {
        member: (name) => memberOf(name)?.member(name),
        isStopped: (name) => memberOf(name)?.isStopped(name) ?? false,
      },
      informers: this.#informers(),
      pki: edge.pki,
      clock: this.clock,
      log,
    });
    return edge;
  }

  /** Where the kubelet of a simulated node is, once clients from outside may ask for it. */
  nearKubelet(nodeName: string): { host: string; port: number } | undefined {
    return this.#kubelet?.addressOf(nodeName);
  }

  transportFor(user: UserInfo): Transport {
    return new InProcessTransport(this.#pipeline, user);
  }

  add(component: TestComponent): void {
    this.#components.add(component);
  }

  /** Starts a component that `stop` kills and `start` starts anew. */
  run(name: string, start: (services: MortalServices) => TestComponent): void {
    this.#components.addNamed(
      name,
      (informers) => {
        const death = new AbortController();
        const component = start({
          ...this.services,
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
      this.#informers(),
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

  #informers(): SharedInformers {
    const { random, log } = this.#parts;
    const client = new Client(this.transportFor(MANAGER));
    this.#shared ??= new SharedInformers({ client, clock: this.clock, random, log, signal: this.#stopping.signal });
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
    const component: TestComponent = {
      get busy() {
        return nodes.busy;
      },
      informers,
      stop: () => nodes.stop(),
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
    this.add({
      get busy() {
        return pools.busy;
      },
      informers,
      stop: () => pools.stop(),
    });
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

  /**
   * As `kubectl apply --server-side`: of a manifest (YAML, any number of documents), or of objects. Gives what came of it, in
   * the same order.
   */
  async apply(manifest: string | object | readonly object[]): Promise<KubeObject[]> {
    const objects = typeof manifest === 'string' ? objectsInYaml(manifest) : [manifest].flat();
    const applied: KubeObject[] = [];
    for (const object of objects) {
      applied.push(await this.#applyOne(object as KubeObject));
      if ((object as KubeObject).kind === 'CustomResourceDefinition') await this.settles(); // its kind is served
    }
    return applied;
  }

  async #applyOne(object: KubeObject): Promise<KubeObject> {
    const kind = this.kind(object.apiVersion, object.kind);
    const { name, namespace = 'default' } = object.metadata;
    const path = pathOf(kind, { name, ...(kind.scope === 'Namespaced' && { namespace }) });
    const body = new TextEncoder().encode(JSON.stringify(object));
    const contentType = 'application/apply-patch+yaml';
    const query = '?fieldManager=kedge-testing&force=true';
    const { transport } = this.client;
    return (await transport.request({ method: 'PATCH', path: path + query, body, contentType })).object as KubeObject;
  }

  /** A kind that is served, also one of a CustomResourceDefinition. */
  kind<T extends KubeObject = KubeObject>(apiVersion: string, kind: string): Kind<T> {
    const [version = '', group = ''] = apiVersion.split('/').reverse();
    const found = this.kinds.byKind(group, version, kind);
    if (!found) throw new Error(`no kind ${kind} of ${apiVersion} is served`);
    return found as unknown as Kind<T>;
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
      if (this.clock.fireDue()) {
        quiet = 0;
        continue;
      }
      const isQuiet = this.#isAtRest() && (await this.#view.isCurrent()) && revision === this.#view.revision;
      revision = this.#view.revision;
      quiet = isQuiet ? quiet + 1 : 0;
    }
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
    const edge = await this.#edge;
    await this.#kubelet?.close();
    await edge?.close();
    await this.#parts.api.close();
    await this.#parts.storage.close();
  }

  /** Asked at every turn: who has come up with a revision stays so until there is another, or another informer. */
  #informersBehind(): string[] {
    const all = this.#components.informers();
    let count = 0;
    for (const { size } of all) count += size;
    const { revision } = this.#view;
    if (revision === this.#caughtUp.revision && count === this.#caughtUp.informers) return [];
    const behind: string[] = [];
    let isAnyPaused = false;
    for (const informers of all) {
      const of = informers.behind(this.#lastChange);
      isAnyPaused ||= of.isAnyPaused;
      for (const { plural } of of.kinds) behind.push(`an informer of ${plural} is behind`);
    }
    if (behind.length === 0 && !isAnyPaused) this.#caughtUp = { revision, informers: count };
    return behind;
  }

  /** Asked at every turn, mostly of a cluster that works. */
  #isAtRest(): boolean {
    if (this.#gate.open > this.faults.delayed) return false;
    for (const { busy } of this.#components.running()) if (busy > 0) return false;
    return this.#informersBehind().length === 0;
  }

  /** What there is to wait for. */
  #unrest(): string[] {
    const unrest: string[] = [];
    const open = this.#gate.open - this.faults.delayed;
    if (open > 0) unrest.push(`${open} requests under way`);
    for (const { busy } of this.#components.running()) if (busy > 0) unrest.push(`${busy} keys or events to work on`);
    if (unrest.length === 0) unrest.push(...this.#informersBehind());
    return unrest;
  }
}

function objectsInYaml(manifest: string): unknown[] {
  return documentsIn(manifest).flatMap((document) => {
    const parsed = parseYaml(document);
    if ('problem' in parsed) throw new Error(`the manifest cannot be read: ${parsed.problem}`);
    return parsed.value === null ? [] : [parsed.value];
  });
}

function namedBy<T extends Named>(at: ObjectKey | T): Named {
  if (typeof at !== 'string') return at;
  const [name = '', namespace] = at.split('/').reverse();
  return { name, ...(namespace && { namespace }) };
}

const STOPPED = 'kedge.dev/simulated-stopped';

const nodeSwitch = (client: Client): NodeSwitch => {
  const set = async (name: string, stopped: string | null) => {
    const patch = { metadata: { annotations: { [STOPPED]: stopped } } };
    await client.patch(Node, { name }, { type: 'merge', patch });
  };
  return { stopNode: (name) => set(name, 'true'), startNode: (name) => set(name, null) };
};
