/** Which pods of an older template go now, and where a new one may come beside the old. Source: "DaemonSet rolling update". */
import { isActive, isAvailable } from '#api/core/v1/pod-conditions.ts';
import type { DaemonSet, Pod } from '#api/generated/schema.ts';
import { countOf } from '#api/machinery/int-or-percent.ts';
import { hashLabelOf } from '../controller-revisions.ts';

export interface Update {
  remove: readonly Pod[];
  /** Nodes on which a pod of the new template is made while the old one serves. */
  surgeOn: readonly string[];
}

export interface Rolling {
  hash: string;
  /** By node; nodes on which a pod should run. */
  podsOn: ReadonlyMap<string, readonly Pod[]>;
  nowMs: number;
}

/** Percentages are of the nodes on which a pod should run. */
export function limitsOf({ spec }: DaemonSet, nodes: number): { surge: number; unavailable: number } {
  const { maxSurge = 0, maxUnavailable = 1 } = spec.updateStrategy.rollingUpdate ?? {};
  const surge = countOf(maxSurge, nodes, 'up') ?? 0;
  const unavailable = countOf(maxUnavailable, nodes, 'up') ?? 0;
  return { surge, unavailable: surge === 0 && unavailable === 0 && nodes > 0 ? 1 : unavailable };
}

/** The pod of the new template and that of an older one; undefined where there are several of either. */
function pairOn(pods: readonly Pod[], hash: string): { next?: Pod; old?: Pod } | undefined {
  const active = pods.filter(isActive);
  const [next, ...moreNew] = active.filter((pod) => hashLabelOf(pod) === hash);
  const [old, ...moreOld] = active.filter((pod) => hashLabelOf(pod) !== hash);
  return moreNew.length + moreOld.length > 0 ? undefined : { ...(next && { next }), ...(old && { old }) };
}

export function rollingUpdate(set: DaemonSet, rolling: Rolling): Update {
  const { surge, unavailable } = limitsOf(set, rolling.podsOn.size);
  return surge === 0 ? inPlace(set, rolling, unavailable) : besideTheOld(set, rolling, surge);
}

function inPlace(set: DaemonSet, { hash, podsOn, nowMs }: Rolling, maxUnavailable: number): Update {
  const available = (pod: Pod) => isAvailable(pod, set.spec.minReadySeconds ?? 0, nowMs);
  const alreadyDown: Pod[] = [];
  const candidates: Pod[] = [];
  let unavailable = 0;
  for (const pods of podsOn.values()) {
    const { next, old } = pairOn(pods, hash) ?? {};
    if ((next && old) || (!next && !old)) unavailable++;
    else if (next) unavailable += available(next) ? 0 : 1;
    else if (old && available(old)) candidates.push(old);
    else if (old) {
      alreadyDown.push(old); // nothing is lost with it
      unavailable++;
    }
  }
  const room = Math.max(0, maxUnavailable - unavailable);
  return { remove: [...alreadyDown, ...candidates.slice(0, room)], surgeOn: [] };
}

function besideTheOld(set: DaemonSet, { hash, podsOn, nowMs }: Rolling, maxSurge: number): Update {
  const available = (pod: Pod) => isAvailable(pod, set.spec.minReadySeconds ?? 0, nowMs);
  const remove: Pod[] = [];
  const atOnce: string[] = [];
  const candidates: string[] = [];
  let surging = 0;
  for (const [node, pods] of podsOn) {
    const { next, old } = pairOn(pods, hash) ?? {};
    if (old && next) {
      if (available(next)) remove.push(old);
      else surging++;
    } else if (old) (available(old) ? candidates : atOnce).push(node);
    else if (next && !available(next)) surging++;
  }
  const room = Math.max(0, maxSurge - surging);
  return { remove, surgeOn: [...atOnce, ...candidates.slice(0, room)] };
}
