/** Keeps as many active pods as `spec.replicas` asks for. It never edits a pod; new templates are Deployment's work. */
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isActive, isTerminal } from '#api/core/v1/pod-conditions.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { StatusError } from '#api/machinery/status.ts';
import { inBatches, inParallel } from '#base/concurrency.ts';
import { controllerOf } from './claim.ts';
import type { ReconcileContext } from './define-controller.ts';
import { again, defineController, settled } from './define-controller.ts';
import type { ReplicaFailure } from './replica-set-pods.ts';
import { leastValuable, nextAvailableInMs, podFromTemplate, replicaSetStatusOf } from './replica-set-pods.ts';

/** Of one step. Source: kube-controller-manager, BurstReplicas. */
const MOST_AT_ONCE = 500;

const writes = { create: [Pod], delete: [Pod], patch: [Pod], status: [ReplicaSet] } as const;
type Context = ReconcileContext<Kind<Pod>, Kind<ReplicaSet> | Kind<Pod>, typeof writes>;

export const replicaSetController = defineController({
  name: 'replicaset-controller',
  reconciles: ReplicaSet,
  owns: [Pod],
  writes,
  selectorOf: ({ spec }) => spec.selector,

  async reconcile(rs, context) {
    const pods = await context.claim(Pod);
    const active = pods.filter(isActive);
    const terminating = pods.filter((pod) => pod.metadata.deletionTimestamp !== undefined && !isTerminal(pod));
    const failed = rs.metadata.deletionTimestamp ? undefined : await adjust(rs, active, context);

    const nowMs = context.clock.now();
    await context.api.updateStatus(
      rs,
      replicaSetStatusOf(rs, { active, terminating, failure: failed?.failure, nowMs }),
    );
    if (failed) throw failed.error;
    const nextMs = nextAvailableInMs(active, rs.spec.minReadySeconds ?? 0, nowMs);
    return nextMs === undefined ? settled : again({ afterMs: nextMs });
  },
});

type Failed = { failure: ReplicaFailure; error: unknown } | undefined;

async function adjust(rs: ReplicaSet, active: Pod[], context: Context): Promise<Failed> {
  const missing = rs.spec.replicas - active.length;
  if (missing > 0) return createPods(rs, Math.min(missing, MOST_AT_ONCE), context);
  if (missing < 0) return deletePods(rs, Math.min(-missing, MOST_AT_ONCE), active, context);
  return undefined;
}

async function createPods(rs: ReplicaSet, count: number, { api, events }: Context): Promise<Failed> {
  const { error } = await inBatches(count, async () => {
    try {
      const pod = await api.create(Pod, podFromTemplate(rs));
      events.normal(rs, 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`);
    } catch (failure) {
      if (failure instanceof StatusError && !isNamespaceGoing(failure))
        events.warning(rs, 'FailedCreate', `Error creating: ${failure.message}`);
      throw failure;
    }
  });
  if (!error || isNamespaceGoing(error)) return undefined;
  return { failure: { reason: 'FailedCreate', message: (error as Error).message }, error };
}

async function deletePods(rs: ReplicaSet, count: number, active: Pod[], context: Context): Promise<Failed> {
  const { api, events, clock } = context;
  try {
    await inParallel(leastValuable(active, count, relatedPods(rs, context), clock.now()), async (pod) => {
      try {
        await api.delete(Pod, pod);
        events.normal(rs, 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`);
      } catch (failure) {
        if (failure instanceof StatusError) events.warning(rs, 'FailedDelete', `Error deleting: ${failure.message}`);
        throw failure;
      }
    });
    return undefined;
  } catch (error) {
    return { failure: { reason: 'FailedDelete', message: (error as Error).message }, error };
  }
}

/** The active pods of all ReplicaSets of the same owner: during a rollout, the old and the new. */
function relatedPods(rs: ReplicaSet, { cached }: Context): Pod[] {
  const owner = controllerOf(rs)?.uid;
  const { namespace = '' } = rs.metadata;
  const siblings = cached(ReplicaSet)
    .inNamespace(namespace)
    .filter((other) => other.metadata.uid === rs.metadata.uid || (owner && controllerOf(other)?.uid === owner));
  const uids = new Set(siblings.map(({ metadata }) => metadata.uid));
  return cached(Pod)
    .inNamespace(namespace)
    .filter((pod) => isActive(pod) && uids.has(controllerOf(pod)?.uid ?? ''));
}

/** Nothing can be created in a namespace that is being deleted: no failure of the ReplicaSet. */
const isNamespaceGoing = (error: unknown): boolean =>
  error instanceof StatusError && (error.details?.causes ?? []).some(({ reason }) => reason === 'NamespaceTerminating');
