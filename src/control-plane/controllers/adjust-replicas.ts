/** Creates or deletes pods until there are as many as asked for: the step that ReplicaSet and ReplicationController share. */
import { Pod } from '#api/core/v1/pod.ts';
import type { PodTemplateSpec } from '#api/generated/schema.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { StatusError } from '#api/machinery/status.ts';
import { inBatches, inParallel } from '#base/concurrency.ts';
import type { ReconcileContext } from './define-controller.ts';
import { leastValuable, podFromTemplate, type ReplicaFailure } from './replica-set-pods.ts';

/** Of one step. Source: kube-controller-manager, BurstReplicas. */
const MOST_AT_ONCE = 500;

const writes = { create: [Pod], delete: [Pod] } as const;
type Context = Pick<ReconcileContext<never, never, typeof writes>, 'api' | 'events' | 'clock'>;

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

export async function adjustReplicas(owner: Replicated, pods: ReplicaPods, context: Context): Promise<FailedReplicas> {
  if (owner.metadata.deletionTimestamp) return undefined;
  const missing = owner.spec.replicas - pods.active.length;
  if (missing > 0) return createPods(owner, Math.min(missing, MOST_AT_ONCE), context);
  if (missing < 0) {
    const surplus = Math.min(-missing, MOST_AT_ONCE);
    return deletePods(owner, leastValuable(pods.active, surplus, pods.related(), context.clock.now()), context);
  }
  return undefined;
}

async function createPods(owner: Replicated, count: number, { api, events }: Context): Promise<FailedReplicas> {
  const { error } = await inBatches(count, async () => {
    try {
      const pod = await api.create(Pod, podFromTemplate(owner));
      events.normal(owner, 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`);
    } catch (failure) {
      if (failure instanceof StatusError && !isNamespaceGoing(failure))
        events.warning(owner, 'FailedCreate', `Error creating: ${failure.message}`);
      throw failure;
    }
  });
  if (!error || isNamespaceGoing(error)) return undefined;
  return { failure: { reason: 'FailedCreate', message: (error as Error).message }, error };
}

async function deletePods(owner: Replicated, surplus: readonly Pod[], context: Context): Promise<FailedReplicas> {
  const { api, events } = context;
  try {
    await inParallel(surplus, async (pod) => {
      try {
        await api.delete(Pod, pod);
        events.normal(owner, 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`);
      } catch (failure) {
        if (failure instanceof StatusError) events.warning(owner, 'FailedDelete', `Error deleting: ${failure.message}`);
        throw failure;
      }
    });
    return undefined;
  } catch (error) {
    return { failure: { reason: 'FailedDelete', message: (error as Error).message }, error };
  }
}

/** Nothing can be created in a namespace that is being deleted: no failure of the owner. */
export const isNamespaceGoing = (error: unknown): boolean =>
  error instanceof StatusError && (error.details?.causes ?? []).some(({ reason }) => reason === 'NamespaceTerminating');
