/** The one place that says when a cluster that began without nodes has its first one: its record names it, before it starts. */
import { type Clock, sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { ClusterRecord } from '#node/machine/cluster-dir.ts';

/** Whether there are nodes with real containers, and so a network that leads to them. `simulate`: those this machine cannot run. */
export const hasNodesIn = ({ nodes }: Pick<ClusterRecord, 'nodes'>, simulate: readonly string[]): boolean =>
  Object.keys(nodes).length > simulate.length;

export interface FirstNodeOptions {
  /** The cluster's record as it is now. */
  read(): Promise<Pick<ClusterRecord, 'nodes'> | undefined>;
  simulate: readonly string[];
  clock: Clock;
  log: Log;
  signal: AbortSignal;
}

/** Its kubelet tries again and again: what it needs is there soon enough. */
const LOOK_EVERY_MS = 500;

/** @returns false: `signal` came first */
export async function firstNode({ read, simulate, clock, log, signal }: FirstNodeOptions): Promise<boolean> {
  let told: string | undefined;
  while (!signal.aborted) {
    try {
      const record = await read();
      if (record && hasNodesIn(record, simulate)) return !signal.aborted;
    } catch (error) {
      if (String(error) !== told) log.error("the cluster's record cannot be read", { error: String(error) });
      told = String(error);
    }
    await sleep(clock, LOOK_EVERY_MS, signal).catch(() => undefined); // aborted: the loop ends
  }
  return false;
}
