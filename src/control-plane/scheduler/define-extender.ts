/** Another program that has a say in placing pods. Source: KubeSchedulerConfiguration, extenders. */
import type { Pod } from '#api/core/v1/pod.ts';
import type { Room } from './define-plugin.ts';
import type { NodeInfo } from './node-info.ts';
import type { Refused } from './verdict.ts';

/** Room for a pod, and at how many violated budgets. */
export interface PricedRoom extends Room {
  violations: number;
}

export interface Extender {
  name: string;
  /** When it cannot be asked, things go on without it. */
  isIgnorable: boolean;
  /** Whether it wants to be asked about this pod. */
  isInterested(pod: Pod): boolean;
  /** Of the nodes that fit for all plugins, what it refuses. Throws when it cannot be asked and must be. */
  filter?(pod: Pod, nodes: readonly NodeInfo[]): Promise<ReadonlyMap<NodeInfo, Refused>>;
  /** For each node in order, as it is to be added to the scores of the plugins: weighted, and on their scale. */
  prioritize?(pod: Pod, nodes: readonly NodeInfo[]): Promise<readonly number[]>;
  /** Of the rooms that could be made those that it agrees to, with the victims that it wants. Throws what it said. */
  preempt?(
    pod: Pod,
    rooms: readonly PricedRoom[],
    nodeNamed: (name: string) => NodeInfo | undefined,
  ): Promise<readonly PricedRoom[]>;
  /** Binds in place of the plugins. Throws what it said. */
  bind?(pod: Pod, nodeName: string): Promise<void>;
}
