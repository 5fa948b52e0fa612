/**
 * Thousands of nodes as one component: registered, with leases that are renewed, while their pods live on paper. One informer
 * of nodes, one of pods, one timer, a bounded number of requests in flight (decision 22 of the design).
 */
import { Lease } from '#api/coordination/v1/lease.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { Taint } from '#api/generated/schema.ts';
import type { SimulatedPodRule } from '#api/kedge/v1alpha1/simulated-node-pool.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { hasReason, StatusError } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import { type Log, silentLog } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import type { Client } from '#client/client.ts';
import type { Informer, Informers } from '#client/informer.ts';
import { Unreachable } from '#client/transport.ts';
import { NodeIndexes } from './node-indexes.ts';
import { NodeLeases } from './node-leases.ts';
import { RequestQueue } from './request-queue.ts';
import {
  addressOf,
  amountsOf,
  DEFAULT_CAPACITY,
  LEASE_NAMESPACE,
  type NodeTemplate,
  nodeDraft,
  nodeStatus,
  type SimulatedCapacity,
  STOPPED,
  takeOverPatch,
} from './simulated-node.ts';
import { SimulatedPods } from './simulated-pods.ts';
import { TimerWheel } from './timer-wheel.ts';

export interface SimulatedNodesServices {
  client: Client;
  informers: Informers;
  clock: Clock;
  random: Random;
  log?: Log;
  /** Between the binding of a pod and its running, and between its deletion and its end, where its pool says nothing. */
  startMs?: number;
  stopMs?: number;
  /** How long a lease holds: shorter where a silent node is given up sooner than upstream does. */
  leaseSeconds?: number;
}

export interface SimulatedNodesOptions extends SimulatedNodesServices {
  /** Their names; or how many, named `<namePrefix><number>`. */
  names?: readonly string[];
  count?: number;
  namePrefix?: string;
  capacity?: Partial<SimulatedCapacity>;
  labels?: Readonly<Record<string, string>>;
  taints?: readonly Taint[];
  rules?: readonly SimulatedPodRule[];
}

/** A node and what it has in common with others. */
export interface Member {
  name: string;
  index: number;
  template: NodeTemplate;
  rules: readonly SimulatedPodRule[];
}

const LEASE_SECONDS = 40; // upstream's
/**
 * A lease is renewed after this part of its time. Kubelets do it after a quarter, because a try of theirs may get lost: these
 * try again at once, and a silent node is given up later than its lease ends.
 */
const RENEWED_AFTER = 0.9;
const STATUS_EVERY_MS = 300_000;
/** Leases of so many nodes are renewed together, and of all in so many groups, so that many come evenly and few at once. */
const GROUP = 50;
const GROUPS = 20;
const groupOf = ({ index }: Member): number => Math.floor(index / GROUP) % GROUPS;
const RETRY_MS = 1_000;

/** Resolves when all nodes are registered and ready. */
export async function startSimulatedNodes(options: SimulatedNodesOptions): Promise<SimulatedNodes> {
  const { labels, taints, rules = [] } = options;
  const names = options.names ?? simulatedNodeNames(options.count ?? 0, options.namePrefix);
  const capacity = { ...DEFAULT_CAPACITY, ...(options.capacity as SimulatedCapacity) };
  const nodes = new SimulatedNodes(options);
  await nodes.start();
  await Promise.all(names.map((name) => nodes.put(name, { template: { labels, taints, capacity }, rules })));
  return nodes;
}

export const simulatedNodeNames = (count: number, prefix = 'simulated-'): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`);

export class SimulatedNodes {
  readonly #services: SimulatedNodesServices;
  readonly #members = new Map<string, Member>();
  readonly #indexes = new NodeIndexes();
  readonly #leases: NodeLeases;
  /** What each node had by itself as it was written last. */
  readonly #had = new Map<string, SimulatedCapacity>();
  readonly #nodes: Informer<Node>;
  readonly #wheel: TimerWheel;
  readonly #requests = new RequestQueue();
  readonly #pods: SimulatedPods;
  #unsubscribe: () => void = () => undefined;
  #isStopped = false;

  constructor(services: SimulatedNodesServices) {
    this.#services = services;
    this.#nodes = services.informers.for(Node);
    this.#wheel = new TimerWheel(services.clock);
    this.#leases = new NodeLeases({ ...services, seconds: this.#leaseSeconds });
    this.#pods = new SimulatedPods({
      ...services,
      pods: services.informers.for(Pod),
      wheel: this.#wheel,
      memberOf: (node) => this.#members.get(node),
      isStopped: (node) => this.isStopped(node),
      send: (act, retryId) => this.#send(act, retryId),
    });
  }

  get names(): readonly string[] {
    return [...this.#members.keys()];
  }

  /** Requests that wait or are in flight; what waits for a time is not counted. */
  get busy(): number {
    return this.#requests.size;
  }

  /** By the node's name. */
  member(name: string): Member | undefined {
    return this.#members.get(name);
  }

  /** Resolves when the nodes that there are have been listed. */
  async start(): Promise<void> {
    await this.#services.informers.synced();
    if (this.#isStopped) return;
    for (const node of this.#nodes.list()) this.#indexes.keep(node);
    this.#unsubscribe = this.#nodes.onChange(({ key, now, before }) => {
      const member = this.#members.get(key);
      if (!member || !now || isStopped(now)) return;
      if (isStopped(before)) this.#resume(key);
      else if (this.#isOtherwise(member, now, before)) this.#send(() => this.#report(key));
    });
    this.#pods.start();
    this.#wheel.set('statuses', STATUS_EVERY_MS, () => this.#reportAll());
  }

  /** No more is written. The nodes' objects stay, and become NotReady as those of lost nodes do. */
  stop(): void {
    this.#isStopped = true;
    this.#unsubscribe();
    this.#pods.stop();
    this.#wheel.close();
    this.#requests.close();
  }

  /** A node, new or changed. Resolves when it is registered. */
  async put(name: string, { template, rules }: Pick<Member, 'template' | 'rules'>): Promise<void> {
    const index = this.#indexes.take(name);
    if (index === undefined) return this.#log('there are no addresses left for simulated nodes', { name });
    const before = this.#members.get(name);
    const member = { name, index, template, rules };
    this.#members.set(name, member);
    const group = groupOf(member);
    this.#keepRenewed(group, this.#renewEveryMs * (1 - group / GROUPS));
    if (!before) await this.#requests.run(() => this.#register(member));
    else if (before.template !== template) await this.#requests.run(() => this.#takeOver(member));
    this.#pods.lookAtNode(name);
  }

  /** Its object has gone: it is new again when it is put. */
  forget(name: string): void {
    this.#members.delete(name);
    this.#had.delete(name);
  }

  /** Takes the node away, as somebody does who scales down. */
  remove(name: string): void {
    if (!this.#members.delete(name)) return;
    this.#indexes.give(name);
    this.#had.delete(name);
    this.#leases.forget(name);
    this.#send(() => this.#services.client.delete(Node, { name }));
    this.#send(() => this.#services.client.delete(Lease, { name, namespace: LEASE_NAMESPACE }));
  }

  async #register(member: Member): Promise<void> {
    const { client, clock } = this.#services;
    const { name } = member;
    try {
      await client.create(Node, nodeDraft(name, { ...member, nowMs: clock.now() }));
      this.#had.set(name, member.template.capacity);
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists')) throw error;
      await this.#takeOver(member);
    }
    await this.#renew(name);
  }

  /** Of an earlier life of this component, or of a pool that says something else now. */
  async #takeOver({ name, template }: Member): Promise<void> {
    const { client } = this.#services;
    for (;;) {
      const patch = takeOverPatch(await client.get(Node, { name }), template);
      try {
        await client.patch(Node, { name }, { type: 'merge', patch });
        break;
      } catch (error) {
        if (!hasReason(error, 'Conflict')) throw error; // somebody else has changed it meanwhile
      }
    }
    await this.#report(name);
  }

  async #report(name: string): Promise<void> {
    const { client, clock } = this.#services;
    const member = this.#members.get(name);
    if (!member || this.isStopped(name)) return;
    const { status: before } = this.#nodes.get(name) ?? (await client.get(Node, { name }));
    const { capacity } = member.template;
    const amounts = { capacity, had: this.#had.get(name), before };
    const status = nodeStatus(name, { ...amounts, address: addressOf(member.index), nowMs: clock.now() });
    await client.patch(Node, { name, subresource: 'status' }, { type: 'merge', patch: { status } });
    this.#had.set(name, capacity);
  }

  /** Somebody has changed its capacity so that it has to say something else: kubelets do so within seconds. */
  #isOtherwise({ name, template }: Member, { status: now }: Node, before: Node | undefined): boolean {
    if (!before || isEqual(now?.capacity, before.status?.capacity)) return false;
    const { capacity, allocatable } = amountsOf({ ...template, had: this.#had.get(name), before: now });
    return !isEqual({ capacity, allocatable }, { capacity: now?.capacity, allocatable: now?.allocatable });
  }

  #reportAll(): void {
    for (const name of this.#members.keys()) this.#send(() => this.#report(name));
    this.#wheel.set('statuses', STATUS_EVERY_MS, () => this.#reportAll());
  }

  /** A group keeps its time as long as there is a node in it, so that none has to wait longer because of the others. */
  #keepRenewed(group: number, afterMs: number): void {
    const id = `leases/${group}`;
    if (this.#wheel.has(id)) return;
    this.#wheel.set(id, afterMs, () => {
      const members = [...this.#members.values()].filter((member) => groupOf(member) === group);
      for (const { name } of members) this.#renewOf(name);
      if (members.length > 0) this.#keepRenewed(group, this.#renewEveryMs);
    });
  }

  #renewOf(name: string): void {
    this.#send(() => this.#renew(name), `${name}/lease`);
  }

  get #renewEveryMs(): number {
    return this.#leaseSeconds * 1000 * RENEWED_AFTER;
  }

  get #leaseSeconds(): number {
    return this.#services.leaseSeconds ?? LEASE_SECONDS;
  }

  async #renew(name: string): Promise<void> {
    if (this.#members.has(name) && !this.isStopped(name)) await this.#leases.renew(name);
  }

  /** Somebody has switched it off. */
  isStopped(name: string): boolean {
    return isStopped(this.#nodes.get(name));
  }

  #resume(name: string): void {
    this.#send(() => this.#report(name));
    this.#renewOf(name);
    this.#pods.lookAtNode(name);
  }

  /** `retryId`: where to plan another try when the server does not answer. */
  #send(act: () => Promise<void>, retryId?: string): void {
    this.#requests.run(act).catch((error: unknown) => {
      if (hasReason(error, 'NotFound', 'Conflict')) return; // it has gone or changed: the informer will tell
      if (!(error instanceof StatusError) && !(error instanceof Unreachable)) throw error;
      this.#log('a request failed', { error: error.message });
      if (retryId && !this.#wheel.has(retryId)) this.#wheel.set(retryId, RETRY_MS, () => this.#send(act, retryId));
    });
  }

  #log(what: string, fields: Record<string, unknown>): void {
    const { log = silentLog } = this.#services;
    log.debug(`simulated nodes: ${what}`, fields);
  }
}

export const isStopped = (node: Node | undefined): boolean => node?.metadata.annotations?.[STOPPED] === 'true';
