/** Creates or deletes pods until there are as many as asked for: the step that ReplicaSet and ReplicationController share. */
import type { Pod, PodTemplateSpec } from '#api/generated/schema.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { ReconcileContext } from './define-controller.ts';
import { createPods, deletePods, isNamespaceGoing, type PodWriter } from './pod-writes.ts';
import { leastValuable, podFromTemplate, type ReplicaFailure } from './replica-set-pods.ts';

/** Of one step. Source: kube-controller-manager, BurstReplicas. */
const MOST_AT_ONCE = 500;

type Context = PodWriter & Pick<ReconcileContext<never, never, Record<never, never>>, 'clock'>;

export interface Replicated extends KubeObject {
  spec: { replicas: number; template: PodTemplateSpec };
}

export interface ReplicaPods {
  active: readonly Pod[];
  /** The active pods of all that share its owner: they tell how crowded a node is. */
  related(): readonly Pod[];
}

export interface Adjusted {
  /** What did not work, as its condition says it, and for the back-off. */
  failed?: { failure: ReplicaFailure; error: unknown };
  /** One step was not enough, and the next need not wait for changes to gather. */
  isUnderWay?: boolean;
}

export async function adjustReplicas(owner: Replicated, pods: ReplicaPods, context: Context): Promise<Adjusted> {
  if (owner.metadata.deletionTimestamp) return {};
  const missing = owner.spec.replicas - pods.active.length;
  const count = Math.min(Math.abs(missing), MOST_AT_ONCE);
  const adjusted = { isUnderWay: count < Math.abs(missing) };
  if (missing > 0) {
    const drafts = Array.from({ length: count }, () => podFromTemplate(owner));
    const { error } = await createPods(owner, drafts, context);
    if (isNamespaceGoing(error)) return {};
    return error ? failed('FailedCreate', error) : adjusted;
  }
  if (missing < 0) {
    const chosen = leastValuable(pods.active, count, pods.related(), context.clock.now());
    const { error } = await deletePods(owner, chosen, context);
    return error ? failed('FailedDelete', error, 'unable to delete pods: ') : adjusted;
  }
  return {};
}

const failed = (reason: ReplicaFailure['reason'], error: unknown, before = ''): Adjusted => ({
  failed: { failure: { reason, message: `${before}${(error as Error).message}` }, error },
});
