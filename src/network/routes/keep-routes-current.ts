/**
 * Keeps a node's routes to the pods of the other nodes equal to what the API says. The next hop is the one by which the
 * kernel reaches the other node: itself on a shared network, the control plane's machine for the nodes behind that.
 */
import { Node } from '#api/core/v1/node.ts';
import type * as schema from '#api/generated/schema.ts';
import type { Clock } from '#base/clock.ts';
import { sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Informers } from '#client/informer.ts';
import { type RunIp, runIp } from './ip.ts';
import { type OwnPlace, routesToPods } from './node-routes.ts';

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
  /** For tests. */
  ip?: RunIp;
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
      const refused = await apply(routesToPods(nodes.list(), options), options);
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
  type?: string;
}

/** @returns why some routes could not be set; empty when all are as they should be. */
async function apply(
  wanted: ReadonlyMap<string, string>,
  options: Pick<RouteOptions, 'protocol' | 'ip' | 'ownPodRanges'>,
) {
  const families = new Set(options.ownPodRanges.map(familyOf));
  const complaints: string[] = [];
  for (const family of families) {
    const mine = new Map([...wanted].filter(([range]) => familyOf(range) === family));
    complaints.push(...(await applyFamily(mine, family, options)));
  }
  return complaints.join('; ');
}

const familyOf = (range: string): 'ipv4' | 'ipv6' => (range.includes(':') ? 'ipv6' : 'ipv4');

async function applyFamily(
  wanted: ReadonlyMap<string, string>,
  family: 'ipv4' | 'ipv6',
  { protocol, ip = runIp }: Pick<RouteOptions, 'protocol' | 'ip'>,
): Promise<string[]> {
  const listed = await ip([`route show proto ${protocol}`], family);
  const present = new Map(parsed(listed.stdout).map(({ dst, gateway }) => [dst, gateway]));
  const addresses = [...new Set(wanted.values())];
  const found =
    addresses.length > 0
      ? await ip(
          addresses.map((address) => `route get ${address}`),
          family,
        )
      : undefined;
  const hops = new Map(parsed(found?.stdout ?? '').map((route) => [route.dst, nextHop(route)]));
  const lines: string[] = [];
  for (const [range, address] of wanted) {
    const hop = hops.get(address);
    if (hop && present.get(range) !== hop) lines.push(`route replace ${range} via ${hop} proto ${protocol}`);
  }
  for (const range of present.keys()) {
    if (!wanted.has(range)) lines.push(`route delete ${range} proto ${protocol}`);
  }
  const done = lines.length > 0 ? await ip(lines, family) : undefined;
  return [listed, found, done].flatMap((outcome) => outcome?.complaint || []);
}

/** undefined for an address of this machine itself. */
const nextHop = ({ dst, gateway, type }: Route): string | undefined =>
  type === 'local' ? undefined : (gateway ?? dst);

/** One JSON array for each line of the batch. */
const parsed = (text: string): Route[] =>
  text.split('\n').flatMap((line) => (line.startsWith('[') ? (JSON.parse(line) as Route[]) : []));
