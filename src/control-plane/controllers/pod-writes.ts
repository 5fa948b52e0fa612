/** Pods made and deleted for an owner, with the events that tell of it. Source: RealPodControl. */
import { Pod } from '#api/core/v1/pod.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { StatusError } from '#api/machinery/status.ts';
import { inBatches, inParallel } from '#base/concurrency.ts';
import type { Draft } from '#client/client.ts';
import type { ReconcileContext } from './define-controller.ts';

const writes = { create: [Pod], delete: [Pod] } as const;
export type PodWriter = Pick<ReconcileContext<never, never, typeof writes>, 'api' | 'events'>;

/** In growing batches; after the first failure no more. */
export function createPods(
  owner: KubeObject,
  drafts: readonly Draft<Pod>[],
  { api, events }: PodWriter,
): Promise<{ succeeded: number; error: unknown }> {
  return inBatches(drafts.length, async (index) => {
    try {
      const pod = await api.create(Pod, drafts[index] as Draft<Pod>);
      events.normal(owner, 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`);
    } catch (error) {
      if (error instanceof StatusError && !isNamespaceGoing(error))
        events.warning(owner, 'FailedCreate', `Error creating: ${error.message}`);
      throw error;
    }
  });
}

/** All of them, whatever fails. @returns the first failure */
export async function deletePods(
  owner: KubeObject,
  pods: readonly Pod[],
  { api, events }: PodWriter,
): Promise<{ error: unknown }> {
  let first: unknown;
  await inParallel(pods, async (pod) => {
    try {
      await api.delete(Pod, pod);
      events.normal(owner, 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`);
    } catch (error) {
      first ??= error;
      if (error instanceof StatusError) events.warning(owner, 'FailedDelete', `Error deleting: ${error.message}`);
    }
  });
  return { error: first };
}

/** Nothing can be created in a namespace that is being deleted: no failure of the owner. */
export const isNamespaceGoing = (error: unknown): boolean =>
  error instanceof StatusError && (error.details?.causes ?? []).some(({ reason }) => reason === 'NamespaceTerminating');
