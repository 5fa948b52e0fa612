/** Which processes belong to a node: those in its mount namespace (containerd, shims, kubelet, net) and their descendants. */
import { closeSync, openSync, readlinkSync } from 'node:fs';
import { type Clock, sleep } from '#base/clock.ts';
import { allProcesses, type ProcessStat, signalled } from './process-record.ts';

/** As in `mnt:[4026532177]`; undefined when the process is gone. */
export function mountNamespaceOf(pid: number | 'self'): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`);
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

/** `members` are in the namespace itself; `inside` are the containers' processes below them. */
export interface NodeProcesses {
  members: ProcessStat[];
  inside: ProcessStat[];
}

export function processesOf(mountNamespace: string): NodeProcesses {
  const all = allProcesses().filter(({ state }) => state !== 'Z');
  const members = all.filter(({ pid }) => mountNamespaceOf(pid) === mountNamespace);
  return { members, inside: descendants(all, members) };
}

export function descendants(all: readonly ProcessStat[], roots: readonly ProcessStat[]): ProcessStat[] {
  const found = new Set(roots.map(({ pid }) => pid));
  const below: ProcessStat[] = [];
  for (let grew = true; grew; ) {
    const next = all.filter(({ pid, parent }) => found.has(parent) && !found.has(pid));
    for (const process of next) found.add(process.pid);
    below.push(...next);
    grew = next.length > 0;
  }
  return below;
}

/**
 * Ends everything of a node: containers get TERM and `graceMs`, then all that is left gets KILL. The namespaces, and with
 * them mounts and pod networks, go when the last process has gone.
 */
export async function endAll(
  mountNamespace: string,
  { clock, graceMs }: { clock: Clock; graceMs: number },
): Promise<void> {
  const held = hold(mountNamespace);
  try {
    await endHeld(mountNamespace, { clock, graceMs });
  } finally {
    if (held !== undefined) closeSync(held);
  }
}

/**
 * While a namespace is open its number is not given to another node's, whose processes would be taken for this one's.
 * undefined: there is no process left in it.
 */
function hold(mountNamespace: string): number | undefined {
  for (const { pid } of processesOf(mountNamespace).members) {
    try {
      const held = openSync(`/proc/${pid}/ns/mnt`, 'r');
      if (readlinkSync(`/proc/self/fd/${held}`) === mountNamespace) return held;
      closeSync(held);
    } catch (error) {
      if (!['ENOENT', 'ESRCH', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
  return undefined;
}

async function endHeld(mountNamespace: string, { clock, graceMs }: { clock: Clock; graceMs: number }): Promise<void> {
  const { members, inside } = processesOf(mountNamespace);
  const memberPids = new Set(members.map(({ pid }) => pid));
  // A container's first process, and no other, is told to stop, as by the kubelet. Its parent is its shim.
  for (const { pid, parent } of inside) if (memberPids.has(parent)) signalled(pid, 'SIGTERM');
  const deadlineMs = clock.monotonicMs() + graceMs;
  while (clock.monotonicMs() < deadlineMs && processesOf(mountNamespace).inside.length > 0) await sleep(clock, 50);
  for (;;) {
    const left = processesOf(mountNamespace);
    const pids = [...left.inside, ...left.members].map(({ pid }) => pid);
    if (pids.length === 0) return;
    for (const pid of pids) signalled(pid, 'SIGKILL');
    await sleep(clock, 20);
    if (clock.monotonicMs() > deadlineMs + 30_000) {
      throw new Error(`processes ${pids.join(', ')} cannot be ended`);
    }
  }
}
