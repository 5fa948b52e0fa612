/**
 * What is counted over the whole cluster, kept current: a count that is asked for again is told only what has changed since.
 * A count that nobody asks for costs nothing but its place in memory, and is forgotten before the changes behind it are many.
 */
import type { Pod } from '#api/core/v1/pod.ts';
import type { Tally } from './define-plugin.ts';
import type { NodeInfo } from './node-info.ts';

type Told =
  | { what: 'node came' | 'node went'; node: NodeInfo }
  | { what: 'pod came' | 'pod went'; node: NodeInfo; pod: Pod };

interface Kept {
  tally: Tally;
  /** Changes before this one are in it. */
  at: number;
}

/** So many different ones are kept: of those there are about as many as there are templates of pods with such terms. */
const MOST_TALLIES = 1_000;
/** Rather than tell more of them, one is counted anew. */
const MOST_CHANGES = 20_000;

export class Tallies {
  /** The one that was asked for last is the last. */
  readonly #kept = new Map<string, Kept>();
  #changes: Told[] = [];
  /** The number of the first of them. */
  #first = 0;

  tell(change: Told): void {
    if (this.#kept.size === 0) return;
    this.#changes.push(change);
    if (this.#changes.length > MOST_CHANGES) this.#forgetHalf();
  }

  of<T extends Tally>(key: string, nodes: readonly NodeInfo[], make: () => T): T {
    const known = this.#kept.get(key);
    const end = this.#first + this.#changes.length;
    if (known) {
      for (let i = known.at; i < end; i++) tell(known.tally, this.#changes[i - this.#first] as Told);
      known.at = end;
      this.#kept.delete(key);
      this.#kept.set(key, known);
      return known.tally as T; // a key is used with one `make`
    }
    const tally = make();
    for (const node of nodes) tally.nodeCame(node);
    this.#kept.set(key, { tally, at: end });
    if (this.#kept.size > MOST_TALLIES) this.#kept.delete(this.#kept.keys().next().value as string);
    return tally;
  }

  #forgetHalf(): void {
    const half = this.#changes.length >> 1;
    this.#changes = this.#changes.slice(half);
    this.#first += half;
    for (const [key, { at }] of this.#kept) if (at < this.#first) this.#kept.delete(key);
    if (this.#kept.size === 0) this.#changes = [];
  }
}

function tell(tally: Tally, change: Told): void {
  if (change.what === 'pod came') tally.podCame(change.pod, change.node);
  else if (change.what === 'pod went') tally.podWent(change.pod, change.node);
  else if (change.what === 'node came') tally.nodeCame(change.node);
  else tally.nodeWent(change.node);
}
