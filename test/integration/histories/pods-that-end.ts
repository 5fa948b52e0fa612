/** Beside `podsThatRun({ neverEnd: true })`: a deleted pod says first that it has failed, as a kubelet does, then it goes. */
import { Pod } from '#api/core/v1/pod.ts';
import { isTerminal } from '#api/core/v1/pod-conditions.ts';
import { defineController, settled } from '#control-plane/controllers/define-controller.ts';
import { podsThatRun } from '#testing/pods-that-run.ts';

const podsThatEnd = defineController({
  name: 'pods-that-end',
  reconciles: Pod,
  writes: { status: [Pod], delete: [Pod] },
  async reconcile(pod, { api }) {
    if (!pod.metadata.deletionTimestamp) return settled;
    if (!isTerminal(pod)) await api.updateStatus(pod, { ...pod.status, phase: 'Failed' });
    if (!pod.metadata.finalizers?.length || pod.metadata.deletionGracePeriodSeconds !== 0)
      await api.delete(Pod, pod, { gracePeriodSeconds: 0 });
    return settled;
  },
});

/** In place of kubelets. */
export const kubelets = () => [podsThatRun({ neverEnd: true }), podsThatEnd];
