/** Which way traffic came decides whether its source is hidden: an answer must come back through this node. */
export type ChainFamily =
  | 'lb' /* a virtual address: masquerade what comes from outside the cluster's pods */
  | 'np' /* a port of the node: always masquerade */
  | 'lbl' /* a virtual address under a Local policy: never */
  | 'npl'; /* a port of the node under a Local policy, and host ports: never */

/** Marks packets whose source must become this node's address, as upstream does (--iptables-masquerade-bit 14). */
export const MASQUERADE_MARK = '0x4000';

/** Families that dispatch by the same key share their maps of endpoints. */
export const endpointMap = (family: ChainFamily, count: number): string => `${family}-eps${count}`;

export function masqueradeRule(chainFamily: ChainFamily, podRanges: readonly string[], ip: string): string[] {
  const mark = `meta mark set meta mark | ${MASQUERADE_MARK}`;
  if (chainFamily === 'np') return [mark];
  if (chainFamily !== 'lb') return [];
  return podRanges.length > 0 ? [`${ip} saddr != { ${podRanges.join(', ')} } ${mark}`] : [];
}
