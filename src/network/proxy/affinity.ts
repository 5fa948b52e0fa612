/**
 * Session affinity: the one case that needs chains of its own, because each endpoint must remember its clients.
 * A chain sends a known client where it was, and everybody else to a random endpoint, whose chain remembers it. What is
 * remembered stays while chains are replaced: endpoints that come or go move no client of another.
 */
import { createHash } from 'node:crypto';
import type { Protocol } from '#network/netfilter/protocol.ts';
import { type ChainFamily, masqueradeRule } from './chain-family.ts';
import type { Endpoint } from './service-port.ts';

export interface Affinity {
  /** The chain that the dispatching map goes to. Its name changes with anything in it, so a chain never changes. */
  chain: string;
  family: ChainFamily;
  protocol: Protocol;
  endpoints: readonly Endpoint[];
  /** The set of the clients of each endpoint, by its turn. Named for endpoint and front, not for the chain. */
  clients: readonly string[];
  seconds: number;
}

export function affinityOf(of: {
  family: ChainFamily;
  protocol: Protocol;
  /** It has the protocol in it. */
  key: string;
  endpoints: readonly Endpoint[];
  seconds: number;
}): Affinity {
  const { family, protocol, key, endpoints, seconds } = of;
  const targets = endpoints.map(({ ip, port }) => [ip, port]);
  return {
    chain: `aff-${hashOf(family, key, targets, seconds)}`,
    family,
    protocol,
    endpoints,
    clients: targets.map((target) => `aff-of-${hashOf(family, key, target, seconds)}`),
    seconds,
  };
}

const hashOf = (...parts: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 12);

/**
 * The commands that make an affinity's chains, and those of its sets that are not there yet. No rule has a set of its own where it
 * can do without: in one transaction the kernel looks for each among all others. Nor has a set of clients a size: the kernel would
 * make room for so many at once, 2 MB a set. Without one it takes up to 65,535.
 */
export function affinityCommands(affinity: Affinity, { table, addressType, podRanges }: AffinityTable): string[] {
  const { chain, protocol, endpoints, clients, seconds } = affinity;
  const commands: string[] = [`add chain ${table} ${chain}`];
  endpoints.forEach(({ ip, port }, i) => {
    const to = `${chain}-${i}`;
    commands.push(
      `add set ${table} ${clients[i]} { type ${addressType}; flags dynamic,timeout; timeout ${seconds}s; }`,
      `add chain ${table} ${to}`,
      `add rule ${table} ${to} update @${clients[i]} { ${matchWord(addressType)} saddr }`,
      ...masqueradeRule(affinity.family, podRanges, matchWord(addressType)).map(
        (rule) => `add rule ${table} ${to} ${rule}`,
      ),
      `add rule ${table} ${to} meta l4proto ${protocol} dnat to ${addressType === 'ipv6_addr' ? `[${ip}]` : ip}:${port}`,
    );
  });
  endpoints.forEach((_, i) => {
    commands.push(`add rule ${table} ${chain} ${matchWord(addressType)} saddr @${clients[i]} goto ${chain}-${i}`);
  });
  const choices = endpoints.map((_, i) => `${i} : goto ${chain}-${i}`).join(', ');
  commands.push(`add rule ${table} ${chain} numgen random mod ${endpoints.length} vmap { ${choices} }`);
  return commands;
}

/** Only after nothing goes to the chain any more. @param kept sets of clients that others still use. */
export function removeAffinityCommands(
  { chain, clients }: Affinity,
  { table, kept }: { table: string; kept: ReadonlySet<string> },
): string[] {
  const parts = clients.map((_, i) => `${chain}-${i}`);
  return [
    `flush chain ${table} ${chain}`,
    `delete chain ${table} ${chain}`,
    ...parts.flatMap((part) => [`flush chain ${table} ${part}`, `delete chain ${table} ${part}`]),
    ...clients.flatMap((set) => (kept.has(set) ? [] : [`delete set ${table} ${set}`])),
  ];
}

export interface AffinityTable {
  table: string;
  addressType: 'ipv4_addr' | 'ipv6_addr';
  podRanges: readonly string[];
}

const matchWord = (addressType: 'ipv4_addr' | 'ipv6_addr') => (addressType === 'ipv4_addr' ? 'ip' : 'ip6');
