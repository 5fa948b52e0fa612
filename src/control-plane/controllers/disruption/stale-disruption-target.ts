/**
 * Takes back what a pod was told of its end, when that does not come: who marked it has failed in between. Source: disruption
 * controller, syncStalePodDisruption.
 */
import { Pod } from '#api/core/v1/pod.ts';
import { conditionOf, isTerminal } from '#api/core/v1/pod-conditions.ts';
import { millisOf, timestampOf } from '#api/machinery/timestamp.ts';
import { again, defineController, settled } from '../define-controller.ts';

const STALE_AFTER_MS = 120_000;
/** The kubelet may take as long as it likes. */
const BY_KUBELET = 'TerminationByKubelet';

const markOf = (pod: Pod) => {
  const mark = conditionOf(pod, 'DisruptionTarget');
  const isStanding = mark?.status === 'True' && mark.reason !== BY_KUBELET;
  return isStanding && !pod.metadata.deletionTimestamp && !isTerminal(pod) ? mark : undefined;
};

export const staleDisruptionTarget = defineController({
  name: 'disruption-controller',
  reconciles: Pod,
  whenNew: (now) => markOf(now) !== undefined,
  when(now, before) {
    const [mark, former] = [markOf(now), markOf(before)];
    return mark !== undefined && (!former || mark.lastTransitionTime !== former.lastTransitionTime);
  },
  writes: { status: [Pod] },

  async reconcile(pod, { api, clock }) {
    const mark = markOf(pod);
    if (!mark || !pod.status) return settled;
    const nowMs = clock.now();
    const afterMs = (millisOf(mark.lastTransitionTime) ?? 0) + STALE_AFTER_MS - nowMs;
    if (afterMs > 0) return again({ afterMs });
    const { generation } = pod.metadata;
    const seen = generation !== undefined && { observedGeneration: generation };
    const conditions = (pod.status.conditions ?? []).map((each) =>
      each.type === 'DisruptionTarget'
        ? { type: each.type, ...seen, status: 'False', lastTransitionTime: timestampOf(nowMs) }
        : each,
    );
    await api.updateStatus(pod, { ...pod.status, conditions });
    return settled;
  },
});
