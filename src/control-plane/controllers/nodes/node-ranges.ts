/** A cluster's range of pod addresses, cut into ranges of nodes. Source: upstream's pkg/controller/nodeipam, cidrset. */
import { formatIp, type IpRange, maskedIp, parseCidr, rangeContains } from '#api/machinery/ip.ts';

/** As many ranges are looked at. */
const MOST_BITS = 16;

export class NodeRanges {
  readonly #cluster: IpRange;
  readonly #mask: number;
  readonly #count: number;
  /** A range that was given back is not given out again at once. */
  #next = 0;

  constructor(clusterCIDR: string, mask: number) {
    const range = parseCidr(clusterCIDR);
    if (!range || mask < range.prefixLength) throw new Error(`no node ranges of /${mask} fit into ${clusterCIDR}`);
    this.#cluster = { ...range, address: maskedIp(range) };
    this.#mask = mask;
    this.#count = 2 ** Math.min(MOST_BITS, mask - range.prefixLength);
  }

  /** The next one in turn that shares no address with any of these; undefined when none is left. */
  next(taken: Iterable<string>): string | undefined {
    const occupied = this.#occupied(taken);
    for (let step = 0; step < this.#count; step++) {
      const index = (this.#next + step) % this.#count;
      if (occupied[index]) continue;
      this.#next = (index + 1) % this.#count;
      return this.#at(index);
    }
    return undefined;
  }

  /** 1 for each index that is not free. */
  #occupied(taken: Iterable<string>): Uint8Array {
    const occupied = new Uint8Array(this.#count);
    for (const cidr of taken) {
      const range = parseCidr(cidr);
      if (!range) continue;
      if (rangeContains(this.#cluster, range.address)) {
        const first = this.#indexOf(range.address);
        occupied.fill(1, first, first + 2 ** Math.max(0, this.#mask - range.prefixLength));
      } else if (rangeContains(range, this.#cluster.address)) occupied.fill(1);
    }
    return occupied;
  }

  #indexOf(address: Uint8Array): number {
    let index = 0;
    for (let bit = this.#cluster.prefixLength; bit < this.#mask; bit++)
      index = index * 2 + (((address[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1);
    return index;
  }

  #at(index: number): string {
    const address = Uint8Array.from(this.#cluster.address);
    let rest = index;
    for (let bit = this.#mask - 1; rest > 0; bit--) {
      if (rest & 1) address[bit >> 3] = (address[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
      rest >>= 1;
    }
    return `${formatIp(address)}/${this.#mask}`;
  }
}
