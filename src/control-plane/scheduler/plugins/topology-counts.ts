/** How many pods of some sort there are in each topology domain, kept current. */
import type { Pod } from '#api/core/v1/pod.ts';
import type { Tally } from '../define-plugin.ts';
import type { Domains } from '../domains.ts';
import type { NodeInfo } from '../node-info.ts';

export interface CountedPods {
  /** Which domain a node is in; undefined: its pods do not count. */
  domainOf(node: NodeInfo): string | undefined;
  matches(pod: Pod): boolean;
}

/** Domains are those of the nodes that are there, also without a pod. */
export class TopologyCounts implements Tally {
  readonly #of: CountedPods;
  readonly #pods = new Map<string, number>();
  readonly #nodes = new Map<string, number>();
  /** How many domains have so many pods. */
  readonly #domainsWith = new Map<number, number>();
  /** See `inOrder`. */
  #ordered: { domains: Domains; pods: Int32Array } | undefined;
  #least = 0;
  #total = 0;

  constructor(of: CountedPods) {
    this.#of = of;
  }

  /** Of pods. */
  get total(): number {
    return this.#total;
  }

  get domains(): number {
    return this.#nodes.size;
  }

  has(domain: string): boolean {
    return this.#nodes.has(domain);
  }

  at(domain: string): number {
    return this.#pods.get(domain) ?? 0;
  }

  /** By the ids of these domains. It is kept current as long as they are the same. */
  inOrder(domains: Domains): Int32Array {
    if (this.#ordered?.domains !== domains)
      this.#ordered = { domains, pods: Int32Array.from(domains.names, (name) => this.at(name)) };
    return this.#ordered.pods;
  }

  entries(): Iterable<[domain: string, pods: number]> {
    return this.#pods.entries();
  }

  /** In the domain with the fewest pods, if this one had `extra` more than it has; 0 when there is no domain. */
  leastWith(domain?: string, extra = 0): number {
    if (this.#nodes.size === 0) return 0;
    if (domain === undefined || extra === 0 || !this.has(domain)) return this.#least;
    const own = this.at(domain);
    return Math.min(own + extra, own === this.#least ? this.#leastBeside() : this.#least);
  }

  nodeCame(node: NodeInfo): void {
    const domain = this.#of.domainOf(node);
    if (domain === undefined) return;
    const before = this.#nodes.get(domain) ?? 0;
    this.#nodes.set(domain, before + 1);
    if (before === 0) this.#enter(0);
    this.#add(domain, this.#matching(node));
  }

  nodeWent(node: NodeInfo): void {
    const domain = this.#of.domainOf(node);
    if (domain === undefined) return;
    this.#add(domain, -this.#matching(node));
    const left = (this.#nodes.get(domain) ?? 0) - 1;
    if (left > 0) {
      this.#nodes.set(domain, left);
      return;
    }
    this.#nodes.delete(domain);
    this.#leave(0);
    this.#pods.delete(domain);
  }

  podCame(pod: Pod, node: NodeInfo): void {
    this.#one(pod, node, 1);
  }

  podWent(pod: Pod, node: NodeInfo): void {
    this.#one(pod, node, -1);
  }

  #one(pod: Pod, node: NodeInfo, by: number): void {
    if (!this.#of.matches(pod)) return;
    const domain = this.#of.domainOf(node);
    if (domain !== undefined) this.#add(domain, by);
  }

  #matching({ pods }: NodeInfo): number {
    let count = 0;
    for (const pod of pods) if (this.#of.matches(pod)) count++;
    return count;
  }

  #add(domain: string, by: number): void {
    if (by === 0) return;
    const before = this.at(domain);
    this.#total += by;
    if (before + by === 0) this.#pods.delete(domain);
    else this.#pods.set(domain, before + by);
    const id = this.#ordered?.domains.idOf.get(domain);
    if (this.#ordered && id !== undefined) this.#ordered.pods[id] = before + by;
    this.#enter(before + by);
    this.#leave(before);
  }

  #enter(pods: number): void {
    this.#domainsWith.set(pods, (this.#domainsWith.get(pods) ?? 0) + 1);
    if (pods < this.#least || this.#domainsWith.size === 1) this.#least = pods;
  }

  #leave(pods: number): void {
    const left = (this.#domainsWith.get(pods) ?? 0) - 1;
    if (left > 0) {
      this.#domainsWith.set(pods, left);
      return;
    }
    this.#domainsWith.delete(pods);
    if (pods === this.#least) this.#least = smallest(this.#domainsWith.keys());
  }

  /** Without one of the domains that have the fewest. */
  #leastBeside(): number {
    if ((this.#domainsWith.get(this.#least) ?? 0) > 1) return this.#least;
    let next = Number.POSITIVE_INFINITY;
    for (const pods of this.#domainsWith.keys()) if (pods !== this.#least && pods < next) next = pods;
    return next;
  }
}

function smallest(numbers: Iterable<number>): number {
  let least = Number.POSITIVE_INFINITY;
  for (const number of numbers) if (number < least) least = number;
  return Number.isFinite(least) ? least : 0;
}
