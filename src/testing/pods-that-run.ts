/** In place of kubelets: every pod runs and is ready as soon as it exists, on a node or not; a deleted one ends at once. */
import { Pod } from '#api/core/v1/pod.ts';
import { millisOf, timestampOf } from '#api/machinery/timestamp.ts';
import { again, defineController, settled } from '#control-plane/controllers/define-controller.ts';

export interface PodsThatRunOptions {
  readyAfterMs?: number;
  /** Pods of such a template never become ready. */
  brokenImage?: string;
  /** Deleted pods stay until the test removes them. */
  neverEnd?: boolean;
}

export const podsThatRun = ({ readyAfterMs = 0, brokenImage, neverEnd }: PodsThatRunOptions = {}) =>
  defineController({
    name: 'pods-that-run',
    reconciles: Pod,
    writes: { status: [Pod], delete: [Pod] },
    async reconcile(pod, { api, clock, random }) {
      if (pod.metadata.deletionTimestamp) {
        if (!neverEnd) await api.delete(Pod, pod, { gracePeriodSeconds: 0 });
        return settled;
      }
      if (pod.status?.phase !== 'Pending') return settled;
      if (pod.spec.containers.some(({ image }) => image === brokenImage)) return settled;
      const leftMs = (millisOf(pod.metadata.creationTimestamp) ?? 0) + readyAfterMs - clock.now();
      if (leftMs > 0) return again({ afterMs: leftMs });
      const lastTransitionTime = timestampOf(clock.now());
      const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== 'Ready');
      const ip = pod.status?.podIP ?? `10.244.${Math.floor(random.next() * 256)}.${Math.floor(random.next() * 256)}`;
      await api.updateStatus(pod, {
        ...pod.status,
        phase: 'Running',
        startTime: pod.status?.startTime ?? lastTransitionTime,
        podIP: ip,
        podIPs: [{ ip }],
        conditions: [...others, { type: 'Ready', status: 'True', lastTransitionTime }],
      });
      return settled;
    },
  });
