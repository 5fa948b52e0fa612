/**
 * What IPVS has and what it should have: virtual servers, each with the real servers behind it, as ipvsadm(8) names them. Pure.
 */

import { canonicalIp } from '#api/machinery/ip.ts';
import type { IpFamily } from '#network/netfilter/ip-family.ts';
import type { Protocol } from '#network/netfilter/protocol.ts';
import { atOnce, type InPieces, piecewise } from '#network/netfilter/turns.ts';

export interface VirtualServer {
  scheduler: string;
  /** How long one client stays with one real server; undefined: no longer than its connection. */
  affinitySeconds: number | undefined;
  /** `10.244.1.2:8080` → how many new connections it gets beside the others; 0: none, those it has go on. */
  reals: ReadonlyMap<string, number>;
}

/** By what names them to ipvsadm: `-t 10.96.0.20:80`, `-f 65536 -6`. */
export type VirtualServers = ReadonlyMap<string, VirtualServer>;

/** As upstream sets them: the scheduler looks at the client's port, too. */
const SCHEDULER_FLAGS: Readonly<Record<string, string>> = { mh: ' -b mh-port' };
const PROTOCOL_OPTIONS: Record<Protocol, string> = { tcp: '-t', udp: '-u', sctp: '--sctp-service' };
const UDP = PROTOCOL_OPTIONS.udp;

export const addressPort = (ip: string, port: number): string => `${ip.includes(':') ? `[${ip}]` : ip}:${port}`;
export const serverName = (protocol: Protocol, ip: string, port: number): string =>
  `${PROTOCOL_OPTIONS[protocol]} ${addressPort(ip, port)}`;
/** Of one that is reached by a mark on the packet, whatever address it is for. */
export const markedServerName = (mark: number, family: IpFamily): string =>
  `-f ${mark}${family === 'ipv6' ? ' -6' : ''}`;

export interface ServerChange {
  /** Lines for `ipvsadm --restore` that give somebody to answer, or let go of nobody's connections. */
  first: string[];
  /** Lines that take away, for when nobody is led there any more. */
  last: string[];
  /** What there is after both: what is wanted, and real servers that finish what they have. */
  after: Map<string, VirtualServer>;
}

/** Some milliseconds' work. */
const SERVERS_AT_A_TIME = 1_000;
const LINES_AT_A_TIME = 2_000;

export function* serverChange(now: VirtualServers, wanted: VirtualServers): InPieces<ServerChange> {
  const change: ServerChange = { first: [], last: [], after: new Map() };
  for (const name of now.keys()) if (!wanted.has(name)) change.last.push(`-D ${name}`);
  yield* piecewise(wanted, SERVERS_AT_A_TIME, ([name, server]) => {
    const before = now.get(name);
    const reals = before === server ? server.reals : realChange(name, before, server, change);
    change.after.set(name, reals.size === server.reals.size ? server : { ...server, reals });
  });
  return change;
}

/** @returns its real servers after both. */
function realChange(
  name: string,
  now: VirtualServer | undefined,
  wanted: VirtualServer,
  { first, last }: ServerChange,
): Map<string, number> {
  const { scheduler, affinitySeconds } = wanted;
  const isKept = now && now.scheduler === scheduler && now.affinitySeconds === affinitySeconds;
  const stays = affinitySeconds === undefined ? '' : ` -p ${affinitySeconds}`;
  const chosen = `-s ${scheduler}${SCHEDULER_FLAGS[scheduler] ?? ''}`;
  if (!isKept) first.push(`${now ? '-E' : '-A'} ${name} ${chosen}${stays}`);
  const after = new Map(wanted.reals);
  for (const [real, weight] of wanted.reals) {
    const before = now?.reals.get(real);
    if (before !== weight) first.push(`${before === undefined ? '-a' : '-e'} ${name} -r ${real} -m -w ${weight}`);
  }
  for (const [real, weight] of now?.reals ?? []) {
    if (wanted.reals.has(real)) continue;
    // Nobody can tell when a UDP flow is over: the kernel leads it elsewhere with its next packet.
    if (name.startsWith(`${UDP} `)) last.push(`-d ${name} -r ${real}`);
    else {
      after.set(real, 0);
      if (weight !== 0) first.push(`-e ${name} -r ${real} -m -w 0`);
    }
  }
  return after;
}

export interface ServerListing {
  servers: Map<string, VirtualServer>;
  /** Real servers that get nothing new and have no connection left. */
  finished: { name: string; real: string }[];
}

/** @param listing of `ipvsadm -Ln`; what it has of the other family is left out. */
export const readListing = (listing: string, family: IpFamily): ServerListing =>
  atOnce(readingListing(listing, family));

/** The same of thousands. */
export function* readingListing(listing: string, family: IpFamily): InPieces<ServerListing> {
  const servers = new Map<string, VirtualServer>();
  const finished: ServerListing['finished'] = [];
  let name = '';
  let reals = new Map<string, number>();
  yield* piecewise(listing.split('\n'), LINES_AT_A_TIME, (line) => {
    const virtual = VIRTUAL.exec(line);
    const [, leadsTo = '', ...counts] = REAL.exec(line) ?? [];
    const real = canonical(leadsTo);
    if (virtual) {
      const [, kind = '', address = '', ofIpv6 = '', scheduler = '', seconds] = virtual;
      name = listedName(kind, address, ofIpv6);
      reals = new Map();
      const affinitySeconds = seconds === undefined ? undefined : Number(seconds);
      if (isOf(family, name)) servers.set(name, { scheduler, affinitySeconds, reals });
    } else if (real && isOf(family, name)) {
      reals.set(real, Number(counts[0]));
      if (counts.every((count) => count === '0')) finished.push({ name, real });
    }
  });
  return { servers, finished };
}

/** Kind, address and port or mark, the family where no address tells it, scheduler, seconds. */
const VIRTUAL = /^(TCP|UDP|SCTP|FWM) +(\S+)(?: (IPv6))? (\w+)(?:.* persistent (\d+))?/;
/** Address and port, weight, active and other connections. */
const REAL = /^ +-> (\S+:\d+) +\w+ +(\d+) +(\d+) +(\d+)/;

const listedName = (kind: string, address: string, ofIpv6: string): string =>
  kind === 'FWM'
    ? markedServerName(Number(address), ofIpv6 ? 'ipv6' : 'ipv4')
    : `${PROTOCOL_OPTIONS[kind.toLowerCase() as Protocol]} ${canonical(address)}`;

/** ipvsadm writes some addresses of IPv6 with one of IPv4 in them. */
const canonical = (listed: string): string =>
  listed.replace(/^\[([^\]]*\.[^\]]*)\]/, (_, ip: string) => `[${canonicalIp(ip) ?? ip}]`);

const isOf = (family: IpFamily, name: string): boolean =>
  (name.endsWith(' -6') || name.includes('[')) === (family === 'ipv6');

export interface FinishedChange {
  /** Lines for `ipvsadm --restore`. */
  lines: string[];
  after: Map<string, VirtualServer>;
}

/** Lets go of what has finished. */
export function withoutFinished({ servers, finished }: ServerListing): FinishedChange {
  const after = new Map(servers);
  for (const { name, real } of finished) {
    const server = after.get(name);
    if (!server) continue;
    const reals = new Map(server.reals);
    reals.delete(real);
    after.set(name, { ...server, reals });
  }
  return { lines: finished.map(({ name, real }) => `-d ${name} -r ${real}`), after };
}

export function* areSame(one: VirtualServers, other: VirtualServers): InPieces<boolean> {
  if (one.size !== other.size) return false;
  let areAll = true;
  yield* piecewise(one, SERVERS_AT_A_TIME, ([name, server]) => {
    areAll &&= isSame(server, other.get(name));
  });
  return areAll;
}

function isSame({ scheduler, affinitySeconds, reals }: VirtualServer, other: VirtualServer | undefined): boolean {
  if (other?.scheduler !== scheduler || other.affinitySeconds !== affinitySeconds) return false;
  return other.reals.size === reals.size && [...reals].every(([real, weight]) => other.reals.get(real) === weight);
}
