/** Which pods of an older template go now, and where a new one may come beside the old. Source: "DaemonSet rolling update". */
import { isAvailable } from '#api/core/v1/pod-conditions.ts';
import type { DaemonSet, Pod } from '#api/generated/schema.ts';
import { countOf } from '#api/machinery/int-or-percent.ts';
import { isUpdated } from './daemon-pods.ts';

export interface Update {
  remove: readonly Pod[];
  /** Nodes on which a pod of the new template is made while the old one serves. */
  surgeOn: readonly string[];
}

export interface Rolling {
  hash: string;
  /** By node: all that have pods, and those on which one should run. */
  podsOn: ReadonlyMap<string, readonly Pod[]>;
  shouldRunOn: ReadonlySet<string>;
  nowMs: number;
}

/** Percentages are of the nodes on which a pod should run. */
export function limitsOf({ spec }: DaemonSet, nodes: number): { surge: number; unavailable: number } {
  const { maxSurge = 0, maxUnavailable = 1 } = spec.updateStrategy.rollingUpdate ?? {};
  const surge = countOf(maxSurge, nodes, 'up') ?? 0;
  const unavailable = countOf(maxUnavailable, nodes, 'up') ?? 0;
  return { surge, unavailable: surge === 0 && unavailable === 0 && nodes > 0 ? 1 : unavailable };
}

interface Pair {
  next?: Pod;
  old?: Pod;
}

export function rollingUpdate(set: DaemonSet, rolling: Rolling): Update {
  const { surge, unavailable } = limitsOf(set, rolling.shouldRunOn.size);
  const judge = new Judge(set, rolling);
  return surge === 0 ? inPlace(rolling, judge, unavailable) : besideTheOld(rolling, judge, surge);
}

class Judge {
  readonly #set: DaemonSet;
  readonly #rolling: Rolling;

  constructor(set: DaemonSet, rolling: Rolling) {
    this.#set = set;
    this.#rolling = rolling;
  }

  /** The pod of the new template and that of an older one; undefined where there are several of either. */
  pairOn(pods: readonly Pod[]): Pair | undefined {
    const pair: Pair = {};
    for (const pod of pods) {
      if (pod.metadata.deletionTimestamp) continue;
      const side = isUpdated(pod, this.#set, this.#rolling.hash) ? 'next' : 'old';
      if (pair[side]) return undefined;
      pair[side] = pod;
    }
    return pair;
  }

  isAvailable(pod: Pod): boolean {
    return isAvailable(pod, this.#set.spec.minReadySeconds ?? 0, this.#rolling.nowMs);
  }
}

function inPlace({ podsOn }: Rolling, judge: Judge, maxUnavailable: number): Update {
  const alreadyDown: Pod[] = [];
  const candidates: Pod[] = [];
  let unavailable = 0;
  for (const pods of podsOn.values()) {
    const { next, old } = judge.pairOn(pods) ?? {};
    if ((next && old) || (!next && !old)) unavailable++;
    else if (next) unavailable += judge.isAvailable(next) ? 0 : 1;
    else if (old && judge.isAvailable(old)) candidates.push(old);
    else if (old) {
      alreadyDown.push(old); // nothing is lost with it
      unavailable++;
    }
  }
  const room = Math.max(0, maxUnavailable - unavailable);
  return { remove: [...alreadyDown, ...candidates.slice(0, room)], surgeOn: [] };
}

function besideTheOld({ podsOn, shouldRunOn }: Rolling, judge: Judge, maxSurge: number): Update {
  const remove: Pod[] = [];
  const atOnce: string[] = [];
  const candidates: string[] = [];
  /** They serve where no new one would come: they go when enough others serve. */
  const leftovers: Pod[] = [];
  let surging = 0;
  let available = 0;
  for (const [node, pods] of podsOn) {
    const pair = judge.pairOn(pods);
    if (!pair) surging++;
    const { next, old } = pair ?? {};
    const serving = old ?? next;
    const serves = serving !== undefined && judge.isAvailable(serving);
    if (serves) available++;
    if (!old) continue;
    if (next) {
      if (judge.isAvailable(next)) remove.push(old);
      else surging++;
    } else if (shouldRunOn.has(node)) (serves ? candidates : atOnce).push(node);
    else (serves ? leftovers : remove).push(old);
  }
  remove.push(...leftovers.slice(0, Math.max(0, available - shouldRunOn.size)));
  return { remove, surgeOn: [...atOnce, ...candidates.slice(0, Math.max(0, maxSurge - surging))] };
}
