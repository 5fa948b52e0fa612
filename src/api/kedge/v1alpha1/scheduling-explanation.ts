/** Why a pod is, or is not, where it is: what the scheduler's debug endpoint answers and `kedge why` shows. Kedge's own. */

export interface SchedulingExplanation {
  pod: { namespace: string; name: string };
  schedulerName: string;
  /** `elsewhere`: another scheduler's pod, of which only the place is known. */
  state: 'placed' | 'waiting' | 'gated' | 'elsewhere';
  nodeName?: string;
  /** Room is being made for it there. */
  nominatedNodeName?: string;
  /** What its condition says, for a pod that waits. */
  message?: string;
  /** Said before any node was looked at: no node would do. */
  general?: Complaint;
  /** In the order of their scores, then by the number of complaints. */
  nodes: readonly NodeExplanation[];
}

export interface NodeExplanation {
  name: string;
  /** None: the pod fits. */
  complaints: readonly Complaint[];
  /** Of nodes that the pod fits: by plugin, 0…100, and its weight. */
  scores: readonly PluginScore[];
  total: number;
}

export interface Complaint {
  plugin: string;
  /** As they stand in the event. */
  reasons: readonly string[];
  /** What would have to change, each enough to end one reason; empty where nothing is known. */
  changes: readonly string[];
}

export interface PluginScore {
  plugin: string;
  score: number;
  weight: number;
}
