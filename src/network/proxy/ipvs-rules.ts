/** What Services and host ports become in the mode `ipvs`. Pure: what is wanted in; virtual servers, addresses, elements of sets out. */
import { createHash } from 'node:crypto';
import type { IpFamily } from '#network/netfilter/ip-family.ts';
import { MASQUERADE_MARK } from './chain-family.ts';
import type { Front, Wanted } from './fronts.ts';
import type { Elements } from './ipvs-ruleset.ts';
import { addressPort, markedServerName, serverName, type VirtualServer, type VirtualServers } from './ipvs-servers.ts';
import type { Endpoint } from './service-port.ts';

export interface IpvsNode {
  family: IpFamily;
  scheduler: string;
  /** Where ports of the node are answered. Those of Services are none, though the node has them, too. */
  addresses: readonly string[];
}

/** Of one Service or pod. */
export interface IpvsParts {
  servers: [name: string, server: VirtualServer][];
  /** What the cluster's pods and the node itself are led to in place of it. */
  inside: { set: 'inside' | 'inside-np'; key: string; server: VirtualServer }[];
  /** That the node must have so that packets for them are given to IPVS. */
  addresses: string[];
  elements: [set: string, key: string, value: string][];
}

/** All of it, as the kernel is to have it. */
export interface IpvsState {
  servers: VirtualServers;
  addresses: ReadonlySet<string>;
  elements: Elements;
}

export function ipvsPartsOf({ fronts, clusterIPs, hairpins }: Wanted, node: IpvsNode): IpvsParts {
  const parts: IpvsParts = { servers: [], inside: [], addresses: [], elements: [] };
  for (const ip of clusterIPs) addAddress(ip, node, parts);
  for (const front of fronts) addFront(front, node, parts);
  for (const ip of hairpins) parts.elements.push(['hairpin', `${ip} . ${ip}`, '']);
  return parts;
}

function addFront(front: Front, node: IpvsNode, into: IpvsParts): void {
  const { ip, protocol, port, endpoints, family, inside } = front;
  if (ip !== undefined && isLoopback(ip)) {
    addLoopback(front, into);
    return;
  }
  const server = serverOf(front, endpoints, node);
  for (const at of ip === undefined ? node.addresses : [ip])
    into.servers.push([serverName(protocol, at, port), server]);
  if (ip !== undefined) addAddress(ip, node, into);

  const [key, ofNode] = ip === undefined ? [`${protocol} . ${port}`, '-np'] : [`${ip} . ${protocol} . ${port}`, ''];
  const add = (set: string, more = '', value = '') => into.elements.push([set, `${key}${more}`, value]);
  if (front.sourceRanges) add('guarded');
  for (const range of front.sourceRanges ?? []) add('sources', ` . ${range}`);
  if (inside)
    into.inside.push({ set: ip === undefined ? 'inside-np' : 'inside', key, server: serverOf(front, inside, node) });
  if (endpoints.length === 0) add(`no-endpoints${ofNode}`, '', front.isForbiddenHere ? 'drop' : 'goto refuse');
  else add(`fronts${ofNode}`);
  if (endpoints.length > 0 && (family === 'lb' || family === 'np')) add(`outside${ofNode}`);
}

/** A host port that only the node itself reaches. */
function addLoopback({ ip, protocol, port, endpoints: [to] }: Front, into: IpvsParts): void {
  if (to) into.elements.push(['loopback', `${ip} . ${protocol} . ${port}`, `${to.ip} . ${to.port}`]);
}

function addAddress(ip: string, node: IpvsNode, into: IpvsParts): void {
  // The node's own address, as an external one: everything else that listens there stays as it is.
  if (node.addresses.includes(ip) || into.addresses.includes(ip)) return;
  into.addresses.push(ip);
  into.elements.push(['service-ips', ip, '']);
}

const isLoopback = (ip: string): boolean => ip.startsWith('127.') || ip === '::1';

const serverOf = (
  { affinitySeconds }: Front,
  endpoints: readonly Endpoint[],
  { scheduler }: IpvsNode,
): VirtualServer => ({
  scheduler,
  affinitySeconds,
  reals: new Map(endpoints.map(({ ip, port }) => [addressPort(ip, port), 1])),
});

/** Of two that want one front the later has it. */
export function ipvsStateOf(all: Iterable<IpvsParts>, family: IpFamily): IpvsState {
  const servers = new Map<string, VirtualServer>();
  const addresses = new Set<string>();
  const elements = new Map<string, Map<string, string>>();
  const add = (set: string, key: string, value: string) => {
    const ofSet = elements.get(set);
    if (ofSet) ofSet.set(key, value);
    else elements.set(set, new Map([[key, value]]));
  };
  const marks = new Set<number>();
  for (const parts of all) {
    for (const [name, server] of parts.servers) servers.set(name, server);
    for (const ip of parts.addresses) addresses.add(ip);
    for (const [set, key, value] of parts.elements) add(set, key, value);
    for (const { set, key, server } of parts.inside) {
      const mark = markOf(key, marks) | (set === 'inside-np' ? Number(MASQUERADE_MARK) : 0);
      servers.set(markedServerName(mark, family), server);
      add(set, key, `0x${mark.toString(16).padStart(8, '0')}`); // as nft lists it
    }
  }
  return { servers, addresses, elements };
}

/** ipvsadm takes none above 2³¹. */
const MARKS = 0x7fff;

/**
 * IPVS chooses by a mark where the source decides, for it knows none. The upper half of the mark is ours; a front has the same
 * after a restart, unless another had it before.
 */
function markOf(key: string, taken: Set<number>): number {
  if (taken.size === MARKS) throw new Error(`more than ${MARKS} addresses under a Local policy`);
  let number = createHash('sha256').update(key).digest().readUInt16BE() % MARKS;
  while (taken.has(number)) number = (number + 1) % MARKS;
  taken.add(number);
  return (number + 1) * 0x10000;
}
