/** What the proxy's mode ipvs has for one virtual address or port of the node. Source: ipvsadm(8), nft(8), ip-address(8). */
import type { NetworkFacts } from '#api/kedge/v1alpha1/network-facts.ts';
import { familyOf, type IpFamily } from '#network/netfilter/ip-family.ts';
import type { Protocol } from '#network/netfilter/protocol.ts';
import { addressesIn, DUMMY } from '#network/proxy/ipvs-addresses.ts';
import { ipvsTableName } from '#network/proxy/ipvs-ruleset.ts';
import { readListing, serverName } from '#network/proxy/ipvs-servers.ts';
import type { AskedFront } from './iptables-facts.ts';
import type { Ask } from './node-facts.ts';

type FrontFacts = NonNullable<NetworkFacts['front']>;

/** undefined: the node is in another mode. */
export async function frontInIpvs(front: AskedFront, ask: Ask): Promise<Omit<FrontFacts, 'connections'> | undefined> {
  const family = familyOf(front.address ?? '');
  const table = ipvsTableName(family).split(' ');
  if (!(await ask('nft', ['--terse', 'list', 'set', ...table, 'fronts']))) return undefined;
  const own = addressesIn((await ask('ip', ['-j', 'address', 'show'])) ?? '[]', { family, ownAddresses: [] });
  const { address, protocol, port } = front;
  const at = address ?? own.node[0] ?? '';
  const key = address === undefined ? `${protocol} . ${port}` : `${address} . ${protocol} . ${port}`;
  const map = address === undefined ? 'no-endpoints-np' : 'no-endpoints';
  const [empty, realServers] = await Promise.all([
    ask('nft', ['get', 'element', ...table, map, `{ ${key} }`]),
    realServersAt(serverName(protocol as Protocol, at, Number(port)), family, ask),
  ]);
  if (empty) return { state: /\bdrop\b/.test(empty) ? 'dropped' : 'refused' };
  if (!realServers) return { state: 'absent' };
  // A packet is given to IPVS only for an address that is the node's.
  if (!own.bound.has(at) && !own.node.includes(at))
    return { state: 'absent', realServers, missing: `${at} on ${DUMMY}` };
  return { state: 'endpoints', realServers };
}

/** undefined: IPVS has no such virtual server. */
async function realServersAt(name: string, family: IpFamily, ask: Ask): Promise<FrontFacts['realServers']> {
  const [listing, statistics] = await Promise.all([
    ask('ipvsadm', ['-Ln', ...name.split(' ')]),
    ask('ipvsadm', ['-Ln', '--stats', '--exact', ...name.split(' ')]),
  ]);
  const server = readListing(listing ?? '', family).servers.get(name);
  if (!server) return undefined;
  const taken = new Map([...(statistics ?? '').matchAll(TAKEN)].map(([, real = '', count]) => [real, Number(count)]));
  return [...server.reals].map(([address, weight]) => ({ address, weight, taken: taken.get(address) ?? 0 }));
}

/** Address and port, connections. */
const TAKEN = /^ +-> (\S+:\d+) +(\d+) /gm;
