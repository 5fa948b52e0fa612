/**
 * The network of a node that is this whole machine: the machine's own. Added to it are the way to the nodes behind the control
 * plane's machine, and source NAT for pods that leave the cluster. Every function may be repeated.
 */
import { writeFile } from 'node:fs/promises';
import { hostRange, overlaps } from './address-range.ts';
import { dropRoute, ROUTE_PROTOCOL, rangesInUse } from './host-network.ts';
import type { NodeLayout } from './node-layout.ts';
import { run, succeeds } from './run-command.ts';

const TABLE = 'ip kedge-agent';
/** Of the process `net`, too. */
const OVERLAY_LINK = 'kedge-vxlan';
/** Made by the process `net`, whose rules outlive it. */
const TABLES_OF_NET = ['ip kube-proxy', 'ip network-policy'];

export class RangeTaken extends Error {
  readonly code = 'RangeTaken';
}

export async function ensureMachineNetwork({ plan, podRanges }: NodeLayout, gateway: string): Promise<void> {
  await writeFile('/proc/sys/net/ipv4/ip_forward', '1');
  // Not marked as the routes to pods are: those are compared with the cluster's nodes.
  const routes = plan.nodeRanges.map((range) => `route replace ${range} via ${gateway}\n`);
  await run(['ip', '-batch', '-'], { input: routes.join('') });
  const cluster = [...plan.podRanges, ...plan.nodeRanges].join(', ');
  const rule = `ip saddr { ${podRanges.join(', ')} } ip daddr != { ${cluster} } oifname != "lo" masquerade`;
  const chain = `chain postrouting {\ntype nat hook postrouting priority srcnat;\n${rule}\n}`;
  await run(['nft', '-f', '-'], { input: `${removed(TABLE)}table ${TABLE} {\n${chain}\n}\n` });
}

/** What the node's processes left in the machine's network is removed too. */
export async function removeMachineNetwork({ plan }: NodeLayout): Promise<void> {
  await run(['nft', '-f', '-'], { input: [TABLE, ...TABLES_OF_NET].map(removed).join('') });
  await run(['ip', 'route', 'flush', 'proto', ROUTE_PROTOCOL]);
  await succeeds(['ip', 'link', 'delete', OVERLAY_LINK]);
  for (const range of plan.nodeRanges) await dropRoute(range);
  for (const address of [...plan.dnsAddresses, ...plan.ingressAddresses])
    await succeeds(['ip', 'address', 'delete', hostRange(address), 'dev', 'lo']);
}

/** Throws RangeTaken when the machine already sends packets for the cluster's addresses elsewhere: both would break. */
export async function refuseTakenRanges({ plan, gateway = '' }: NodeLayout): Promise<void> {
  // What a former life of this node left is no other's.
  await run(['ip', 'route', 'flush', 'proto', ROUTE_PROTOCOL]);
  for (const range of plan.nodeRanges) await succeeds(['ip', 'route', 'delete', range, 'via', gateway]);
  const taken = await rangesInUse();
  for (const range of [...plan.nodeRanges, ...plan.podRanges, ...plan.serviceRanges]) {
    const other = taken.find((used) => overlaps(range, used));
    if (other) throw new RangeTaken(`this machine routes ${other} already, and the cluster uses ${range}`);
  }
}

/** One that is there or not: gone in one step. */
const removed = (table: string): string => `add table ${table}\ndelete table ${table}\n`;
