import type { Protocol } from '#network/netfilter/protocol.ts';

/** Which way traffic came decides whether its source is hidden: an answer must come back through this node. */
export type ChainFamily =
  | 'lb' /* a virtual address: masquerade what comes from outside the cluster's pods */
  | 'np' /* a port of the node: always masquerade */
  | 'lbl' /* a virtual address under a Local policy: never */
  | 'npl'; /* a port of the node under a Local policy, and host ports: never */

/** Marks packets whose source must become this node's address, as upstream does (--iptables-masquerade-bit 14). */
export const MASQUERADE_MARK = '0x4000';

/**
 * A chain to so many endpoints. There is one for each protocol, because elements without it are quicker: nft takes about 2 µs for
 * each part of each key, and there are more endpoints than anything else.
 */
export interface Leading {
  family: ChainFamily;
  protocol: Protocol;
  count: number;
}

export const chainName = ({ family, protocol, count }: Leading): string => `${family}${count}-${protocol}`;

/** The map in which a chain looks up where to go: by front and turn. */
export const endpointMap = (chain: string): string => `${chain}-eps`;

export function masqueradeRule(chainFamily: ChainFamily, podRanges: readonly string[], ip: string): string[] {
  const mark = `meta mark set meta mark | ${MASQUERADE_MARK}`;
  if (chainFamily === 'np') return [mark];
  if (chainFamily !== 'lb') return [];
  const fromElsewhere = podRanges.map((range) => `${ip} saddr != ${range} `).join('');
  return podRanges.length > 0 ? [`${fromElsewhere}${mark}`] : [];
}
