/**
 * What SimulatedNodePools ask for: as many nodes as each says, named `POOL-NUMBER`, like its template; the last ones go first.
 * Its status says how many there are and how many are ready.
 */
import { Node } from '#api/core/v1/node.ts';
import type { Taint } from '#api/generated/schema.ts';
import {
  SimulatedNodePool,
  type SimulatedNodePoolStatus,
  type SimulatedPodRule,
} from '#api/kedge/v1alpha1/simulated-node-pool.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { hasReason, StatusError } from '#api/machinery/status.ts';
import { type Log, silentLog } from '#base/log.ts';
import { WorkQueue } from '#base/work-queue.ts';
import type { Informer } from '#client/informer.ts';
import { Unreachable } from '#client/transport.ts';
import { DEFAULT_CAPACITY, type NodeTemplate } from './simulated-node.ts';
import { SimulatedNodes, type SimulatedNodesServices } from './simulated-nodes.ts';

/** Of a Node: the pool that it belongs to. */
export const POOL_LABEL = 'kedge.dev/simulated-node-pool';

const RETRY_MS = 1_000;

export interface SimulatedNodePoolsServices extends SimulatedNodesServices {
  /** See `give`. */
  givenOnce?: NodeTemplate['givenOnce'];
}

interface Done {
  spec: SimulatedNodePool['spec'];
  template: NodeTemplate;
  rules: readonly SimulatedPodRule[];
}

export class SimulatedNodePools {
  readonly nodes: SimulatedNodes;
  readonly #services: SimulatedNodePoolsServices;
  readonly #pools: Informer<SimulatedNodePool>;
  readonly #registered: Informer<Node>;
  readonly #queue: WorkQueue;
  /** By pool: what its nodes were made from. */
  readonly #done = new Map<string, Done>();
  /** By pool: the names of its nodes that there are, and of those the ready ones. */
  readonly #known = new Map<string, { all: Set<string>; ready: Set<string> }>();
  readonly #stops: (() => void)[] = [];
  #givenOnce: NodeTemplate['givenOnce'];
  #isStopped = false;

  constructor(services: SimulatedNodePoolsServices) {
    this.#services = services;
    this.#givenOnce = services.givenOnce;
    this.nodes = new SimulatedNodes(services);
    this.#pools = services.informers.for(SimulatedNodePool);
    this.#registered = services.informers.for(Node);
    this.#queue = new WorkQueue({ clock: services.clock, workers: 1, work: (key) => this.#work(key) });
  }

  get busy(): number {
    return this.#queue.busy + this.nodes.busy;
  }

  async start(): Promise<void> {
    await this.nodes.start();
    if (this.#isStopped) return;
    for (const node of this.#registered.list()) this.#count(node, undefined);
    this.#stops.push(
      this.#pools.onChange(({ key }) => this.#queue.add(key)),
      this.#registered.onChange(({ now, before }) => this.#count(now, before)),
    );
    for (const { metadata } of this.#pools.list()) this.#queue.add(metadata.name);
    for (const pool of this.#known.keys()) this.#queue.add(pool); // some may be of pools that have gone meanwhile
    this.#queue.start();
  }

  /** From now on every node of a pool has these beside its own, and those that there are get them once. */
  give(taints: readonly Taint[]): void {
    this.#givenOnce = taints;
    this.#done.clear();
    for (const { metadata } of this.#pools.list()) this.#queue.add(metadata.name);
  }

  stop(): void {
    this.#isStopped = true;
    for (const stop of this.#stops) stop();
    this.#queue.stop();
    this.nodes.stop();
  }

  #count(now: Node | undefined, before: Node | undefined): void {
    const pool = poolOf(now) ?? poolOf(before);
    const name = (now ?? before)?.metadata.name;
    if (!pool || !name) return;
    let known = this.#known.get(pool);
    if (!known) {
      known = { all: new Set(), ready: new Set() };
      this.#known.set(pool, known);
    }
    if (!now && this.nodes.member(name)) this.nodes.forget(name); // somebody has deleted its object
    const [all, ready] = [known.all.size, known.ready.size];
    known.all[now ? 'add' : 'delete'](name);
    known.ready[now && isReady(now) ? 'add' : 'delete'](name);
    if (all !== known.all.size || ready !== known.ready.size) this.#queue.add(pool);
  }

  async #work(key: string): Promise<void> {
    try {
      await this.#reconcile(key);
    } catch (error) {
      if (!(error instanceof StatusError) && !(error instanceof Unreachable)) throw error;
      const { log = silentLog } = this.#services;
      if (!hasReason(error, 'Conflict', 'NotFound')) this.#debug(log, key, error);
      this.#queue.addAfter(key, RETRY_MS);
    }
  }

  #debug(log: Log, pool: string, error: Error): void {
    log.debug('simulated nodes: a pool is tried again', { pool, error: error.message });
  }

  async #reconcile(key: string): Promise<void> {
    const pool = this.#pools.get(key);
    const wanted = pool && !pool.metadata.deletionTimestamp ? pool.spec.count : 0;
    for (const name of this.#namesOf(key)) if (numberOf(key, name) > wanted) await this.#take(name);
    if (!pool) {
      this.#done.delete(key);
      return;
    }
    const done = this.#done.get(key);
    if (wanted > 0 && (!done || !isEqual(done.spec, pool.spec) || this.#isIncomplete(key, wanted)))
      await this.#put(key, pool, wanted);
    await this.#writeStatus(key, pool);
  }

  #isIncomplete(key: string, wanted: number): boolean {
    for (let number = 1; number <= wanted; number++) if (!this.nodes.member(`${key}-${number}`)) return true;
    return false;
  }

  async #put(key: string, { spec }: SimulatedNodePool, wanted: number): Promise<void> {
    const before = this.#done.get(key);
    const made: Done = {
      spec,
      template: before && isEqual(before.spec.template, spec.template) ? before.template : this.#templateOf(key, spec),
      rules: before && isEqual(before.spec.pods, spec.pods) ? before.rules : (spec.pods ?? []),
    };
    const names = Array.from({ length: wanted }, (_, index) => `${key}-${index + 1}`);
    const different = names.filter((name) => {
      const member = this.nodes.member(name);
      return member?.template !== made.template || member.rules !== made.rules;
    });
    await Promise.all(different.map((name) => this.nodes.put(name, made)));
    this.#done.set(key, made);
  }

  #templateOf(pool: string, { template = {} }: SimulatedNodePool['spec']): NodeTemplate {
    const { annotations, capacity } = template;
    return {
      labels: { ...template.labels, [POOL_LABEL]: pool },
      ...(annotations && { annotations }),
      ...(template.taints && { taints: template.taints }),
      ...(this.#givenOnce && { givenOnce: this.#givenOnce }),
      capacity: { ...DEFAULT_CAPACITY, ...stringsOf(capacity) },
    };
  }

  /** Of those that are ours, and of those that were ours before a restart. */
  #namesOf(key: string): string[] {
    const members = this.nodes.names.filter((name) => numberOf(key, name) > 0);
    return [...new Set([...members, ...(this.#known.get(key)?.all ?? [])])];
  }

  async #take(name: string): Promise<void> {
    if (this.nodes.member(name)) this.nodes.remove(name);
    else if (this.#registered.get(name)) await this.#services.client.delete(Node, { name });
  }

  async #writeStatus(key: string, pool: SimulatedNodePool): Promise<void> {
    const { all = new Set(), ready = new Set() } = this.#known.get(key) ?? {};
    const status: SimulatedNodePoolStatus = {
      observedGeneration: pool.metadata.generation ?? 0,
      count: all.size,
      ready: ready.size,
      selector: `${POOL_LABEL}=${key}`,
    };
    if (isEqual(pool.status, status)) return;
    const at = { name: key, subresource: 'status' };
    await this.#services.client.patch(SimulatedNodePool, at, { type: 'merge', patch: { status } });
  }
}

const isReady = ({ status }: Node): boolean =>
  status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false;

/** Whose node it is: by its label and its name, as a label alone may be on any node. */
export function poolOf(node: Node | undefined): string | undefined {
  const pool = node?.metadata.labels?.[POOL_LABEL];
  return node && pool && numberOf(pool, node.metadata.name) > 0 ? pool : undefined;
}

/** Its number in the pool; 0 for a name of another. */
function numberOf(pool: string, name: string): number {
  if (!name.startsWith(`${pool}-`)) return 0;
  const digits = name.slice(pool.length + 1);
  return /^[1-9]\d*$/.test(digits) ? Number(digits) : 0;
}

/** A capacity may be written as a number. */
const stringsOf = (capacity: Readonly<Record<string, string | number>> = {}): Record<string, string> =>
  Object.fromEntries(Object.entries(capacity).map(([name, value]) => [name, String(value)]));
