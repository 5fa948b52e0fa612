/** Removes pods that nobody else will: on nodes that are no more, too many finished ones, and those that wait for a dead kubelet. */
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isTerminal } from '#api/core/v1/pod-conditions.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { hasReason } from '#api/machinery/status.ts';
import type { ReconcileContext } from '../define-controller.ts';
import { again, defineController, settled, watching } from '../define-controller.ts';
import { withDisruptionTarget } from './disruption-target.ts';
import { OUT_OF_SERVICE, readinessOf } from './node-taints.ts';
import { podsOnNode } from './pods-on-node.ts';

export interface PodGarbageCollectorOptions {
  /** --terminated-pod-gc-threshold; 0: finished pods are kept. */
  mostTerminated?: number;
  /** How long a node must be missing before its pods are taken for lost. */
  quarantineMs?: number;
}

const writes = { delete: [Pod], status: [Pod] } as const;
type Context = ReconcileContext<never, Kind<Pod> | Kind<Node>, typeof writes>;

export const podGarbageCollector = ({
  mostTerminated = 12_500,
  quarantineMs = 40_000,
}: PodGarbageCollectorOptions = {}) =>
  defineController(() => {
    /** Since when a node is missed. */
    const missing = new Map<string, number>();

    return {
      name: 'pod-garbage-collector-controller',
      serviceAccount: 'pod-garbage-collector',
      reconciles: Pod,
      watches: [
        watching(
          Node,
          podsOnNode,
          (now, before) => !isEqual(now.spec.taints, before.spec.taints) || readinessOf(now) !== readinessOf(before),
        ),
      ],
      writes,
      whenNew: (now) =>
        now.spec.nodeName !== undefined || now.metadata.deletionTimestamp !== undefined || isTerminal(now),
      when: (now, before) =>
        now.spec.nodeName !== before.spec.nodeName ||
        now.metadata.deletionTimestamp !== before.metadata.deletionTimestamp ||
        isTerminal(now) !== isTerminal(before),

      async reconcile(pod, context) {
        const { nodeName } = pod.spec;
        const node = nodeName ? context.cached(Node).get(nodeName) : undefined;
        if (pod.metadata.deletionTimestamp && !nodeName) return remove(pod, undefined, context);
        if (node) {
          missing.delete(node.metadata.name);
          if (pod.metadata.deletionTimestamp && isOutOfService(node)) return remove(pod, undefined, context);
        } else if (nodeName) return orphaned(pod, nodeName, context);
        if (mostTerminated > 0 && isTerminal(pod)) await trim(mostTerminated, context);
        return settled;
      },
    };

    async function orphaned(pod: Pod, nodeName: string, context: Context) {
      const nowMs = context.clock.now();
      const sinceMs = missing.get(nodeName) ?? nowMs;
      missing.set(nodeName, sinceMs);
      const leftMs = sinceMs + quarantineMs - nowMs;
      if (leftMs > 0) return again({ afterMs: leftMs });
      if (await exists(nodeName, context)) return again({ afterMs: quarantineMs });
      return remove(pod, 'PodGC: node no longer exists', context);
    }
  });

const isOutOfService = (node: Node): boolean =>
  readinessOf(node) !== 'True' && (node.spec.taints ?? []).some(({ key }) => key === OUT_OF_SERVICE);

async function exists(nodeName: string, { api }: Context): Promise<boolean> {
  try {
    await api.get(Node, { name: nodeName });
    return true;
  } catch (error) {
    if (hasReason(error, 'NotFound')) return false;
    throw error;
  }
}

/** At once: no kubelet is there to finish it. One that was still running has failed; `disrupted`: why, if not by its own deletion. */
async function remove(pod: Pod, disrupted: string | undefined, { api, clock }: Context) {
  if (isTerminal(pod) || !pod.status) await api.delete(Pod, pod, { gracePeriodSeconds: 0 });
  else {
    const target = disrupted && { reason: 'DeletionByPodGC', message: disrupted };
    const status = target ? withDisruptionTarget(pod, target, clock.now()) : pod.status;
    const { generation } = pod.metadata;
    const seen = generation !== undefined && { observedGeneration: generation };
    const failed = await api.updateStatus(pod, { ...status, ...seen, phase: 'Failed' });
    await api.delete(Pod, failed, { gracePeriodSeconds: 0 });
  }
  return settled;
}

/** Evicted pods go first, and then the oldest of those that have finished. */
async function trim(most: number, { cached, api }: Context): Promise<void> {
  const all = cached(Pod).list();
  if (all.length <= most) return;
  const finished = all.filter((pod) => isTerminal(pod) && !pod.metadata.deletionTimestamp);
  const surplus = finished.length - most;
  if (surplus <= 0) return;
  finished.sort((a, b) => Number(isEvicted(b)) - Number(isEvicted(a)) || byAge(a.metadata, b.metadata));
  for (const pod of finished.slice(0, surplus)) await api.delete(Pod, pod, { gracePeriodSeconds: 0 });
}

const isEvicted = ({ status }: Pod): boolean => status?.phase === 'Failed' && status.reason === 'Evicted';

function byAge(a: Pod['metadata'], b: Pod['metadata']): number {
  const [first, second] = [a.creationTimestamp ?? '', b.creationTimestamp ?? ''];
  if (first !== second) return first < second ? -1 : 1;
  return a.name < b.name ? -1 : 1;
}
