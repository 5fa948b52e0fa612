/** What a StatefulSet says of its pods. */
import type { Pod, StatefulSet, StatefulSetStatus } from '#api/generated/schema.ts';
import { withoutZeros } from '../counts.ts';
import { isGoing, isRunningAndReady, type Replicas, revisionOf } from './replicas.ts';
import type { Versions } from './versions.ts';

interface Known {
  replicas: Replicas;
  versions: Versions;
  /** In this step: not among the replicas yet. */
  created: readonly Pod[];
  collisionCount: number | undefined;
}

export function statusOf(set: StatefulSet, { replicas, versions, created, collisionCount }: Known): StatefulSetStatus {
  const pods = [...replicas.pods, ...created];
  const staying = pods.filter((pod) => !isGoing(pod));
  const of = (revision: string) => staying.filter((pod) => revisionOf(pod) === revision).length;
  const { current, update } = versions;
  const ready = pods.filter(isRunningAndReady).length;
  const updated = of(update.revision);
  // The update is over when every pod has it and serves: then it is what the next one starts from.
  const isOver =
    set.spec.updateStrategy.type === 'RollingUpdate' &&
    updated === pods.length &&
    ready === pods.length &&
    updated === set.spec.replicas;
  const { generation } = set.metadata;
  const { conditions } = set.status ?? {};
  return {
    ...(generation !== undefined && { observedGeneration: generation }),
    replicas: pods.length,
    ...withoutZeros({
      readyReplicas: ready,
      currentReplicas: isOver ? updated : of(current.revision),
      updatedReplicas: updated,
    }),
    availableReplicas: pods.filter((pod) => replicas.isAvailable(pod)).length,
    currentRevision: isOver ? update.revision : current.revision,
    updateRevision: update.revision,
    collisionCount: collisionCount ?? 0,
    ...(conditions && { conditions }),
  };
}
