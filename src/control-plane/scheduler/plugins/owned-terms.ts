/** What the pods that are placed say of others, kept current: each term once, with how often it is said in which domain. */
import type { Node } from '#api/core/v1/node.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import type { ClusterView, Tally } from '../define-plugin.ts';
import type { NodeInfo } from '../node-info.ts';
import { matchesTerm, type Term } from './pod-affinity-terms.ts';

export interface OwnedTerm {
  term: Term;
  /** How often, by topology value. */
  domains: Map<string, number>;
}

export class OwnedTerms implements Tally {
  readonly #termsOf: (pod: Pod) => readonly Term[];
  readonly #terms = new Map<string, OwnedTerm>();
  /** Those that name their namespaces, by namespace; all others. */
  readonly #byNamespace = new Map<string, Set<OwnedTerm>>();
  readonly #selecting = new Set<OwnedTerm>();

  /** `termsOf`: of terms with the same key and weight one counts for all. */
  constructor(termsOf: (pod: Pod) => readonly Term[]) {
    this.#termsOf = termsOf;
  }

  /** That this pod is meant by. */
  about(pod: Pod, cluster: Pick<ClusterView, 'cached'>): readonly OwnedTerm[] {
    if (this.#terms.size === 0) return NONE;
    const meant: OwnedTerm[] = [];
    const look = (owned: OwnedTerm) => {
      if (matchesTerm(owned.term, pod, cluster)) meant.push(owned);
    };
    for (const owned of this.#byNamespace.get(pod.metadata.namespace ?? '') ?? NONE) look(owned);
    for (const owned of this.#selecting) look(owned);
    return meant;
  }

  nodeCame({ node, podsWithAffinity }: NodeInfo): void {
    for (const pod of podsWithAffinity) this.#count(pod, node, 1);
  }

  nodeWent({ node, podsWithAffinity }: NodeInfo): void {
    for (const pod of podsWithAffinity) this.#count(pod, node, -1);
  }

  podCame(pod: Pod, { node }: NodeInfo): void {
    this.#count(pod, node, 1);
  }

  podWent(pod: Pod, { node }: NodeInfo): void {
    this.#count(pod, node, -1);
  }

  #count(pod: Pod, node: Node, by: number): void {
    for (const term of this.#termsOf(pod)) {
      const domain = node.metadata.labels?.[term.topologyKey];
      if (domain === undefined) continue;
      const owned = this.#owned(term);
      const count = (owned.domains.get(domain) ?? 0) + by;
      if (count > 0) owned.domains.set(domain, count);
      else owned.domains.delete(domain);
      if (owned.domains.size === 0) this.#forget(owned);
    }
  }

  #owned(term: Term): OwnedTerm {
    const key = keyOf(term);
    let owned = this.#terms.get(key);
    if (!owned) {
      owned = { term, domains: new Map() };
      this.#terms.set(key, owned);
      for (const terms of this.#placesOf(owned)) terms.add(owned);
    }
    return owned;
  }

  #forget(owned: OwnedTerm): void {
    this.#terms.delete(keyOf(owned.term));
    for (const terms of this.#placesOf(owned)) terms.delete(owned);
    for (const namespace of owned.term.namespaces)
      if (this.#byNamespace.get(namespace)?.size === 0) this.#byNamespace.delete(namespace);
  }

  #placesOf({ term }: OwnedTerm): Set<OwnedTerm>[] {
    if (term.namespaceSelector) return [this.#selecting];
    return [...term.namespaces].map((namespace) => {
      const terms = this.#byNamespace.get(namespace) ?? new Set<OwnedTerm>();
      this.#byNamespace.set(namespace, terms);
      return terms;
    });
  }
}

const NONE: readonly OwnedTerm[] = [];
const keyOf = ({ key, weight }: Term): string => `${weight} ${key}`;
