/** Keeps as many active pods as a ReplicationController asks for: ReplicaSet's elder, with a selector of plain labels. */
import { Pod } from '#api/core/v1/pod.ts';
import { isActive } from '#api/core/v1/pod-conditions.ts';
import { ReplicationController } from '#api/core/v1/replication-controller.ts';
import { adjustReplicas } from './adjust-replicas.ts';
import { again, defineController, settled } from './define-controller.ts';
import { nextAvailableInMs, replicaStatusOf } from './replica-set-pods.ts';

const writes = { create: [Pod], delete: [Pod], patch: [Pod], status: [ReplicationController] } as const;

export const replicationController = defineController({
  name: 'replicationcontroller-controller',
  serviceAccount: 'replication-controller',
  eventSource: 'replication-controller',
  reconciles: ReplicationController,
  owns: [Pod],
  writes,
  selectorOf: ({ spec }: ReplicationController) => ({ matchLabels: spec.selector }),

  async reconcile(rc, context) {
    const pods = await context.claim(Pod);
    context.weighs(pods.length);
    const active = pods.filter(isActive);
    const { failed, isUnderWay } = await adjustReplicas(rc, { active, related: () => active }, context);
    const nowMs = context.clock.now();
    await context.api.updateStatus(rc, replicaStatusOf(rc, { active, failure: failed?.failure, nowMs }));
    if (failed) throw failed.error;
    if (isUnderWay) return again({ afterMs: 0 });
    const nextMs = nextAvailableInMs(active, rc.spec.minReadySeconds ?? 0, nowMs);
    return nextMs === undefined ? settled : again({ afterMs: nextMs });
  },
});
