/**
 * Chains of nftables for what policies allow. A chain is named for its content and never changes: a changed policy has
 * another chain, and the elements that led to the old one lead there.
 *
 * Who is client and who is server is read from the connection, not from the packet, and there is no rule that lets
 * established connections pass. So a packet in either direction is judged as the first one was, and what a policy does not
 * allow any more ends with the next packet. Addresses are those behind Services. Source: nft(8), "CONNTRACK EXPRESSIONS".
 */
import { formatIp, maskedIp, parseCidr } from '#api/machinery/ip.ts';
import { familyOf, familyWord, type IpFamily } from '#network/netfilter/ip-family.ts';
import type { Protocol } from '#network/netfilter/protocol.ts';
import { hashOf, type PodSetSpec, podsIn, portsNamed } from './pod-set.ts';
import type { Peer, PolicyPorts, TrafficRule } from './policy-rules.ts';

export type Direction = 'ingress' | 'egress';

/** Where a packet goes that its sender may send: whether its receiver may have it comes next. */
export const INGRESS_CHECK = 'ingress-check';

export interface Chain {
  name: string;
  rules: readonly string[];
  /** What the rules refer to. */
  podSets: readonly PodSetSpec[];
  portSets: readonly PortSet[];
}

/** A constant set of ports. */
export interface PortSet {
  name: string;
  /** Ports and ranges as nft writes them, apart from one another. */
  elements: readonly string[];
}

/** The chain of all that one policy allows in one direction. */
export function chainOf(rules: readonly TrafficRule[], direction: Direction, family: IpFamily): Chain {
  const podSets = new Map<string, PodSetSpec>();
  const portSets = new Map<string, PortSet>();
  const ip = familyWord(family);
  const verdict = direction === 'ingress' ? 'accept' : `goto ${INGRESS_CHECK}`;
  const peer = direction === 'ingress' ? `ct original ${ip} saddr` : `ct reply ${ip} saddr`;
  const texts = rules.flatMap(({ peers, ports }) => {
    const from = peers === 'everybody' ? [''] : peers.flatMap((each) => peerMatches(each, { peer, family, podSets }));
    const at = ports === 'all' ? [''] : portMatches(ports, { ip, podSets, portSets });
    return from.flatMap((who) => at.map((where) => [who, where, verdict].filter(Boolean).join(' ')));
  });
  return {
    name: `${direction}-${hashOf(texts)}`,
    rules: texts,
    podSets: [...podSets.values()],
    portSets: [...portSets.values()],
  };
}

/** The chain of pods that these policies isolate: whatever none of them allows ends here. */
export function isolation(direction: Direction, policies: readonly Chain[]): { name: string; rules: string[] } {
  const names = [...new Set(policies.filter(({ rules }) => rules.length > 0).map(({ name }) => name))].sort();
  return {
    name: `${direction}-pods-${hashOf(names)}`,
    rules: [...names.map((name) => `jump ${name}`), 'counter drop'],
  };
}

interface PeerContext {
  /** The expression for the other side's address. */
  peer: string;
  family: IpFamily;
  podSets: Map<string, PodSetSpec>;
}

function peerMatches(peer: Peer, { peer: address, family, podSets }: PeerContext): string[] {
  if ('pods' in peer) {
    const set = podsIn(peer.pods);
    podSets.set(set.name, set);
    return [`${address} @${set.name}`];
  }
  const range = rangeText(peer.block.cidr);
  if (!range || familyOf(range) !== family) return [];
  const holes = peer.block.except.flatMap((hole) => rangeText(hole) ?? []);
  const isAll = range.endsWith('/0');
  return [[...(isAll ? [] : [`${address} ${range}`]), ...holes.map((hole) => `${address} != ${hole}`)].join(' ')];
}

/** Without host bits, which nft refuses. */
function rangeText(cidr: string): string | undefined {
  const range = parseCidr(cidr);
  return range && `${formatIp(maskedIp(range))}/${range.prefixLength}`;
}

interface PortContext {
  ip: string;
  podSets: Map<string, PodSetSpec>;
  portSets: Map<string, PortSet>;
}

function portMatches({ ranges, names }: PolicyPorts, { ip, podSets, portSets }: PortContext): string[] {
  const numbered = PROTOCOLS.flatMap((protocol) => {
    const elements = mergedRanges(ranges.filter((range) => range.protocol === protocol));
    if (elements.length === 0) return [];
    const match = `meta l4proto ${protocol} ct reply proto-src`;
    if (elements.length === 1) return [`${match} ${elements[0]}`];
    const set = { name: `ports-${hashOf(elements)}`, elements };
    portSets.set(set.name, set);
    return [`${match} @${set.name}`];
  });
  const named = names.flatMap((port) => {
    const set = portsNamed(port);
    podSets.set(set.name, set);
    // The connection's own port cannot be part of a key in nft 1.0; the packet's can, which is another in each direction.
    return [
      `ct direction original ct reply ${ip} saddr . meta l4proto . th dport @${set.name}`,
      `ct direction reply ct reply ${ip} saddr . meta l4proto . th sport @${set.name}`,
    ];
  });
  return [...numbered, ...named];
}

const PROTOCOLS: readonly Protocol[] = ['tcp', 'udp', 'sctp'];

/** Sorted; ranges that touch are one, for the kernel refuses a set in which they overlap. */
function mergedRanges(ranges: PolicyPorts['ranges']): string[] {
  const merged: { from: number; to: number }[] = [];
  for (const { from, to } of ranges.toSorted((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last && from <= last.to + 1) last.to = Math.max(last.to, to);
    else merged.push({ from, to });
  }
  return merged.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`));
}
