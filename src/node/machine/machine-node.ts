/** One node on this machine, from nothing to a running containerd, and back. Every step may be repeated after any crash. */
import { mkdir, rm } from 'node:fs/promises';
import type { Clock } from '#base/clock.ts';
import { removeCgroups } from './cgroups.ts';
import { ensureContainerd } from './containerd.ts';
import type { CniConfig } from './containerd-config.ts';
import type { MachineFacts } from './detect.ts';
import { dropRoute, uplinkMtu } from './host-network.ts';
import { ensureMachineNetwork, refuseTakenRanges, removeMachineNetwork } from './machine-network.ts';
import type { NodeLayout } from './node-layout.ts';
import { ensureHolder, findHolder, findWitness, type Holder } from './node-namespaces.ts';
import { ensureNodeNetwork } from './node-network.ts';
import { isAlive, type ProcessRecord } from './process-record.ts';
import { endAll } from './process-tree.ts';
import { removeNetworkResults } from './remove-leftover.ts';

export interface NodeOptions {
  layout: NodeLayout;
  facts: MachineFacts;
  clock: Clock;
  pauseImage: string;
  holderProgram: Uint8Array | undefined;
  /** undefined: ours. */
  cni?: CniConfig | undefined;
}

export interface RunningNode {
  layout: NodeLayout;
  holder: Holder;
  containerd: ProcessRecord;
}

/** Adopts what lives, makes what is missing. */
export async function ensureNode(options: NodeOptions): Promise<RunningNode> {
  const { layout, clock, facts, pauseImage } = options;
  // Without a process of its former life, what that life left there is not true any more.
  if (!(await findPinned(layout))) {
    await forgetRun(layout);
    if (layout.gateway) await refuseTakenRanges(layout);
  }
  await mkdir(layout.runDir, { recursive: true, mode: 0o711 });
  await mkdir(layout.keptDir, { recursive: true, mode: 0o711 });
  const holder = await ensureHolder({ layout, clock, program: options.holderProgram });
  const mtu = await uplinkMtu();
  if (layout.gateway) await ensureMachineNetwork(layout, layout.gateway);
  else await ensureNodeNetwork(layout, holder, mtu);
  const containerd = await ensureContainerd({ layout, holder, clock, facts, pauseImage, mtu, cni: options.cni });
  return { layout, holder, containerd };
}

export const isRunning = ({ holder, containerd }: RunningNode): boolean =>
  isAlive(holder.record) && isAlive(containerd);

/** Ends all of the node's processes; its images, containers' records and volumes stay. */
export async function stopNode(
  options: Omit<NodeOptions, 'pauseImage' | 'holderProgram'> & { graceMs: number },
): Promise<void> {
  const { layout, facts, clock, graceMs } = options;
  const holder = await findPinned(layout);
  if (holder) await endAll(holder.mountNamespace, { clock, graceMs });
  if (layout.gateway) await removeMachineNetwork(layout);
  else for (const range of layout.podRanges) await dropRoute(range);
  await removeCgroups(layout.cgroupRoot, facts.cgroup);
  await forgetRun(layout);
}

export async function removeNode(options: Parameters<typeof stopNode>[0]): Promise<void> {
  await stopNode(options);
  await removeNetworkResults(options.layout);
  await rm(options.layout.keptDir, { recursive: true, force: true });
}

const findPinned = async (layout: NodeLayout): Promise<Holder | undefined> =>
  (await findHolder(layout)) ?? (await findWitness(layout));

/** The sockets, state and records of a node that does not run. */
const forgetRun = ({ runDir }: NodeLayout): Promise<void> => rm(runDir, { recursive: true, force: true });
