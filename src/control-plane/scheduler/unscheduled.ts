/** The condition PodScheduled of a pod that has no node: why not. Written only when it says something new. */
import { Pod } from '#api/core/v1/pod.ts';
import { conditionOf } from '#api/core/v1/pod-conditions.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import type { Clock } from '#base/clock.ts';
import type { Client } from '#client/client.ts';

export async function noteUnscheduled(
  pod: Pod,
  { reason, message, nominatedNodeName }: { reason: string; message: string; nominatedNodeName?: string },
  { client, clock }: { client: Client; clock: Clock },
): Promise<void> {
  const known = conditionOf(pod, 'PodScheduled');
  const isSaid = known?.status === 'False' && known.reason === reason && known.message === message;
  if (isSaid && (!nominatedNodeName || pod.status?.nominatedNodeName === nominatedNodeName)) return;
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
  const status = { conditions: [condition], ...(nominatedNodeName && { nominatedNodeName }) };
  await client.patch(Pod, at, { type: 'strategic', patch: { metadata: { uid }, status } });
}
