/** The condition that tells a pod's owner why it was taken away: it is not the pod's own failure. */
import type { Pod } from '#api/core/v1/pod.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';

type Status = NonNullable<Pod['status']>;

export function withDisruptionTarget(
  pod: Pod,
  { reason, message }: { reason: string; message: string },
  nowMs: number,
): Status {
  const { conditions = [], ...status } = pod.status ?? { phase: 'Pending' as const };
  const known = conditions.find(({ type }) => type === 'DisruptionTarget');
  const now = timestampOf(nowMs);
  const condition = {
    type: 'DisruptionTarget',
    ...(pod.metadata.generation !== undefined && { observedGeneration: pod.metadata.generation }),
    status: 'True',
    lastTransitionTime: known?.status === 'True' ? known.lastTransitionTime : now,
    reason,
    message,
  };
  return { ...status, conditions: [...conditions.filter((each) => each !== known), condition] };
}
