/** The condition PodScheduled of a pod that has no node: why not. Written only when it says something new. */
import { Pod } from '#api/core/v1/pod.ts';
import { conditionOf } from '#api/core/v1/pod-conditions.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import type { Clock } from '#base/clock.ts';
import type { Client } from '#client/client.ts';

/** `nominatedNodeName`: empty when it waits for no node any more. */
export async function noteUnscheduled(
  pod: Pod,
  { reason, message, nominatedNodeName }: { reason: string; message: string; nominatedNodeName?: string },
  { client, clock }: { client: Client; clock: Clock },
): Promise<void> {
  const known = conditionOf(pod, 'PodScheduled');
  const isSaid = known?.status === 'False' && known.reason === reason && known.message === message;
  const hasPlace = pod.status?.nominatedNodeName ?? '';
  const isNewPlace = nominatedNodeName !== undefined && nominatedNodeName !== hasPlace;
  if (isSaid && !isNewPlace) return;
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
  const status = { conditions: [condition], ...(isNewPlace && { nominatedNodeName: nominatedNodeName || null }) };
  await client.patch(Pod, at, { type: 'strategic', patch: { metadata: { uid }, status } });
}

/** It waits for no node any more. */
export async function noteNoPlace({ metadata }: Pod, client: Client): Promise<void> {
  const { name, namespace = '', uid } = metadata;
  const patch = { metadata: { uid }, status: { nominatedNodeName: null } };
  await client.patch(Pod, { name, namespace, subresource: 'status' }, { type: 'strategic', patch });
}
