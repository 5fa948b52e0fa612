/**
 * The host's side of a cluster's network: one bridge that all its nodes are plugged into, routes to their pods, and
 * source NAT for what leaves the machine. Every function may be repeated; only what is missing is made.
 */
import { writeFile } from 'node:fs/promises';
import { CommandFailed, run } from './run-command.ts';
import type { SlotPlan } from './slots.ts';

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
  await run(['nft', '-f', '-'], { input: `add table ip ${plan.bridge}\ndelete table ip ${plan.bridge}\n` });
}

/** One atomic change, whether or not the table exists. Pods keep their own address towards nodes, pods and the host. */
export function masqueradeRules({ bridge, nodeRanges, podRanges }: SlotPlan): string {
  const ours = [...nodeRanges, ...podRanges].join(', ');
  return [
    `add table ip ${bridge}`,
    `delete table ip ${bridge}`,
    `table ip ${bridge} {`,
    '  chain postrouting {',
    '    type nat hook postrouting priority srcnat;',
    `    ip saddr { ${ours} } oifname != { "${bridge}", "lo" } masquerade`,
    '  }',
    '}',
    '',
  ].join('\n');
}

/** Routes from the host to the pods of these nodes, and to ClusterIPs through the first of them. */
export async function routeToNodes(
  plan: SlotPlan,
  nodes: readonly { addresses: string[]; podRanges: string[] }[],
): Promise<void> {
  const routes = nodes.flatMap(({ addresses, podRanges }) => podRanges.map((pods, i) => [pods, addresses[i]]));
  const gateway = nodes[0]?.addresses;
  if (gateway) routes.push(...plan.serviceRanges.map((services, i) => [services, gateway[i]]));
  const batch = routes.map(([range, via]) => `route replace ${range} via ${via} dev ${plan.bridge}\n`);
  if (batch.length > 0) await run(['ip', '-batch', '-'], { input: batch.join('') });
  if (!gateway) for (const services of plan.serviceRanges) await dropRoute(services);
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
