/** In which domain of a topology each node is, by its place in the list: looking that up takes no look at the node. */
import type { NodeInfo } from './node-info.ts';

export interface Domains {
  /** By place; -1 for a node that is in none. */
  ids: Int32Array;
  /** By id. */
  names: readonly string[];
  /** By name. */
  idOf: ReadonlyMap<string, number>;
}

/** In place of a label: every node is a domain by itself, named as the node. */
export const EACH_NODE = '';

/** Of one list of nodes, whose labels do not change as long as it is the same list. */
export class DomainsByKey {
  readonly #nodes: readonly NodeInfo[];
  readonly #known = new Map<string, Domains>();

  constructor(nodes: readonly NodeInfo[]) {
    this.#nodes = nodes;
  }

  of(topologyKey: string): Domains {
    let domains = this.#known.get(topologyKey);
    if (!domains) {
      domains = domainsOf(this.#nodes, topologyKey);
      this.#known.set(topologyKey, domains);
      if (this.#known.size > MOST_KEYS) this.#known.delete(this.#known.keys().next().value as string);
    }
    return domains;
  }
}

/** A pod may name any label. */
const MOST_KEYS = 32;

function domainsOf(nodes: readonly NodeInfo[], topologyKey: string): Domains {
  const ids = new Int32Array(nodes.length);
  const idOf = new Map<string, number>();
  for (const [place, { node }] of nodes.entries()) {
    const name = topologyKey === EACH_NODE ? node.metadata.name : node.metadata.labels?.[topologyKey];
    let id = name === undefined ? -1 : idOf.get(name);
    if (id === undefined) {
      id = idOf.size;
      idOf.set(name as string, id);
    }
    ids[place] = id;
  }
  return { ids, names: [...idOf.keys()], idOf };
}
