/** Which of the cluster's pod ranges is behind which node. What a node says of itself is believed only within the cluster's ranges. */
import type { Node } from '#api/generated/schema.ts';
import { isIpv4, isIpv6, parseCidr, rangeContains } from '#api/machinery/ip.ts';

export interface OwnPlace {
  nodeName: string;
  /** Of the whole cluster. */
  clusterPodRanges: readonly string[];
  /** Of this node: no other node's claim may touch them. */
  ownPodRanges: readonly string[];
}

export type Family = 'ipv4' | 'ipv6';

export interface Peer {
  /** InternalIPs, the first of each family. */
  addresses: Partial<Record<Family, string>>;
  /** Those of its pods that nobody older claims. */
  ranges: string[];
}

export const familyOf = (range: string): Family => (range.includes(':') ? 'ipv6' : 'ipv4');

/** Nodes that only pretend have no pods to send a packet to. */
const SIMULATED_LABEL = 'kedge.dev/simulated';

/** All nodes but this one. Two that claim one range: the older keeps it. */
export function peersOf(nodes: readonly Node[], own: OwnPlace): Peer[] {
  const taken = new Set<string>();
  const others = nodes.filter(
    ({ metadata }) => metadata.name !== own.nodeName && metadata.labels?.[SIMULATED_LABEL] === undefined,
  );
  return others.toSorted(byAge).map((node) => {
    const ranges = podRangesOf(node).filter((range) => isRoutable(range, own) && !taken.has(range));
    for (const range of ranges) taken.add(range);
    return { addresses: addressesOf(node), ranges };
  });
}

function addressesOf({ status }: Node): Peer['addresses'] {
  const internal = (status?.addresses ?? []).flatMap(({ type, address }) => (type === 'InternalIP' ? [address] : []));
  const [ipv4, ipv6] = [internal.find(isIpv4), internal.find(isIpv6)];
  return { ...(ipv4 && { ipv4 }), ...(ipv6 && { ipv6 }) };
}

const podRangesOf = ({ spec }: Node): readonly string[] => spec?.podCIDRs ?? (spec?.podCIDR ? [spec.podCIDR] : []);

const byAge = ({ metadata: a }: Node, { metadata: b }: Node): number =>
  (a.creationTimestamp ?? '').localeCompare(b.creationTimestamp ?? '') || a.name.localeCompare(b.name);

function isRoutable(range: string, { clusterPodRanges, ownPodRanges }: OwnPlace): boolean {
  return (
    clusterPodRanges.some((cluster) => isWithin(range, cluster)) &&
    !ownPodRanges.some((mine) => isWithin(range, mine) || isWithin(mine, range))
  );
}

function isWithin(inner: string, outer: string): boolean {
  const [small, large] = [parseCidr(inner), parseCidr(outer)];
  return !!small && !!large && small.prefixLength >= large.prefixLength && rangeContains(large, small.address);
}
