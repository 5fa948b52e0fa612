/**
 * The host's side of a cluster's network: one bridge that all its nodes are plugged into, routes to their pods, and
 * source NAT for what leaves the machine. Every function may be repeated; only what is missing is made.
 */
import { writeFile } from 'node:fs/promises';
import { CommandFailed, run, succeeds } from './run-command.ts';
import type { SlotPlan } from './slots.ts';

/** Marks the routes that a node keeps to other nodes' pods: a number nobody else is known to use. Source: ip-route(8), "protocol". */
export const ROUTE_PROTOCOL = '107';

export async function ensureHostNetwork(plan: SlotPlan): Promise<void> {
  const { bridge } = plan;
  if (!(await linkNames()).has(bridge)) await run(['ip', 'link', 'add', bridge, 'type', 'bridge']);
  const prefix = plan.nodeRanges.map((range) => range.split('/')[1]);
  for (const [i, address] of plan.hostAddresses.entries()) {
    await run(['ip', 'address', 'replace', `${address}/${prefix[i]}`, 'dev', bridge]);
  }
  await run(['ip', 'link', 'set', bridge, 'mtu', String(await uplinkMtu()), 'up']);
  await writeFile('/proc/sys/net/ipv4/ip_forward', '1');
  await run(['nft', '-f', '-'], { input: masqueradeRules(plan) });
}

export async function removeHostNetwork(plan: SlotPlan): Promise<void> {
  if ((await linkNames()).has(plan.bridge)) await run(['ip', 'link', 'delete', plan.bridge]); // its routes go with it
  for (const range of plan.balancerRanges) await run(['ip', 'route', 'flush', 'root', range]); // but those to nowhere
  await run(['nft', '-f', '-'], { input: `add table ip ${plan.bridge}\ndelete table ip ${plan.bridge}\n` });
}

/**
 * One atomic change, whether or not the table exists. Pods keep their own address towards nodes, pods (those on other
 * machines as well) and the host.
 */
export function masqueradeRules({ bridge, nodeRanges, podRanges }: SlotPlan): string {
  const ours = [...nodeRanges, ...podRanges].join(', ');
  const pods = podRanges.join(', ');
  return [
    `add table ip ${bridge}`,
    `delete table ip ${bridge}`,
    `table ip ${bridge} {`,
    '  chain postrouting {',
    '    type nat hook postrouting priority srcnat;',
    `    ip saddr { ${ours} } ip daddr != { ${pods} } oifname != { "${bridge}", "lo" } masquerade`,
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
    ranges.map((range, i) => `route replace ${range} via ${addresses[i]}${link}\n`);
  const bridge = ` dev ${plan.bridge}`;
  const gateway = here[0];
  const batch = here.flatMap((node) => via(node, node.podRanges, bridge));
  if (gateway) batch.push(...via(gateway, plan.serviceRanges, bridge));
  const hops = here.map(({ addresses }) => ` nexthop via ${addresses[0]}${bridge}`).join('');
  if (hops) batch.push(...plan.ingressAddresses.map((address) => `route replace ${address}/32${hops}\n`));
  if (batch.length > 0) await run(['ip', '-batch', '-'], { input: batch.join('') });
  const unreached = [...plan.serviceRanges, ...plan.ingressAddresses.map((address) => `${address}/32`)];
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
  const hops = gateways.flatMap((gateway) => ['nexthop', 'via', gateway]);
  const route = hops.length > 0 ? [`${address}/32`, ...hops] : ['unreachable', `${address}/32`];
  // Replacing a route of one kind by one of the other is refused: it goes first.
  if (hops.length === 0) await dropRoute(`${address}/32`);
  else await succeeds(['ip', 'route', 'delete', 'unreachable', `${address}/32`]);
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
  const routes = JSON.parse((await run(['ip', '-json', '-4', 'route', 'show'])) || '[]') as { dst: string }[];
  return routes.map(({ dst }) => dst).filter((dst) => dst !== 'default');
}
