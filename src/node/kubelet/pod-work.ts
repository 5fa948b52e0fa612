import type { Pod } from '#api/generated/schema.ts';

/** What the kubelet is doing for one pod. It only moves downwards: a terminated pod never starts again. */
export type PodWork =
  | { phase: 'syncing'; pod: Pod } //                            make it run
  | { phase: 'terminating'; pod: Pod; graceSeconds: number } //  stop its containers
  | { phase: 'terminated'; pod: Pod }; //                        give back its volumes and its network
export type PodEvent =
  | { type: 'configured'; pod: Pod }
  | { type: 'told to stop'; graceSeconds: number } //            deleted, evicted, or finished
  | { type: 'containers stopped' };

/** The next work for a pod. Pure: the worker that calls this does the acting, so every path is a table test. */
export function step(work: PodWork, event: PodEvent): PodWork {
  const left = work.phase === 'terminating' ? work.graceSeconds : Infinity;
  switch (event.type) {
    case 'configured':
      return { ...work, pod: event.pod };
    case 'told to stop': // again and again, perhaps: grace may shrink, never grow
      if (work.phase === 'terminated') return work;
      return { phase: 'terminating', pod: work.pod, graceSeconds: Math.min(left, event.graceSeconds) };
    case 'containers stopped':
      return work.phase === 'terminating' ? { phase: 'terminated', pod: work.pod } : work;
  }
}
