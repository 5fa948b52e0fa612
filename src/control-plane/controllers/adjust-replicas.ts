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

/** What did not work, as its condition says it, and for the back-off. */
export type FailedReplicas = { failure: ReplicaFailure; error: unknown } | undefined;

/** One step is not enough, and the next need not wait for changes to gather. */
export const asksForMore = ({ metadata, spec }: Replicated, active: readonly Pod[]): boolean =>
  !metadata.deletionTimestamp && Math.abs(spec.replicas - active.length) > MOST_AT_ONCE;

export async function adjustReplicas(owner: Replicated, pods: ReplicaPods, context: Context): Promise<FailedReplicas> {
  if (owner.metadata.deletionTimestamp) return undefined;
  const missing = owner.spec.replicas - pods.active.length;
  if (missing > 0) {
    const drafts = Array.from({ length: Math.min(missing, MOST_AT_ONCE) }, () => podFromTemplate(owner));
    const { error } = await createPods(owner, drafts, context);
    return isNamespaceGoing(error) ? undefined : failed('FailedCreate', error);
  }
  if (missing < 0) {
    const surplus = Math.min(-missing, MOST_AT_ONCE);
    const chosen = leastValuable(pods.active, surplus, pods.related(), context.clock.now());
    const { error } = await deletePods(owner, chosen, context);
    return failed('FailedDelete', error, 'unable to delete pods: ');
  }
  return undefined;
}

const failed = (reason: ReplicaFailure['reason'], error: unknown, before = ''): FailedReplicas =>
  error ? { failure: { reason, message: `${before}${(error as Error).message}` }, error } : undefined;
