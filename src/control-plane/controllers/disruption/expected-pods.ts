/** How many pods the owners of a budget's pods want, and how many of them have to be healthy. Source: "Specifying a Disruption Budget". */
import { Deployment } from '#api/apps/v1/deployment.ts';
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { StatefulSet } from '#api/apps/v1/stateful-set.ts';
import { ReplicationController } from '#api/core/v1/replication-controller.ts';
import type { Pod, PodDisruptionBudget } from '#api/generated/schema.ts';
import { countOf } from '#api/machinery/int-or-percent.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject, OwnerReference } from '#api/machinery/object.ts';
import { controllerOf } from '../claim.ts';
import type { Cached } from '../define-controller.ts';
import { type OwnerScales, type Sized, UnknownScale } from './owner-scales.ts';

/** Owners whose size can be asked for. */
export const SCALED = [ReplicationController, ReplicaSet, StatefulSet, Deployment] as const;

export interface Expected {
  expectedPods: number;
  desiredHealthy: number;
  /** Without an owner: a share of them cannot be told. */
  unmanaged: readonly Pod[];
}

export interface Owners {
  cached: Cached<(typeof SCALED)[number]>;
  /** For owners of other kinds. */
  scales: OwnerScales;
}

/** Throws UnknownScale where an owner cannot be asked. */
export async function expectedPods(
  { spec }: PodDisruptionBudget,
  pods: readonly Pod[],
  owners: Owners,
): Promise<Expected> {
  const { minAvailable, maxUnavailable } = spec;
  if (maxUnavailable !== undefined) {
    const { expected, unmanaged } = await wantedBy(pods, owners);
    const down = countOf(maxUnavailable, expected, 'up') ?? 0;
    return { expectedPods: expected, desiredHealthy: Math.max(0, expected - down), unmanaged };
  }
  if (typeof minAvailable === 'number')
    return { expectedPods: pods.length, desiredHealthy: minAvailable, unmanaged: [] };
  if (minAvailable === undefined) return { expectedPods: 0, desiredHealthy: 0, unmanaged: [] };
  const { expected, unmanaged } = await wantedBy(pods, owners);
  return { expectedPods: expected, desiredHealthy: countOf(minAvailable, expected, 'up') ?? 0, unmanaged };
}

/** Each owner counts once. */
async function wantedBy(pods: readonly Pod[], owners: Owners): Promise<{ expected: number; unmanaged: Pod[] }> {
  const sizes = new Map<string, number>();
  const asked = new Set<string>();
  const unmanaged: Pod[] = [];
  for (const pod of pods) {
    const owner = controllerOf(pod);
    if (!owner) {
      unmanaged.push(pod);
      continue;
    }
    if (asked.has(owner.uid)) continue;
    asked.add(owner.uid);
    const sized = await sizeOf(owner, pod.metadata.namespace ?? '', owners);
    if (!sized) throw new UnknownScale(`found no controllers for pod ${JSON.stringify(pod.metadata.name)}`);
    sizes.set(sized.uid, sized.replicas);
  }
  return { expected: [...sizes.values()].reduce((sum, size) => sum + size, 0), unmanaged };
}

/** Of an owner that the caches do not have, or that has another's name, the server is asked. undefined: it is gone. */
const sizeOf = async (owner: OwnerReference, namespace: string, owners: Owners): Promise<Sized | undefined> =>
  cachedSize(owner, namespace, owners) ?? owners.scales.sizeOf(owner, namespace);

/** A ReplicaSet of a Deployment is one of several in a rollout: the Deployment's size counts. */
function cachedSize(owner: OwnerReference, namespace: string, { cached }: Owners): Sized | undefined {
  const found = (object: KubeObject & { spec: { replicas: number } }, uid: string) =>
    object.metadata.uid === uid ? { uid, replicas: object.spec.replicas } : undefined;
  const [, group = ''] = owner.apiVersion.split('/').reverse();
  const kind = (SCALED as readonly Kind[]).find((each) => each.kind === owner.kind && each.group === group);
  if (!kind || kind.kind === 'Deployment') return undefined;
  const object = cached(kind as typeof ReplicaSet).get(`${namespace}/${owner.name}`);
  const above = object && kind.kind === 'ReplicaSet' ? controllerOf(object) : undefined;
  if (above?.kind !== 'Deployment') return object && found(object, owner.uid);
  const deployment = cached(Deployment).get(`${namespace}/${above.name}`);
  return deployment && found(deployment, above.uid);
}
