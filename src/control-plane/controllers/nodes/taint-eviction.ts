/** Sends pods away from nodes whose NoExecute taints they do not tolerate, or no longer: at the end of tolerationSeconds. */
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { evicts, toleratedSeconds } from '#api/core/v1/taint.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { ObjectKey } from '#api/machinery/object.ts';
import { millisOf } from '#api/machinery/timestamp.ts';
import { again, defineController, settled, watching } from '../define-controller.ts';
import { withDisruptionTarget } from './disruption-target.ts';
import { podsOnNode } from './pods-on-node.ts';

const REASON = 'DeletionByTaintManager';
const MESSAGE = 'Taint manager: deleting due to NoExecute taint';

const evictingTaints = ({ spec }: Node) => (spec.taints ?? []).filter(evicts);

export const taintEviction = defineController(() => {
  /** Pods that are to go at a time, and since when their node is tainted. */
  const scheduled = new Map<ObjectKey, { uid: string; sinceMs: number }>();

  return {
    name: 'taint-eviction-controller',
    serviceAccount: 'node-controller',
    reconciles: Pod,
    watches: [watching(Node, podsOnNode, (now, before) => !isEqual(evictingTaints(now), evictingTaints(before)))],
    writes: { delete: [Pod], status: [Pod] },
    whenNew: (now) => now.spec.nodeName !== undefined,
    when: (now, before) =>
      now.spec.nodeName !== before.spec.nodeName ||
      !isEqual(now.spec.tolerations, before.spec.tolerations) ||
      now.metadata.deletionTimestamp !== before.metadata.deletionTimestamp,
    workers: 8,

    async reconcile(pod, { key, cached, api, events, clock }) {
      const { uid, namespace, name, creationTimestamp } = pod.metadata;
      const node = pod.spec.nodeName ? cached(Node).get(pod.spec.nodeName) : undefined;
      const taints = node ? evictingTaints(node) : [];
      const known = scheduled.get(key)?.uid === uid ? scheduled.get(key) : undefined;
      const seconds = toleratedSeconds(taints, pod.spec.tolerations);
      const isLeaving = pod.metadata.deletionTimestamp !== undefined;
      if (isLeaving || taints.length === 0 || seconds === undefined) {
        const wasScheduled = known !== undefined;
        scheduled.delete(key);
        if (wasScheduled && !isLeaving)
          events.normal(pod, 'TaintManagerEviction', `Cancelling deletion of Pod ${namespace}/${name}`);
        return settled;
      }

      const nowMs = clock.now();
      const taintedMs = Math.min(...taints.map(({ timeAdded }) => millisOf(timeAdded) ?? known?.sinceMs ?? nowMs));
      const sinceMs = Math.max(taintedMs, millisOf(creationTimestamp) ?? 0);
      scheduled.set(key, { uid, sinceMs });
      const leftMs = sinceMs + seconds * 1000 - nowMs;
      if (leftMs > 0) return again({ afterMs: leftMs });
      events.normal(pod, 'TaintManagerEviction', `Marking for deletion Pod ${namespace}/${name}`);
      const marked = await api.updateStatus(
        pod,
        withDisruptionTarget(pod, { reason: REASON, message: MESSAGE }, nowMs),
      );
      await api.delete(Pod, marked);
      scheduled.delete(key);
      return settled;
    },

    async gone({ key }) {
      scheduled.delete(key);
      return settled;
    },
  };
});
