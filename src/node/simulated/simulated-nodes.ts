/**
 * Thousands of nodes as one component: registered, with leases that are renewed, their pods brought to Running on paper and
 * ended when they are deleted. One pod informer, one timer, a bounded number of requests in flight (decision 22 of the design).
 */
import { Lease } from '#api/coordination/v1/lease.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isTerminal } from '#api/core/v1/pod-conditions.ts';
import type { PodStatus, Taint } from '#api/generated/schema.ts';
import { hasReason, StatusError } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import { type Log, silentLog } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import type { Client } from '#client/client.ts';
import type { Informer, Informers } from '#client/informer.ts';
import { Unreachable } from '#client/transport.ts';
import { PodAddresses } from './pod-addresses.ts';
import { RequestQueue } from './request-queue.ts';
import {
  addressOf,
  DEFAULT_CAPACITY,
  LEASE_NAMESPACE,
  leaseSpec,
  nodeDraft,
  nodeStatus,
  podRangeOf,
  type SimulatedCapacity,
} from './simulated-node.ts';
import { endedStatus, runMsOf, runningStatus } from './simulated-pod.ts';
import { TimerWheel } from './timer-wheel.ts';

export interface SimulatedNodesOptions {
  /** Their names; or how many, named `<namePrefix><number>`. */
  names?: readonly string[];
  count?: number;
  namePrefix?: string;
  client: Client;
  informers: Informers;
  clock: Clock;
  random: Random;
  log?: Log;
  capacity?: Partial<SimulatedCapacity>;
  labels?: Readonly<Record<string, string>>;
  taints?: readonly Taint[];
  /** Between the binding of a pod and its running, and between its deletion and its end. */
  startMs?: number;
  stopMs?: number;
}

export interface SimulatedNodes {
  readonly names: readonly string[];
  /** Requests that wait or are in flight; what waits for a time is not counted. */
  readonly busy: number;
  /** No more is written. The nodes' objects stay, and become NotReady as those of lost nodes do. */
  stop(): void;
}

const RENEW_EVERY_MS = 10_000;
const STATUS_EVERY_MS = 300_000;
/** Leases are renewed in so many batches per round, so that they come evenly. */
const BATCHES = 10;
const DEFAULT_START_MS = 500;
const DEFAULT_STOP_MS = 200;
const RETRY_MS = 1_000;
/** Start and stop times vary by this much of themselves. */
const JITTER = 0.5;

/** Resolves when all nodes are registered and ready. */
export async function startSimulatedNodes(options: SimulatedNodesOptions): Promise<SimulatedNodes> {
  const names = options.names ?? simulatedNodeNames(options.count ?? 0, options.namePrefix);
  const pods = options.informers.for(Pod);
  const running = new Running(options, names, pods);
  await running.register();
  running.begin();
  return running;
}

export const simulatedNodeNames = (count: number, prefix = 'simulated-'): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`);

class Running implements SimulatedNodes {
  readonly names: readonly string[];
  readonly #options: SimulatedNodesOptions;
  readonly #pods: Informer<Pod>;
  /** Node → its number. */
  readonly #index: ReadonlyMap<string, number>;
  readonly #wheel: TimerWheel;
  readonly #requests: RequestQueue;
  readonly #addresses = new PodAddresses();
  readonly #capacity: SimulatedCapacity;
  #unsubscribe: () => void = () => undefined;

  constructor(options: SimulatedNodesOptions, names: readonly string[], pods: Informer<Pod>) {
    this.#options = options;
    this.names = names;
    this.#pods = pods;
    this.#index = new Map(names.map((name, index) => [name, index]));
    this.#wheel = new TimerWheel(options.clock);
    this.#requests = new RequestQueue();
    this.#capacity = { ...DEFAULT_CAPACITY, ...options.capacity };
  }

  get busy(): number {
    return this.#requests.size;
  }

  stop(): void {
    this.#unsubscribe();
    this.#wheel.close();
    this.#requests.close();
  }

  async register(): Promise<void> {
    await Promise.all(this.names.map((name) => this.#requests.run(() => this.#registerOne(name))));
  }

  begin(): void {
    this.#unsubscribe = this.#pods.onChange(({ key, now, before }) => {
      // The same name may come back as another pod.
      if (before && before.metadata.uid !== now?.metadata.uid) this.#forget(key, before);
      if (now) this.#look(key, now);
    });
    for (const pod of this.#pods.list()) this.#look(keyOfPod(pod), pod);
    for (let batch = 0; batch < BATCHES; batch++) this.#renewLater(batch, (RENEW_EVERY_MS * batch) / BATCHES);
    this.#wheel.set('statuses', STATUS_EVERY_MS, () => this.#reportAll());
  }

  async #registerOne(name: string): Promise<void> {
    const { client, clock, taints = [], labels = {} } = this.#options;
    const index = this.#index.get(name) ?? 0;
    try {
      await client.create(Node, nodeDraft(name, { podRange: podRangeOf(index), taints, labels }));
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists')) throw error;
    }
    await this.#report(name);
    const at = { name, namespace: LEASE_NAMESPACE };
    try {
      await client.create(Lease, { metadata: at, spec: leaseSpec(name, clock.now()) });
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists')) throw error;
      await this.#renew(name);
    }
  }

  async #report(name: string): Promise<void> {
    const { client, clock } = this.#options;
    const before = (await client.get(Node, { name })).status;
    const address = addressOf(this.#index.get(name) ?? 0);
    const status = nodeStatus(name, { address, capacity: this.#capacity, nowMs: clock.now(), before });
    await client.patch(Node, { name, subresource: 'status' }, { type: 'merge', patch: { status } });
  }

  #reportAll(): void {
    for (const name of this.names) this.#send(() => this.#report(name));
    this.#wheel.set('statuses', STATUS_EVERY_MS, () => this.#reportAll());
  }

  #renewLater(batch: number, afterMs: number): void {
    this.#wheel.set(`leases/${batch}`, afterMs, () => {
      for (let at = batch; at < this.names.length; at += BATCHES) {
        const name = this.names[at]!;
        this.#send(() => this.#renew(name));
      }
      this.#renewLater(batch, RENEW_EVERY_MS);
    });
  }

  async #renew(name: string): Promise<void> {
    const { client, clock } = this.#options;
    const patch = { spec: leaseSpec(name, clock.now()) };
    await client.patch(Lease, { name, namespace: LEASE_NAMESPACE }, { type: 'merge', patch });
  }

  #look(key: string, pod: Pod): void {
    const { startMs = DEFAULT_START_MS, stopMs = DEFAULT_STOP_MS } = this.#options;
    const node = pod.spec.nodeName;
    if (!node || !this.#index.has(node)) return;
    const { deletionTimestamp, deletionGracePeriodSeconds = 30 } = pod.metadata;
    if (deletionTimestamp) {
      const soonest = Math.min(this.#varied(stopMs), deletionGracePeriodSeconds * 1000);
      this.#later(`${key}/end`, soonest, () => this.#end(key));
      this.#wheel.clear(`${key}/run`);
      return;
    }
    if (isTerminal(pod)) {
      this.#wheel.clear(`${key}/run`);
      return;
    }
    if (pod.status?.podIP) this.#addresses.keep(this.#index.get(node) ?? 0, key, pod.status.podIP);
    if (pod.status?.phase === 'Running') {
      const runMs = runMsOf(pod);
      if (runMs === undefined || pod.spec.restartPolicy === 'Always') return;
      const startedMs = Date.parse(pod.status.startTime ?? '') || this.#options.clock.now();
      this.#later(`${key}/run`, Math.max(0, startedMs + runMs - this.#options.clock.now()), () => this.#finish(key));
    } else this.#later(`${key}/run`, this.#varied(startMs), () => this.#run(key));
  }

  /** What is planned stays planned. */
  #later(id: string, afterMs: number, act: () => Promise<void>): void {
    if (!this.#wheel.has(id)) this.#wheel.set(id, afterMs, () => this.#send(act, id));
  }

  #varied(ms: number): number {
    return ms * (1 - JITTER / 2 + this.#options.random.next() * JITTER);
  }

  async #run(key: string): Promise<void> {
    const pod = this.#pods.get(key);
    if (!pod || pod.metadata.deletionTimestamp || pod.status?.phase !== 'Pending') return;
    await this.#write(pod, runningStatus(pod, this.#times(key, pod)));
  }

  async #finish(key: string): Promise<void> {
    const pod = this.#pods.get(key);
    if (!pod || isTerminal(pod)) return;
    await this.#write(pod, endedStatus(pod, this.#times(key, pod)));
  }

  async #end(key: string): Promise<void> {
    const pod = this.#pods.get(key);
    if (!pod?.metadata.deletionTimestamp) return;
    const { name, namespace = '', uid } = pod.metadata;
    await this.#options.client.delete(Pod, { name, namespace }, { gracePeriodSeconds: 0, preconditions: { uid } });
  }

  #times(key: string, pod: Pod) {
    const index = this.#index.get(pod.spec.nodeName ?? '') ?? 0;
    return { nowMs: this.#options.clock.now(), hostIP: addressOf(index), podIP: this.#addresses.take(index, key) };
  }

  async #write({ metadata }: Pod, status: PodStatus): Promise<void> {
    const at = { name: metadata.name, namespace: metadata.namespace ?? '', subresource: 'status' };
    const patch = { metadata: { uid: metadata.uid }, status };
    await this.#options.client.patch(Pod, at, { type: 'merge', patch });
  }

  #forget(key: string, pod: Pod): void {
    const index = this.#index.get(pod.spec.nodeName ?? '');
    if (index === undefined) return;
    this.#addresses.give(index, key);
    this.#wheel.clear(`${key}/run`);
    this.#wheel.clear(`${key}/end`);
  }

  /** `retryId`: where to plan another try when the server does not answer. */
  #send(act: () => Promise<void>, retryId?: string): void {
    this.#requests.run(act).catch((error: unknown) => {
      if (hasReason(error, 'NotFound', 'Conflict')) return; // it has gone or changed: the informer will tell
      if (!(error instanceof StatusError) && !(error instanceof Unreachable)) throw error;
      const { log = silentLog } = this.#options;
      log.debug('simulated nodes: a request failed', { error: error.message });
      if (retryId) this.#later(retryId, RETRY_MS, act);
    });
  }
}

const keyOfPod = ({ metadata }: Pod): string => `${metadata.namespace}/${metadata.name}`;
