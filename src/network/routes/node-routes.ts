/** Host-gw: which of the cluster's pod ranges is behind which node. What a node says of itself is believed only within the cluster's ranges. */
import type { Node } from '#api/generated/schema.ts';
import { isIpv4, isIpv6, parseCidr, rangeContains } from '#api/machinery/ip.ts';

export interface OwnPlace {
  nodeName: string;
  /** Of the whole cluster. */
  clusterPodRanges: readonly string[];
  /** Of this node: no other node's claim may touch them. */
  ownPodRanges: readonly string[];
}

/** Nodes that only pretend have no pods to send a packet to. */
const SIMULATED_LABEL = 'kedge.dev/simulated';

/** Pod range → InternalIP of its node, for all nodes but this one. Two that claim one range: the older keeps it. */
export function routesToPods(nodes: readonly Node[], own: OwnPlace): Map<string, string> {
  const routes = new Map<string, string>();
  const others = nodes.filter(
    ({ metadata }) => metadata.name !== own.nodeName && metadata.labels?.[SIMULATED_LABEL] === undefined,
  );
  for (const node of others.toSorted(byAge)) {
    for (const range of podRangesOf(node)) {
      const address = internalAddress(node, isIpv6(range.split('/')[0] ?? ''));
      if (address && isRoutable(range, own) && !routes.has(range)) routes.set(range, address);
    }
  }
  return routes;
}

/** The first of the family. */
const internalAddress = ({ status }: Node, ofIpv6: boolean): string | undefined =>
  status?.addresses?.find(({ type, address }) => type === 'InternalIP' && (ofIpv6 ? isIpv6(address) : isIpv4(address)))
    ?.address;

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
  return (
    !!small &&
    !!large &&
    small.address.length === large.address.length &&
    small.prefixLength >= large.prefixLength &&
    rangeContains(large, small.address)
  );
}
