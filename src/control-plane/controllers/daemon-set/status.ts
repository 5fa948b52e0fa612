/** What a DaemonSet says of its pods. Each node counts once, whatever runs there. Source: updateDaemonSetStatus. */
import { isAvailable, isReady } from '#api/core/v1/pod-conditions.ts';
import type { DaemonSet, DaemonSetStatus, Pod } from '#api/generated/schema.ts';
import { type History, hashLabelOf } from '../controller-revisions.ts';
import { type Fit, isUpdated } from './daemon-pods.ts';

/** A node, how the set's pods fit it, and those that are there, also those that are still going. */
export interface PlacedNode extends Fit {
  name: string;
  pods: readonly Pod[];
}

interface Known {
  nodes: readonly PlacedNode[];
  history: History;
  nowMs: number;
}

export function statusOf(set: DaemonSet, { nodes, history, nowMs }: Known): DaemonSetStatus {
  const hash = hashLabelOf(history.current);
  const count = { desired: 0, current: 0, misscheduled: 0, ready: 0, available: 0, updated: 0 };
  for (const { shouldRun, pods } of nodes) {
    if (!shouldRun) {
      if (pods.length > 0) count.misscheduled++;
      continue;
    }
    count.desired++;
    const [oldest] = [...pods].sort(byPlaceAndAge);
    if (!oldest) continue;
    count.current++;
    if (isReady(oldest)) count.ready++;
    if (isAvailable(oldest, set.spec.minReadySeconds ?? 0, nowMs)) count.available++;
    if (isUpdated(oldest, set, hash)) count.updated++;
  }
  const { collisionCount } = history;
  const { generation } = set.metadata;
  const unavailable = count.desired - count.available;
  return {
    currentNumberScheduled: count.current,
    numberMisscheduled: count.misscheduled,
    desiredNumberScheduled: count.desired,
    numberReady: count.ready,
    ...(generation !== undefined && { observedGeneration: generation }),
    ...(count.updated > 0 && { updatedNumberScheduled: count.updated }),
    ...(count.available > 0 && { numberAvailable: count.available }),
    ...(unavailable > 0 && { numberUnavailable: unavailable }),
    ...(collisionCount !== undefined && { collisionCount }),
    ...(set.status?.conditions && { conditions: set.status.conditions }),
  };
}

/** Those that have a node first, then the oldest. */
export const byPlaceAndAge = (a: Pod, b: Pod): number =>
  Number(!a.spec.nodeName) - Number(!b.spec.nodeName) ||
  a.metadata.creationTimestamp.localeCompare(b.metadata.creationTimestamp) ||
  (a.metadata.name < b.metadata.name ? -1 : 1);
