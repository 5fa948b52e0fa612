/**
 * Session affinity: the one case that needs chains of its own, because each endpoint must remember its clients.
 * A chain sends a known client where it was, and everybody else to a random endpoint, whose chain remembers it.
 */
import { createHash } from 'node:crypto';
import { type ChainFamily, masqueradeRule } from './chain-family.ts';
import type { Endpoint } from './service-port.ts';

export interface Affinity {
  /** The chain that the dispatching map goes to. Its name changes with anything in it, so a chain never changes. */
  chain: string;
  family: ChainFamily;
  endpoints: readonly Endpoint[];
  seconds: number;
}

export function affinityOf(of: {
  family: ChainFamily;
  key: string;
  endpoints: readonly Endpoint[];
  seconds: number;
}): Affinity {
  const text = JSON.stringify([of.family, of.key, of.endpoints.map(({ ip, port }) => [ip, port]), of.seconds]);
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 12);
  return { chain: `aff-${hash}`, family: of.family, endpoints: of.endpoints, seconds: of.seconds };
}

/** The commands that make an affinity's chains and sets. The sets are named for endpoint and front, not for the chain. */
export function affinityCommands(affinity: Affinity, { table, addressType, podRanges }: AffinityTable): string[] {
  const { chain, endpoints, seconds } = affinity;
  const commands: string[] = [`add chain ${table} ${chain}`];
  endpoints.forEach(({ ip, port }, i) => {
    const to = `${chain}-${i}`;
    commands.push(
      `add set ${table} ${to} { type ${addressType}; flags dynamic,timeout; timeout ${seconds}s; size 65535; }`,
      `add chain ${table} ${to}`,
      `add rule ${table} ${to} update @${to} { ${matchWord(addressType)} saddr }`,
      ...masqueradeRule(affinity.family, podRanges, matchWord(addressType)).map(
        (rule) => `add rule ${table} ${to} ${rule}`,
      ),
      `add rule ${table} ${to} meta l4proto { tcp, udp, sctp } dnat to ${addressType === 'ipv6_addr' ? `[${ip}]` : ip}:${port}`,
    );
  });
  endpoints.forEach((_, i) => {
    commands.push(`add rule ${table} ${chain} ${matchWord(addressType)} saddr @${chain}-${i} goto ${chain}-${i}`);
  });
  const choices = endpoints.map((_, i) => `${i} : goto ${chain}-${i}`).join(', ');
  commands.push(`add rule ${table} ${chain} numgen random mod ${endpoints.length} vmap { ${choices} }`);
  return commands;
}

/** Only after nothing goes to the chain any more. */
export function removeAffinityCommands({ chain, endpoints }: Affinity, table: string): string[] {
  const parts = endpoints.map((_, i) => `${chain}-${i}`);
  return [
    `flush chain ${table} ${chain}`,
    `delete chain ${table} ${chain}`,
    ...parts.flatMap((part) => [
      `flush chain ${table} ${part}`,
      `delete chain ${table} ${part}`,
      `delete set ${table} ${part}`,
    ]),
  ];
}

export interface AffinityTable {
  table: string;
  addressType: 'ipv4_addr' | 'ipv6_addr';
  podRanges: readonly string[];
}

const matchWord = (addressType: 'ipv4_addr' | 'ipv6_addr') => (addressType === 'ipv4_addr' ? 'ip' : 'ip6');
