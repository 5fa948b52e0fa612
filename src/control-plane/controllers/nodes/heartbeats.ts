/** When each node was last heard of, by our own clock: by its Lease, or by the heartbeat in its status. */
import type { Lease, Node, NodeCondition } from '#api/generated/schema.ts';
import { millisOf, timestampOf } from '#api/machinery/timestamp.ts';

interface Heard {
  uid: string;
  atMs: number;
  heartbeat: string | undefined;
  /** The latest. All are of metav1.MicroTime's one form. */
  renewTime: string | undefined;
}

export class Heartbeats {
  readonly #byNode = new Map<string, Heard>();

  forget(node: string): void {
    this.#byNode.delete(node);
  }

  /** Of a node that is known already: its lease says when it was renewed. @returns whether that is news. */
  note(node: string, { renewTime }: Lease['spec'], nowMs: number): boolean {
    const known = this.#byNode.get(node);
    if (!known || !isNews(renewTime, known)) return false;
    known.renewTime = renewTime;
    known.atMs = nowMs;
    return true;
  }

  /** In ms since the epoch; of a node that never reported, its creation. A node seen for the first time counts as heard of now. */
  lastHeardMs(node: Node, lease: Lease | undefined, nowMs: number): number {
    const { name, uid, creationTimestamp } = node.metadata;
    const heartbeat = conditionOf(node, 'Ready')?.lastHeartbeatTime;
    const renewTime = lease?.spec.renewTime;
    const known = this.#byNode.get(name);
    const isNew = known?.uid !== uid;
    const isRenewed = isNew || isNews(renewTime, known);
    const isHeard = isRenewed || known.heartbeat !== heartbeat;
    const firstMs = heartbeat || renewTime ? nowMs : (millisOf(creationTimestamp) ?? nowMs);
    const atMs = isNew ? firstMs : isHeard ? nowMs : known.atMs;
    this.#byNode.set(name, { uid, atMs, heartbeat, renewTime: isRenewed ? renewTime : known.renewTime });
    return atMs;
  }
}

/** A lease that is no more tells of nothing, nor does one of an earlier time. Source: node controller, tryUpdateNodeHealth. */
const isNews = (renewTime: string | undefined, known: Heard): boolean =>
  renewTime !== undefined && (known.renewTime === undefined || renewTime > known.renewTime);

export const conditionOf = ({ status }: Node, type: string): NodeCondition | undefined =>
  status?.conditions?.find((condition) => condition.type === type);

const REPORTED = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'];

/** The conditions of a node that is not heard of any more: nobody knows. The same list when they say so already. */
export function unknownConditions(node: Node, nowMs: number): NodeCondition[] {
  const now = timestampOf(nowMs);
  const known = node.status?.conditions ?? [];
  const changed = known.map((condition) =>
    REPORTED.includes(condition.type) && condition.status !== 'Unknown'
      ? {
          ...condition,
          status: 'Unknown',
          reason: 'NodeStatusUnknown',
          message: 'Kubelet stopped posting node status.',
          lastTransitionTime: now,
        }
      : condition,
  );
  const missing = REPORTED.filter((type) => !known.some((condition) => condition.type === type));
  const never = missing.map((type) => ({
    type,
    status: 'Unknown',
    reason: 'NodeStatusNeverUpdated',
    message: 'Kubelet never posted node status.',
    lastHeartbeatTime: node.metadata.creationTimestamp,
    lastTransitionTime: now,
  }));
  return [...changed, ...never];
}
