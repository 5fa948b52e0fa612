/** Which pod of a simulated node has which address of its range. Addresses are used in turn, not again at once. */
import { podNetworkOf } from './simulated-node.ts';

const FIRST = 2; // .1 would be the node's own
const LAST = 254;

interface Range {
  byPod: Map<string, number>;
  taken: Set<number>;
  next: number;
}

export class PodAddresses {
  readonly #ranges = new Map<number, Range>();

  /** The pod's address, now and whenever asked again until `give`. A node with too many pods repeats itself. */
  take(node: number, pod: string): string {
    const range = this.#range(node);
    let number = range.byPod.get(pod);
    if (number === undefined) {
      number = range.next;
      for (let tries = LAST - FIRST; tries > 0 && range.taken.has(number); tries--) number = after(number);
      range.next = after(number);
      range.byPod.set(pod, number);
      range.taken.add(number);
    }
    return `${podNetworkOf(node)}.${number}`;
  }

  /** It has this address already, from an earlier life of this component. */
  keep(node: number, pod: string, address: string): void {
    const range = this.#range(node);
    if (range.byPod.has(pod)) return;
    const [, network, last] = /^(\d+\.\d+\.\d+)\.(\d+)$/.exec(address) ?? [];
    if (network !== podNetworkOf(node)) return;
    range.byPod.set(pod, Number(last));
    range.taken.add(Number(last));
  }

  give(node: number, pod: string): void {
    const range = this.#range(node);
    const number = range.byPod.get(pod);
    if (number === undefined) return;
    range.byPod.delete(pod);
    range.taken.delete(number);
  }

  #range(node: number): Range {
    const known = this.#ranges.get(node);
    if (known) return known;
    const range: Range = { byPod: new Map(), taken: new Set(), next: FIRST };
    this.#ranges.set(node, range);
    return range;
  }
}

const after = (number: number): number => (number >= LAST ? FIRST : number + 1);
