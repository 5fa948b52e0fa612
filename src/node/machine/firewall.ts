/**
 * Finds a host firewall that would drop what our bridge forwards. An accept of ours cannot overrule it: a packet must pass
 * every base chain of a hook (nft(8), "chains"), so the administrator is told which one it is.
 */
import { CommandFailed, run } from './run-command.ts';

interface NftChain {
  family: string;
  table: string;
  name: string;
  hook?: string;
  policy?: string;
}

/** Sentences, empty when nothing drops. */
export async function firewallWarnings(bridge: string): Promise<string[]> {
  try {
    return droppingChains(JSON.parse(await run(['nft', '--json', 'list', 'chains']))).map((chain) =>
      warning(chain, bridge),
    );
  } catch (error) {
    if (error instanceof CommandFailed) return [`The host's firewall could not be read: ${error.message}`];
    throw error;
  }
}

export function droppingChains(listing: { nftables?: { chain?: NftChain }[] }): NftChain[] {
  return (listing.nftables ?? [])
    .flatMap(({ chain }) => chain ?? [])
    .filter(({ family, hook, policy }) => ['ip', 'inet'].includes(family) && hook === 'forward' && policy === 'drop');
}

function warning({ family, table, name }: NftChain, bridge: string): string {
  const remedy =
    table === 'filter' && name === 'FORWARD'
      ? `allow it: iptables -I FORWARD -i ${bridge} -j ACCEPT; iptables -I FORWARD -o ${bridge} -j ACCEPT`
      : `allow in that chain what comes from and goes to ${bridge}`;
  return `The host's firewall (chain ${name} of table ${family} ${table}) drops forwarded packets: pods may not reach the outside. If so, ${remedy}`;
}
