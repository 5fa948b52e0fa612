/**
 * Which nodes are simulated and how pods behave on them, as their objects say it: so that every control plane can answer for
 * them, whichever of those that share a store simulates them.
 */
import { Node } from '#api/core/v1/node.ts';
import { SimulatedNodePool } from '#api/kedge/v1alpha1/simulated-node-pool.ts';
import type { Informer, Informers } from '#client/informer.ts';
import { poolOf } from './simulated-node-pools.ts';
import { isStopped, type Member } from './simulated-nodes.ts';

/** What answering for a node needs of it. */
export type Answering = Pick<Member, 'name' | 'rules'>;

export class SimulatedMembers {
  readonly #nodes: Informer<Node>;
  readonly #pools: Informer<SimulatedNodePool>;
  /** Those that are of no pool. */
  readonly #others: ReadonlySet<string>;

  constructor(informers: Informers, others: readonly string[] = []) {
    this.#nodes = informers.for(Node);
    this.#pools = informers.for(SimulatedNodePool);
    this.#others = new Set(others);
  }

  /** By the node's name. */
  member(name: string): Answering | undefined {
    if (this.#others.has(name)) return { name, rules: [] };
    const pool = this.#pools.get(poolOf(this.#nodes.get(name)) ?? '');
    return pool && { name, rules: pool.spec.pods ?? [] };
  }

  isStopped(name: string): boolean {
    return isStopped(this.#nodes.get(name));
  }
}
