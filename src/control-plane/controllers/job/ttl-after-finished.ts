/** Deletes Jobs some time after their end. Source: "Automatic Cleanup for Finished Jobs". */
import { Job } from '#api/batch/v1/job.ts';
import { millisOf } from '#api/machinery/timestamp.ts';
import { again, defineController, settled } from '../define-controller.ts';
import { conditionOf, isFinished } from './verdict.ts';

export const ttlAfterFinishedController = defineController({
  name: 'ttl-after-finished-controller',
  reconciles: Job,
  writes: { delete: [Job] },
  whenNew: isToGo,
  when: isToGo,

  async reconcile(job, { api, clock }) {
    const { ttlSecondsAfterFinished } = job.spec;
    if (ttlSecondsAfterFinished === undefined || !isFinished(job) || job.metadata.deletionTimestamp) return settled;
    const leftMs = finishedMs(job) + ttlSecondsAfterFinished * 1000 - clock.now();
    if (leftMs > 0) return again({ afterMs: leftMs });
    // The cache may not know yet that somebody gave it more time.
    const { name, namespace = '', uid } = job.metadata;
    const fresh = await api.get(Job, { name, namespace });
    if (fresh.metadata.uid !== uid || fresh.spec.ttlSecondsAfterFinished !== ttlSecondsAfterFinished) return settled;
    await api.delete(Job, fresh, { propagationPolicy: 'Foreground' });
    return settled;
  },
});

function isToGo(job: Job): boolean {
  return job.spec.ttlSecondsAfterFinished !== undefined && isFinished(job);
}

function finishedMs(job: Job): number {
  const ends = ['Complete', 'Failed'].map((type) => conditionOf(job, type));
  const end = ends.find((condition) => condition?.status === 'True');
  return millisOf(end?.lastTransitionTime) ?? 0;
}
