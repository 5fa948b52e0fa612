/** The condition PodScheduled of a pod that has no node: why not. Written only when it says something new. */
import { Pod } from '#api/core/v1/pod.ts';
import { conditionOf } from '#api/core/v1/pod-conditions.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import type { Clock } from '#base/clock.ts';
import type { Client } from '#client/client.ts';

export async function noteUnscheduled(
  pod: Pod,
  { reason, message }: { reason: string; message: string },
  { client, clock }: { client: Client; clock: Clock },
): Promise<void> {
  const known = conditionOf(pod, 'PodScheduled');
  if (known?.status === 'False' && known.reason === reason && known.message === message) return;
  const now = timestampOf(clock.now());
  const { name, namespace = '', uid, generation } = pod.metadata;
  const condition = {
    type: 'PodScheduled',
    ...(generation !== undefined && { observedGeneration: generation }),
    status: 'False',
    lastTransitionTime: known?.status === 'False' ? (known.lastTransitionTime ?? now) : now,
    reason,
    message,
  };
  const at = { name, namespace, subresource: 'status' };
  await client.patch(Pod, at, { type: 'strategic', patch: { metadata: { uid }, status: { conditions: [condition] } } });
}
