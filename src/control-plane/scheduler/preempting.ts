/** Sends away the pods whose place another one gets. */
import { Pod } from '#api/core/v1/pod.ts';
import { conditionOf } from '#api/core/v1/pod-conditions.ts';
import { hasReason } from '#api/machinery/status.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import type { Clock } from '#base/clock.ts';
import { inParallel } from '#base/concurrency.ts';
import type { Client } from '#client/client.ts';
import type { Occurrence, OccurrenceSink } from '#client/series-recorder.ts';
import type { Room } from './define-plugin.ts';

export interface PreemptingServices {
  client: Client;
  clock: Clock;
  events: OccurrenceSink;
}

/** Throws what the server said. Victims that are gone, or going, are left alone. */
export async function preempt(pod: Pod, { victims, nodeName }: Room, services: PreemptingServices): Promise<void> {
  await inParallel(
    victims.filter(({ metadata }) => !metadata.deletionTimestamp),
    async (victim) => {
      try {
        await sendAway(victim, pod, services);
        services.events.record(preempted(victim, pod, nodeName));
      } catch (error) {
        if (!hasReason(error, 'NotFound')) throw error;
      }
    },
  );
}

/** What the victim's Event says. */
export const preempted = (victim: Pod, pod: Pod, nodeName: string): Occurrence => ({
  reportingController: pod.spec.schedulerName,
  regarding: victim,
  related: pod,
  type: 'Normal',
  reason: 'Preempted',
  action: 'Preempting',
  note: `Preempted by pod ${pod.metadata.uid} on node ${nodeName}`,
});

async function sendAway(victim: Pod, pod: Pod, { client, clock }: PreemptingServices): Promise<void> {
  const { name, namespace = '', uid, generation } = victim.metadata;
  const before = conditionOf(victim, 'DisruptionTarget');
  const condition = {
    type: 'DisruptionTarget',
    ...(generation !== undefined && { observedGeneration: generation }),
    status: 'True',
    lastTransitionTime: before?.status === 'True' ? before.lastTransitionTime : timestampOf(clock.now()),
    reason: 'PreemptionByScheduler',
    message: `${pod.spec.schedulerName}: preempting to accommodate a higher priority pod`,
  };
  const at = { name, namespace };
  const patch = { metadata: { uid }, status: { conditions: [condition] } };
  await client.patch(Pod, { ...at, subresource: 'status' }, { type: 'strategic', patch });
  await client.delete(Pod, at, { preconditions: { uid } });
}
