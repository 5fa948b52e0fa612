/** What Services and host ports become in the mode `ipvs`. Pure: what is wanted in; virtual servers, addresses, elements of sets out. */
import { createHash } from 'node:crypto';
import type { IpFamily } from '#network/netfilter/ip-family.ts';
import { type InPieces, piecewise } from '#network/netfilter/turns.ts';
import { MASQUERADE_MARK } from './chain-family.ts';
import { type Front, keyOf, type Wanted } from './fronts.ts';
import type { Elements } from './ipvs-ruleset.ts';
import { addressPort, markedServerName, serverName, type VirtualServer, type VirtualServers } from './ipvs-servers.ts';
import type { Endpoint } from './service-port.ts';

export interface IpvsNode {
  family: IpFamily;
  scheduler: string;
  /** Where ports of the node are answered. Those of Services are none, though the node has them, too. */
  addresses: readonly string[];
  /** Of its networks. */
  broadcasts: ReadonlySet<string>;
}

/** Of one Service or pod. */
export interface IpvsParts {
  fronts: FrontParts[];
  /** That the node must have so that packets for them are given to IPVS. */
  addresses: string[];
  /** Those that several may want alike. */
  elements: Element[];
}

interface FrontParts {
  /** As the sets have it. */
  key: string;
  servers: [name: string, server: VirtualServer][];
  /** What the cluster's pods and the node itself are led to in place of it. */
  inside?: { set: 'inside' | 'inside-np'; server: VirtualServer };
  elements: Element[];
}

type Element = [set: string, key: string, value: string];

/** All of it, as the kernel is to have it. */
export interface IpvsState {
  servers: VirtualServers;
  addresses: ReadonlySet<string>;
  elements: Elements;
}

/** Services, or fronts: some milliseconds' work. */
const AT_A_TIME = 1_000;

export function ipvsPartsOf({ fronts, clusterIPs, hairpins }: Wanted, node: IpvsNode): IpvsParts {
  const parts: IpvsParts = { fronts: [], addresses: [], elements: [] };
  for (const ip of clusterIPs) addAddress(ip, node, parts);
  for (const front of fronts) addFront(front, node, parts);
  for (const ip of hairpins) parts.elements.push(['hairpin', `${ip} . ${ip}`, '']);
  return parts;
}

function addFront(front: Front, node: IpvsNode, into: IpvsParts): void {
  const { ip } = front;
  if (ip === undefined) into.fronts.push(frontParts(front, node));
  else if (isLoopback(ip)) into.fronts.push(loopbackParts(front));
  else if (canHave(ip)) {
    into.fronts.push(frontParts(front, node));
    addAddress(ip, node, into);
  }
}

function frontParts(front: Front, node: IpvsNode): FrontParts {
  const { ip, protocol, port, family, sourceRanges, inside } = front;
  const [key, ofNode] = [keyOf(front), ip === undefined ? '-np' : ''] as const;
  const server = serverOf(front, front.endpoints, node);
  const elements: Element[] = [];
  const add = (set: string, more = '', value = '') => elements.push([set, `${key}${more}`, value]);
  if (sourceRanges) add('guarded');
  for (const range of sourceRanges ?? []) add('sources', ` . ${range}`);
  if (server.reals.size === 0) add(`no-endpoints${ofNode}`, '', front.isForbiddenHere ? 'drop' : 'goto refuse');
  else add(`fronts${ofNode}`);
  if (server.reals.size > 0 && (family === 'lb' || family === 'np')) add(`outside${ofNode}`);
  return {
    key,
    servers: (ip === undefined ? node.addresses : [ip]).map((at) => [serverName(protocol, at, port), server]),
    ...(inside && { inside: { set: `inside${ofNode}`, server: serverOf(front, inside, node) } }),
    elements,
  };
}

/** A host port that only the node itself reaches. */
function loopbackParts(front: Front): FrontParts {
  const [key, to] = [keyOf(front), front.endpoints[0]];
  return { key, servers: [], elements: to ? [['loopback', key, `${to.ip} . ${to.port}`]] : [] };
}

function addAddress(ip: string, node: IpvsNode, into: IpvsParts): void {
  // The node's own address, as an external one: everything else that listens there stays as it is.
  if (node.addresses.includes(ip) || into.addresses.includes(ip)) return;
  into.addresses.push(ip);
  into.elements.push(['service-ips', ip, '']);
}

const isLoopback = (ip: string): boolean => ip.startsWith('127.') || ip === '::1';

/** Of a group no device has the address, in IPv6. */
const canHave = (ip: string): boolean => !ip.startsWith('ff');

/** The kernel refuses what is no single receiver: one such endpoint must not keep all others from being led to. */
const isLedTo = (ip: string, { broadcasts }: IpvsNode): boolean => !GROUP.test(ip) && !broadcasts.has(ip);
const GROUP = /^(0\.|22[4-9]\.|23\d\.|255\.255\.255\.255$|ff)/;

const serverOf = ({ affinitySeconds }: Front, endpoints: readonly Endpoint[], node: IpvsNode): VirtualServer => ({
  scheduler: node.scheduler,
  affinitySeconds,
  reals: new Map(endpoints.flatMap(({ ip, port }) => (isLedTo(ip, node) ? [[addressPort(ip, port), 1]] : []))),
});

export function* ipvsStateOf(all: Iterable<IpvsParts>, family: IpFamily): InPieces<IpvsState> {
  const fronts: FrontParts[] = [];
  const addresses = new Set<string>();
  const elements = new Map<string, Map<string, string>>();
  const add = ([set, key, value]: Element) => {
    const ofSet = elements.get(set);
    if (ofSet) ofSet.set(key, value);
    else elements.set(set, new Map([[key, value]]));
  };
  yield* piecewise(all, AT_A_TIME, (parts) => {
    for (const front of parts.fronts) fronts.push(front);
    for (const ip of parts.addresses) addresses.add(ip);
    for (const element of parts.elements) add(element);
  });
  const servers = new Map<string, VirtualServer>();
  const marks = new Set<number>();
  yield* piecewise(fronts, AT_A_TIME, ({ key, servers: own, inside, elements: more }) => {
    for (const [name, server] of own) servers.set(name, server);
    for (const element of more) add(element);
    const number = inside && markOf(key, marks);
    if (!inside || number === undefined) return;
    const mark = number | (inside.set === 'inside-np' ? Number(MASQUERADE_MARK) : 0);
    servers.set(markedServerName(mark, family), inside.server);
    add([inside.set, key, `0x${mark.toString(16).padStart(8, '0')}`]); // as nft lists it
  });
  return { servers, addresses, elements };
}

/** ipvsadm takes none above 2³¹. */
const MARKS = 0x7fff;

/**
 * IPVS chooses by a mark where the source decides, for it knows none. The upper half of the mark is ours; a front has the same
 * after a restart, unless another had it before. undefined: none is left, and those from within are led as those from outside.
 */
function markOf(key: string, taken: Set<number>): number | undefined {
  if (taken.size === MARKS) return undefined;
  let number = createHash('sha256').update(key).digest().readUInt16BE() % MARKS;
  while (taken.has(number)) number = (number + 1) % MARKS;
  taken.add(number);
  return (number + 1) * 0x10000;
}
