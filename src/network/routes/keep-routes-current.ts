/**
 * Keeps a node's routes to the pods of the other nodes equal to what the API says. The next hop is the one by which the
 * kernel reaches the other node: itself on a shared network, the control plane's machine for the nodes behind that. Where
 * the hop is a router that knows no pods, or where the user wants it so, the packets travel in an overlay.
 */
import { Node } from '#api/core/v1/node.ts';
import type * as schema from '#api/generated/schema.ts';
import type { Clock } from '#base/clock.ts';
import { sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Informers } from '#client/informer.ts';
import { type RunBridge, type RunIp, runBridge, runIp, shown } from './ip.ts';
import { type Family, familyOf, type OwnPlace, type Peer, peersOf } from './node-routes.ts';
import { applyOverlay, OVERLAY_LINK, type OverlayPeer, type OverlaySettings, overlayAddress } from './overlay.ts';

/** A route may go without the API knowing, e.g. with a link that goes down and comes back. */
const LOOK_EVERY_MS = 30_000;
const RETRY_MS = 2_000;

export interface RouteOptions extends OwnPlace {
  informers: Informers;
  clock: Clock;
  log: Log;
  signal: AbortSignal;
  /** The number that marks our routes among those of the machine. Source: ip-route(8), "protocol". */
  protocol: string;
  /** undefined: whoever the next hop is, it knows the way. */
  overlay?: OverlaySettings;
  /** For tests. */
  ip?: RunIp;
  bridge?: RunBridge;
}

/** Runs until `signal` aborts. The routes stay: traffic survives a restart. */
export async function keepRoutesCurrent(options: RouteOptions): Promise<void> {
  const { informers, clock, log, signal } = options;
  const nodes = informers.for(Node);
  let changed = new AbortController();
  const stop = nodes.onChange(({ now, before }) => {
    if (placeOf(now) !== placeOf(before)) changed.abort(); // a heartbeat moves nobody
  });
  let said = '';
  try {
    await informers.synced(signal);
    while (!signal.aborted) {
      changed = new AbortController();
      const refused = await apply(peersOf(nodes.list(), options), options);
      if (refused && refused !== said) log.warn('pods of another node cannot be reached yet', { reason: refused });
      said = refused;
      const pause = AbortSignal.any([signal, changed.signal]);
      await sleep(clock, refused ? RETRY_MS : LOOK_EVERY_MS, pause).catch(() => undefined); // woken early
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    stop();
  }
}

const placeOf = (node: schema.Node | undefined): string =>
  JSON.stringify([node?.spec?.podCIDR, node?.spec?.podCIDRs, node?.status?.addresses]);

interface Route {
  dst: string;
  gateway?: string;
  dev?: string;
  type?: string;
}

interface Hop {
  via: string;
  /** Not the other node itself. */
  isRouter: boolean;
  link: string;
}

type ApplyOptions = Pick<RouteOptions, 'protocol' | 'ip' | 'bridge' | 'ownPodRanges' | 'overlay'>;

/** @returns why some routes could not be set; empty when all are as they should be. */
async function apply(peers: readonly Peer[], options: ApplyOptions): Promise<string> {
  const { overlay, ownPodRanges, ip = runIp, bridge = runBridge } = options;
  const families = [...new Set(ownPodRanges.map(familyOf))];
  const complaints: string[] = [];
  const hops = new Map<string, Hop>();
  for (const family of families) complaints.push(await findHops(peers, family, { ip, into: hops }));
  const [far, near] = overlay ? apart(peers, overlay, hops) : [[], peers];
  if (overlay)
    complaints.push(
      ...(await applyOverlay(await tunnels(far, hops, ip), { ...overlay, ownPodRanges }, { ip, bridge })),
    );
  for (const family of families) {
    const wanted = new Map([...routesOver(far, family), ...routesBy(near, family, hops)]);
    complaints.push(...(await applyFamily(wanted, family, { protocol: options.protocol, ip })));
  }
  return complaints.filter(Boolean).join('; ');
}

/** Those that are reached through the overlay, and the others. */
function apart(peers: readonly Peer[], { mode, podGateways }: OverlaySettings, hops: ReadonlyMap<string, Hop>) {
  const isFar = ({ addresses }: Peer) => {
    const hop = hops.get(addresses.ipv4 ?? '');
    return hop !== undefined && (mode === 'always' || (hop.isRouter && !podGateways.includes(hop.via)));
  };
  return [peers.filter(isFar), peers.filter((peer) => !isFar(peer))] as const;
}

async function findHops(
  peers: readonly Peer[],
  family: Family,
  { ip, into }: { ip: RunIp; into: Map<string, Hop> },
): Promise<string> {
  const addresses = [...new Set(peers.flatMap((peer) => peer.addresses[family] ?? []))];
  if (addresses.length === 0) return '';
  const { stdout, complaint } = await ip(
    addresses.map((address) => `route get ${address}`),
    family,
  );
  for (const { dst, gateway, dev = '', type } of shown<Route>(stdout))
    if (type !== 'local') into.set(dst, { via: gateway ?? dst, isRouter: gateway !== undefined, link: dev }); // else an address of this machine itself
  return complaint;
}

async function tunnels(peers: readonly Peer[], hops: ReadonlyMap<string, Hop>, ip: RunIp): Promise<OverlayPeer[]> {
  if (peers.length === 0) return [];
  const links = shown<{ ifname: string; mtu?: number }>((await ip(['link show'])).stdout);
  const mtus = new Map(links.map(({ ifname, mtu }) => [ifname, mtu]));
  return peers.flatMap(({ addresses: { ipv4: address }, ranges }) =>
    address ? [{ address, ranges, mtu: mtus.get(hops.get(address)?.link ?? '') ?? 1500 }] : [],
  );
}

/** Next hops by range, as ip-route(8) takes them behind `via`. */
type Wanted = [range: string, hop: { via: string; how: string }];

const routesOver = (peers: readonly Peer[], family: Family): Wanted[] =>
  peers.flatMap(({ ranges }) =>
    ranges.flatMap((range): Wanted[] =>
      familyOf(range) === family ? [[range, { via: overlayAddress(range), how: ` dev ${OVERLAY_LINK} onlink` }]] : [],
    ),
  );

const routesBy = (peers: readonly Peer[], family: Family, hops: ReadonlyMap<string, Hop>): Wanted[] =>
  peers.flatMap(({ addresses, ranges }) => {
    const hop = hops.get(addresses[family] ?? '');
    return ranges.flatMap((range): Wanted[] =>
      hop && familyOf(range) === family ? [[range, { via: hop.via, how: '' }]] : [],
    );
  });

async function applyFamily(
  wanted: ReadonlyMap<string, Wanted[1]>,
  family: Family,
  { protocol, ip }: { protocol: string; ip: RunIp },
): Promise<string[]> {
  const listed = await ip([`route show proto ${protocol}`], family);
  const present = new Map(shown<Route>(listed.stdout).map(({ dst, gateway }) => [dst, gateway]));
  const lines: string[] = [];
  for (const [range, { via, how }] of wanted) {
    if (present.get(range) !== via) lines.push(`route replace ${range} via ${via}${how} proto ${protocol}`);
  }
  for (const range of present.keys()) {
    if (!wanted.has(range)) lines.push(`route delete ${range} proto ${protocol}`);
  }
  const done = lines.length > 0 ? await ip(lines, family) : undefined;
  return [listed, done].flatMap((outcome) => outcome?.complaint || []);
}
