/** How many pods the owners of a budget's pods want, and how many of them have to be healthy. Source: "Specifying a Disruption Budget". */
import { Deployment } from '#api/apps/v1/deployment.ts';
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { StatefulSet } from '#api/apps/v1/stateful-set.ts';
import { ReplicationController } from '#api/core/v1/replication-controller.ts';
import type { Pod, PodDisruptionBudget } from '#api/generated/schema.ts';
import { countOf } from '#api/machinery/int-or-percent.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { controllerOf } from '../claim.ts';
import type { Cached } from '../define-controller.ts';

/** Owners whose size can be asked for. */
export const SCALED = [ReplicationController, ReplicaSet, StatefulSet, Deployment] as const;

export interface Expected {
  expectedPods: number;
  desiredHealthy: number;
  /** Without an owner: a share of them cannot be told. */
  unmanaged: readonly Pod[];
}

/** Throws UnknownScale where an owner cannot be asked. */
export function expectedPods(
  { spec }: PodDisruptionBudget,
  pods: readonly Pod[],
  cached: Cached<(typeof SCALED)[number]>,
): Expected {
  const { minAvailable, maxUnavailable } = spec;
  if (maxUnavailable !== undefined) {
    const { expected, unmanaged } = wantedBy(pods, cached);
    const down = countOf(maxUnavailable, expected, 'up') ?? 0;
    return { expectedPods: expected, desiredHealthy: Math.max(0, expected - down), unmanaged };
  }
  if (typeof minAvailable === 'number')
    return { expectedPods: pods.length, desiredHealthy: minAvailable, unmanaged: [] };
  if (minAvailable === undefined) return { expectedPods: pods.length, desiredHealthy: 0, unmanaged: [] };
  const { expected, unmanaged } = wantedBy(pods, cached);
  return { expectedPods: expected, desiredHealthy: countOf(minAvailable, expected, 'up') ?? 0, unmanaged };
}

export class UnknownScale extends Error {}

/** Each owner counts once. */
function wantedBy(pods: readonly Pod[], cached: Cached<(typeof SCALED)[number]>) {
  const sizes = new Map<string, number>();
  const unmanaged: Pod[] = [];
  for (const pod of pods) {
    const owner = controllerOf(pod);
    if (!owner) {
      unmanaged.push(pod);
      continue;
    }
    if (sizes.has(owner.uid)) continue;
    const scaled = scaleOf(pod, cached);
    if (!scaled) continue;
    sizes.set(owner.uid, 0);
    sizes.set(scaled.uid, scaled.replicas);
  }
  return { expected: [...sizes.values()].reduce((sum, size) => sum + size, 0), unmanaged };
}

/** A ReplicaSet of a Deployment is one of several in a rollout: the Deployment's size counts. undefined: the owner is gone. */
function scaleOf(pod: Pod, cached: Cached<(typeof SCALED)[number]>): { uid: string; replicas: number } | undefined {
  const owner = controllerOf(pod);
  const { namespace = '' } = pod.metadata;
  const found = (object: KubeObject & { spec: { replicas: number } }, uid: string) =>
    object.metadata.uid === uid ? { uid, replicas: object.spec.replicas } : undefined;
  const kind = (SCALED as readonly Kind[]).find((each) => each.kind === owner?.kind && each.kind !== 'Deployment');
  if (!owner || !kind) throw new UnknownScale(`${owner?.kind} has no scale that is known`);
  const object = cached(kind as typeof ReplicaSet).get(`${namespace}/${owner.name}`);
  const above = object && kind.kind === 'ReplicaSet' ? controllerOf(object) : undefined;
  if (above?.kind !== 'Deployment') return object && found(object, owner.uid);
  const deployment = cached(Deployment).get(`${namespace}/${above.name}`);
  return deployment && found(deployment, above.uid);
}
