/**
 * VXLAN between nodes whose hosts are not on one segment: packets between pods travel in UDP between the nodes' own addresses,
 * so the routers on the way need not know of pods. Nothing is learned from packets: who is behind which address follows from the
 * Node objects. Source: RFC 7348; ip-link(8), "VXLAN"; bridge(8), "fdb".
 */
import { createHash } from 'node:crypto';
import { formatIp, maskedIp, parseCidr } from '#api/machinery/ip.ts';
import { type RunBridge, type RunIp, shown } from './ip.ts';
import { type Family, familyOf } from './node-routes.ts';

export interface OverlaySettings {
  /** `auto`: only to nodes that are behind a router that knows no way to pods. */
  mode: 'auto' | 'always';
  /** This node's own, as other nodes reach it. IPv4. */
  address: string;
  /** Routers that know the way to the pods of the nodes behind them. */
  podGateways: readonly string[];
}

export interface OverlayPeer {
  address: string;
  ranges: readonly string[];
  /** Bytes that go at a time on the way to it. */
  mtu: number;
}

export const OVERLAY_LINK = 'kedge-vxlan';
const NETWORK_ID = 107;
const PORT = 4789; // IANA's
/** Outer Ethernet, IPv4, UDP and VXLAN. */
const HEADERS = 50;
const LEAST_MTU = 1280; // IPv6's

/** The same on every node, for whoever knows a node's address: nothing need be published. Locally administered. */
export function overlayMac(address: string): string {
  const bytes = createHash('sha256').update(`kedge vxlan ${address}`).digest().subarray(0, 5);
  return [0x02, ...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** A node's address on the overlay: the first of its pods' range, which no pod gets. */
export function overlayAddress(podRange: string): string {
  const range = parseCidr(podRange);
  return range ? formatIp(maskedIp(range)) : '';
}

interface Link {
  ifname?: string;
  mtu?: number;
  ifalias?: string;
}
interface Neighbour {
  dst?: string;
  lladdr?: string;
}
interface Forwarding {
  mac?: string;
  dst?: string;
}

export interface OverlayTools {
  ip: RunIp;
  bridge: RunBridge;
}

/** Makes link, neighbours and forwarding entries as they should be; without peers there is no link. @returns complaints. */
export async function applyOverlay(
  peers: readonly OverlayPeer[],
  { address, ownPodRanges }: { address: string; ownPodRanges: readonly string[] },
  tools: OverlayTools,
): Promise<string[]> {
  const { ip, bridge } = tools;
  const links = shown<Link>((await ip(['link show'])).stdout);
  const link = links.find(({ ifname }) => ifname === OVERLAY_LINK);
  if (peers.length === 0) return link ? [(await ip([`link delete ${OVERLAY_LINK}`])).complaint] : [];
  const mtu = Math.max(LEAST_MTU, Math.min(...peers.map((peer) => peer.mtu)) - HEADERS);
  const lines: string[] = [];
  if (link && link.ifalias !== address) lines.push(`link delete ${OVERLAY_LINK}`);
  if (link?.ifalias !== address) {
    const self = `local ${address} dstport ${PORT} nolearning`;
    lines.push(
      `link add ${OVERLAY_LINK} address ${overlayMac(address)} mtu ${mtu} type vxlan id ${NETWORK_ID} ${self}`,
      `link set ${OVERLAY_LINK} alias ${address}`,
    );
  } else if (link.mtu !== mtu) lines.push(`link set ${OVERLAY_LINK} mtu ${mtu}`);
  lines.push(`link set ${OVERLAY_LINK} up`);
  const complaints = [(await ip(lines)).complaint];
  for (const family of new Set(ownPodRanges.map(familyOf))) {
    const own = ownPodRanges.filter((range) => familyOf(range) === family);
    const addresses = own.map((range) => `address replace ${ownAddress(range)} dev ${OVERLAY_LINK}`);
    complaints.push((await ip(addresses, family)).complaint, await applyNeighbours(peers, family, ip));
  }
  complaints.push(await applyForwarding(peers, bridge));
  return complaints;
}

const ownAddress = (range: string): string =>
  range.includes(':') ? `${overlayAddress(range)}/128 nodad` : `${overlayAddress(range)}/32`;

async function applyNeighbours(peers: readonly OverlayPeer[], family: Family, ip: RunIp): Promise<string> {
  const present = shown<Neighbour>((await ip([`neigh show dev ${OVERLAY_LINK} nud permanent`], family)).stdout);
  const wanted = new Map(
    peers.flatMap(({ address, ranges }) =>
      ranges.flatMap((range): [string, string][] =>
        familyOf(range) === family ? [[overlayAddress(range), overlayMac(address)]] : [],
      ),
    ),
  );
  const has = new Map(present.map(({ dst, lladdr }) => [dst, lladdr]));
  const lines = [
    ...[...has.keys()].filter((dst) => dst && !wanted.has(dst)).map((dst) => `neigh delete ${dst} dev ${OVERLAY_LINK}`),
    ...[...wanted]
      .filter(([at, mac]) => has.get(at) !== mac)
      .map(([at, mac]) => `neigh replace ${at} lladdr ${mac} nud permanent dev ${OVERLAY_LINK}`),
  ];
  return lines.length > 0 ? (await ip(lines, family)).complaint : '';
}

async function applyForwarding(peers: readonly OverlayPeer[], bridge: RunBridge): Promise<string> {
  const present = shown<Forwarding>((await bridge([`fdb show dev ${OVERLAY_LINK}`])).stdout);
  const has = new Map(present.flatMap(({ mac, dst }): [string, string][] => (mac && dst ? [[mac, dst]] : [])));
  const wanted = new Map(peers.map(({ address }) => [overlayMac(address), address]));
  const lines = [
    ...[...has]
      .filter(([mac]) => !wanted.has(mac))
      .map(([mac, dst]) => `fdb delete ${mac} dev ${OVERLAY_LINK} dst ${dst}`),
    ...[...wanted]
      .filter(([mac, dst]) => has.get(mac) !== dst)
      .map(([mac, dst]) => `fdb replace ${mac} dev ${OVERLAY_LINK} dst ${dst}`),
  ];
  return lines.length > 0 ? (await bridge(lines)).complaint : '';
}
