/** Keeps as many active pods as `spec.replicas` asks for. It never edits a pod; new templates are Deployment's work. */
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isActive, isTerminal } from '#api/core/v1/pod-conditions.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { adjustReplicas } from './adjust-replicas.ts';
import { controllerOf, controllerUidOf } from './claim.ts';
import type { ReconcileContext } from './define-controller.ts';
import { again, defineController, settled } from './define-controller.ts';
import { nextAvailableInMs, replicaStatusOf } from './replica-set-pods.ts';

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
    context.weighs(pods.length);
    const { active, terminating } = sortedOut(pods);
    const related = () => relatedPods(rs, context);
    const { failed, isUnderWay } = await adjustReplicas(rs, { active, related }, context);

    const nowMs = context.clock.now();
    const status = replicaStatusOf(rs, { active, failure: failed?.failure, nowMs });
    await context.api.updateStatus(rs, { ...status, terminatingReplicas: terminating });
    if (failed) throw failed.error;
    if (isUnderWay) return again({ afterMs: 0 });
    const nextMs = nextAvailableInMs(active, rs.spec.minReadySeconds ?? 0, nowMs);
    return nextMs === undefined ? settled : again({ afterMs: nextMs });
  },
});

/** In one pass, as there may be thousands. */
function sortedOut(pods: readonly Pod[]): { active: Pod[]; terminating: number } {
  const active: Pod[] = [];
  let terminating = 0;
  for (const pod of pods) {
    if (isTerminal(pod)) continue;
    if (pod.metadata.deletionTimestamp === undefined) active.push(pod);
    else terminating++;
  }
  return { active, terminating };
}

/** The active pods of all ReplicaSets of the same owner: during a rollout, the old and the new. */
function relatedPods(rs: ReplicaSet, { cached }: Context): Pod[] {
  const owner = controllerOf(rs)?.uid;
  const { namespace = '' } = rs.metadata;
  const siblings = cached(ReplicaSet)
    .inNamespace(namespace)
    .filter((other) => other.metadata.uid === rs.metadata.uid || (owner && controllerOf(other)?.uid === owner));
  return siblings.flatMap(({ metadata }) => cached(Pod).by(controllerUidOf, metadata.uid)).filter(isActive);
}
