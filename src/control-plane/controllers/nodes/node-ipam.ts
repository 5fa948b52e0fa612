/** Gives every node a range of pod addresses out of the cluster's, one for each family, and never the same twice. */
import { Node } from '#api/core/v1/node.ts';
import { formatIp, parseCidr } from '#api/machinery/ip.ts';
import { defineController, giveUp, settled } from '../define-controller.ts';

export interface NodeIpamOptions {
  /** `10.244.0.0/16`, `fd00:10:244::/56`: one for each family. */
  clusterCIDRs: readonly string[];
  /** --node-cidr-mask-size: the length of a node's prefix. */
  nodeMaskIPv4?: number;
  nodeMaskIPv6?: number;
}

export function nodeIpam({ clusterCIDRs, nodeMaskIPv4 = 24, nodeMaskIPv6 = 64 }: NodeIpamOptions) {
  const ranges = clusterCIDRs.map((cidr) => new NodeRanges(cidr, cidr.includes(':') ? nodeMaskIPv6 : nodeMaskIPv4));

  return defineController({
    name: 'node-ipam-controller',
    serviceAccount: 'node-controller',
    eventSource: 'cidrAllocator',
    reconciles: Node,
    writes: { patch: [Node] },
    when: (now, before) => !now.spec.podCIDR && Boolean(before.spec.podCIDR),
    workers: 1, // two nodes at a time could be given the same range

    async reconcile(node, { cached, api, events }) {
      if (node.spec.podCIDR || node.spec.podCIDRs?.length) return settled;
      const taken = new Set(
        cached(Node)
          .list()
          .flatMap(({ spec }) => spec.podCIDRs ?? (spec.podCIDR ? [spec.podCIDR] : [])),
      );
      const podCIDRs = ranges.map((range) => range.firstFree(taken));
      const { name } = node.metadata;
      if (podCIDRs.includes(undefined)) {
        events.normal(node, 'CIDRNotAvailable', `Node ${name} status is now: CIDRNotAvailable`);
        return giveUp('the cluster has no free range of pod addresses left');
      }
      await api.patch(Node, { name }, { type: 'merge', patch: { spec: { podCIDR: podCIDRs[0], podCIDRs } } });
      return settled;
    },
  });
}

class NodeRanges {
  readonly #base: Uint8Array;
  readonly #mask: number;
  readonly #count: number;

  constructor(clusterCIDR: string, mask: number) {
    const range = parseCidr(clusterCIDR);
    if (!range || mask < range.prefixLength) throw new Error(`no node ranges of /${mask} fit into ${clusterCIDR}`);
    this.#base = range.address;
    this.#mask = mask;
    this.#count = 2 ** Math.min(16, mask - range.prefixLength);
  }

  firstFree(taken: ReadonlySet<string>): string | undefined {
    for (let index = 0; index < this.#count; index++) {
      const cidr = this.#at(index);
      if (!taken.has(cidr)) return cidr;
    }
    return undefined;
  }

  #at(index: number): string {
    const address = Uint8Array.from(this.#base);
    let rest = index;
    for (let bit = this.#mask - 1; rest > 0; bit--) {
      if (rest & 1) address[bit >> 3] = (address[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
      rest >>= 1;
    }
    return `${formatIp(address)}/${this.#mask}`;
  }
}
