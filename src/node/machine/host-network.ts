/**
 * The host's side of a cluster's network: one bridge that all its nodes are plugged into, routes to their pods, and
 * source NAT for what leaves the machine. Every function may be repeated; only what is missing is made.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { familyWord, hostRange } from './address-range.ts';
import { CommandFailed, run, succeeds } from './run-command.ts';
import type { SlotPlan } from './slots.ts';

/** Marks the routes that a node keeps to other nodes' pods: a number nobody else is known to use. Source: ip-route(8), "protocol". */
export const ROUTE_PROTOCOL = '107';

export async function ensureHostNetwork(plan: SlotPlan): Promise<void> {
  const { bridge } = plan;
  if (!(await linkNames()).has(bridge)) await run(['ip', 'link', 'add', bridge, 'type', 'bridge']);
  const prefix = plan.nodeRanges.map((range) => range.split('/')[1]);
  for (const [i, address] of plan.hostAddresses.entries()) {
    await run(['ip', 'address', 'replace', `${address}/${prefix[i]}`, 'dev', bridge, ...withoutDetection(address)]);
  }
  await run(['ip', 'link', 'set', bridge, 'mtu', String(await uplinkMtu()), 'up']);
  await writeFile('/proc/sys/net/ipv4/ip_forward', '1');
  if (plan.hostAddresses.some((address) => address.includes(':'))) await forwardIpv6();
  await run(['nft', '-f', '-'], { input: masqueradeRules(plan) });
}

/** Addresses that nobody else can have need not be waited for (duplicate address detection takes a second or two). */
export const withoutDetection = (address: string): string[] => (address.includes(':') ? ['nodad'] : []);

const IPV6_SETTINGS = '/proc/sys/net/ipv6/conf';

/** A machine that has its own routes from advertisements goes on listening to them: one that forwards would not. Source: ip-sysctl, accept_ra. */
async function forwardIpv6(): Promise<void> {
  for (const link of await readdir(IPV6_SETTINGS)) {
    const file = `${IPV6_SETTINGS}/${link}/accept_ra`;
    const listens = await readFile(file, 'utf8').catch(() => '0'); // the link went meanwhile
    if (listens.trim() === '1' && link !== 'all') await writeFile(file, '2').catch(() => undefined);
  }
  await writeFile(`${IPV6_SETTINGS}/all/forwarding`, '1');
}

export async function removeHostNetwork(plan: SlotPlan): Promise<void> {
  if ((await linkNames()).has(plan.bridge)) await run(['ip', 'link', 'delete', plan.bridge]); // its routes go with it
  for (const range of plan.balancerRanges) {
    const family = range.includes(':') ? '-6' : '-4'; // it does not follow from the range
    await run(['ip', family, 'route', 'flush', 'root', range]); // but those to nowhere
  }
  const tables = plan.nodeRanges.map((range) => `${familyWord(range)} ${plan.bridge}`);
  await run(['nft', '-f', '-'], {
    input: tables.map((table) => `add table ${table}\ndelete table ${table}\n`).join(''),
  });
}

/**
 * One atomic change, whether or not the tables exist. Pods keep their own address towards nodes, pods (those on other
 * machines as well) and the host.
 */
export const masqueradeRules = (plan: SlotPlan): string =>
  plan.nodeRanges.map((nodes, i) => masqueradeTable(plan.bridge, nodes, plan.podRanges[i] ?? nodes)).join('');

function masqueradeTable(bridge: string, nodes: string, pods: string): string {
  const ip = familyWord(nodes);
  const table = `${ip} ${bridge}`;
  return [
    `add table ${table}`,
    `delete table ${table}`,
    `table ${table} {`,
    '  chain postrouting {',
    '    type nat hook postrouting priority srcnat;',
    `    ${ip} saddr { ${nodes}, ${pods} } ${ip} daddr != { ${pods} } oifname != { "${bridge}", "lo" } masquerade`,
    '  }',
    '}',
    '',
  ].join('\n');
}

export interface RoutedNode {
  addresses: string[];
  podRanges: string[];
  /** It is a machine of its own, and not on our bridge. */
  isElsewhere?: boolean;
}

/**
 * Routes from the host to the pods of these nodes, to Ingresses by way of all that are on this machine, and to ClusterIPs
 * through the first of them.
 * The way to one on a machine of its own may be missing for a while (its link is down): the others do not wait for it.
 * @returns what could not be routed, in ip's words; empty when all could.
 */
export async function routeToNodes(plan: SlotPlan, nodes: readonly RoutedNode[]): Promise<string> {
  const here = nodes.filter(({ isElsewhere }) => !isElsewhere);
  const via = ({ addresses }: RoutedNode, ranges: readonly string[], link = '') =>
    ranges.flatMap((range, i) => (addresses[i] ? [`route replace ${range} via ${addresses[i]}${link}\n`] : []));
  const bridge = ` dev ${plan.bridge}`;
  const gateway = here[0];
  const batch = here.flatMap((node) => via(node, node.podRanges, bridge));
  if (gateway) batch.push(...via(gateway, plan.serviceRanges, bridge));
  const hops = (i: number) =>
    here.flatMap(({ addresses }) => addresses[i] ?? []).map((via) => ` nexthop via ${via}${bridge}`);
  if (gateway) {
    for (const [i, address] of plan.ingressAddresses.entries())
      batch.push(`route replace ${hostRange(address)}${hops(i).join('')}\n`);
  }
  if (batch.length > 0) await run(['ip', '-batch', '-'], { input: batch.join('') });
  const unreached = [...plan.serviceRanges, ...plan.ingressAddresses.map(hostRange)];
  if (!gateway) for (const range of unreached) await dropRoute(range);
  const far = nodes.filter(({ isElsewhere }) => isElsewhere).flatMap((node) => via(node, node.podRanges));
  if (far.length === 0) return '';
  return run(['ip', '-force', '-batch', '-'], { input: far.join('') }).then(
    () => '',
    (error: Error) => error.message,
  );
}

/** What is sent to the address goes to one of these, the same one for the same sender. To nobody: the address is unreachable. */
export async function routeToBalancer(address: string, gateways: readonly string[]): Promise<void> {
  const range = hostRange(address);
  const hops = gateways.flatMap((gateway) => ['nexthop', 'via', gateway]);
  const route = hops.length > 0 ? [range, ...hops] : ['unreachable', range];
  // Replacing a route of one kind by one of the other is refused: it goes first.
  if (hops.length === 0) await dropRoute(range);
  else await succeeds(['ip', 'route', 'delete', 'unreachable', range]);
  await run(['ip', 'route', 'replace', ...route]);
}

/** How the kernel of this machine reaches an address. Throws CommandFailed when it does not. */
export async function wayTo(address: string): Promise<{ from: string; isDirect: boolean; isLocal: boolean }> {
  const [route] = JSON.parse(await run(['ip', '-json', 'route', 'get', address])) as {
    prefsrc?: string;
    gateway?: string;
    type?: string;
  }[];
  return { from: route?.prefsrc ?? '', isDirect: !route?.gateway, isLocal: route?.type === 'local' };
}

export async function dropRoute(range: string): Promise<void> {
  try {
    await run(['ip', 'route', 'delete', range]);
  } catch (error) {
    if (!(error instanceof CommandFailed && /No such process/.test(error.stderr))) throw error;
  }
}

interface LinkFacts {
  ifname: string;
  mtu: number;
}

async function links(): Promise<LinkFacts[]> {
  return JSON.parse(await run(['ip', '-json', 'link', 'show']));
}

const linkNames = async (): Promise<Set<string>> => new Set((await links()).map(({ ifname }) => ifname));

/** Of the way to the outside, so that no packet of a pod is too large for it; 1500 where there is none. */
export async function uplinkMtu(): Promise<number> {
  const [route] = JSON.parse((await run(['ip', '-json', 'route', 'show', 'default'])) || '[]') as { dev?: string }[];
  return (await links()).find(({ ifname }) => ifname === route?.dev)?.mtu ?? 1500;
}

/** What this machine routes already, bridges of other clusters included. */
export async function rangesInUse(): Promise<string[]> {
  const shown = await Promise.all(['-4', '-6'].map((family) => run(['ip', '-json', family, 'route', 'show'])));
  const routes = shown.flatMap((text) => JSON.parse(text || '[]') as { dst: string }[]);
  return routes.map(({ dst }) => dst).filter((dst) => dst !== 'default');
}
