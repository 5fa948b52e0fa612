/** What a pod's status says, for everybody who must agree on it. Source: "Pod Lifecycle". */
import type { Container, Pod, PodCondition } from '#api/generated/schema.ts';

/** Without a function for each: controllers ask this of every pod that they count. */
export function conditionOf({ status }: Pick<Pod, 'status'>, type: string): PodCondition | undefined {
  const conditions = status?.conditions;
  if (!conditions) return undefined;
  for (const condition of conditions) if (condition.type === type) return condition;
  return undefined;
}

export const isConditionTrue = (pod: Pick<Pod, 'status'>, type: string): boolean =>
  conditionOf(pod, type)?.status === 'True';

export const isReady = (pod: Pick<Pod, 'status'>): boolean => isConditionTrue(pod, 'Ready');

/** It has run to its end and will not run again. */
export const isTerminal = ({ status }: Pick<Pod, 'status'>): boolean =>
  status?.phase === 'Succeeded' || status?.phase === 'Failed';

/** Its volumes are free: it has ended, or is being deleted and nothing of it runs. */
export const usesNothing = (pod: Pick<Pod, 'metadata' | 'status'>): boolean =>
  isTerminal(pod) ||
  (pod.metadata.deletionTimestamp !== undefined &&
    (pod.status?.containerStatuses ?? []).every(({ state }) => state?.terminated || state?.waiting));

/** It counts as one that runs or will run: neither at its end nor on its way out. */
export const isActive = (pod: Pick<Pod, 'metadata' | 'status'>): boolean =>
  !isTerminal(pod) && pod.metadata.deletionTimestamp === undefined;

/** It has been ready for so long without a break. `minReadySeconds` 0: being ready is enough. */
export function isAvailable(pod: Pick<Pod, 'status'>, minReadySeconds: number, nowMs: number): boolean {
  const ready = conditionOf(pod, 'Ready');
  if (ready?.status !== 'True') return false;
  if (minReadySeconds === 0) return true;
  if (!ready.lastTransitionTime) return false;
  return Date.parse(ready.lastTransitionTime) + minReadySeconds * 1000 <= nowMs;
}

/** A sidecar: an init container that goes on beside the others. */
export const isRestartableInit = ({ restartPolicy }: Pick<Container, 'restartPolicy'>): boolean =>
  restartPolicy === 'Always';
