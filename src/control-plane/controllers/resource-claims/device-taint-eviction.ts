/**
 * Sends pods away from devices that their drivers have tainted (NoExecute), unless their claims tolerate it: at the end of
 * tolerationSeconds. Source: KEP-5055; texts as upstream's pkg/controller/devicetainteviction.
 */
import { Pod } from '#api/core/v1/pod.ts';
import type { DeviceRequestAllocationResult, DeviceTaint } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { KubeObject, ObjectKey } from '#api/machinery/object.ts';
import { millisOf } from '#api/machinery/timestamp.ts';
import { toleratesDeviceTaint } from '#api/resource/v1/device-taints.ts';
import { ResourceClaim } from '#api/resource/v1/resource-claim.ts';
import { ResourceSlice } from '#api/resource/v1/resource-slice.ts';
import { inParallel } from '#base/concurrency.ts';
import { again, defineController, settled, watching } from '../define-controller.ts';
import { withDisruptionTarget } from '../nodes/disruption-target.ts';
import { isOwnedBy } from './pod-resource-claims.ts';

const EVENT = 'DeviceTaintManagerEviction';
const TARGET = {
  reason: 'DeletionByDeviceTaintManager',
  message: 'Device Taint manager: deleting due to NoExecute taint',
};

/** Which claims a pod uses, or whether it runs, has changed. */
const usesOthers = (now: Pod, before: Pod): boolean =>
  now.spec.nodeName !== before.spec.nodeName ||
  !isEqual(now.status?.resourceClaimStatuses, before.status?.resourceClaimStatuses);

export const deviceTaintEviction = defineController(() => {
  /** By claim: the uids of the pods that are to go because of it. */
  const scheduled = new Map<ObjectKey, ReadonlySet<string>>();
  const isScheduled = (uid: string) => [...scheduled.values()].some((uids) => uids.has(uid));

  return {
    name: 'device-taint-eviction-controller',
    // Not pods: of those there are many, and few have devices.
    reconciles: ResourceClaim,
    watches: [
      watching(Pod, claimKeysOf, usesOthers),
      watching(ResourceSlice, ({ spec: { driver, pool } }, cached) =>
        cached(ResourceClaim)
          .list()
          .filter((claim) => resultsOf(claim as ResourceClaim).some((one) => isOf(one, driver, pool.name)))
          .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
      ),
    ],
    writes: { delete: [Pod], status: [Pod] },
    workers: 8,

    async reconcile(claim, { key, cached, api, events, clock }) {
      const atMs = evictionMs(claim, cached(ResourceSlice).list(), clock.now());
      const users = usersOf(claim, (podKey) => cached(Pod).get(podKey));
      const due = atMs === undefined ? [] : users.filter(({ spec }) => spec.nodeName);
      const before = scheduled.get(key) ?? new Set();
      if (due.length > 0) scheduled.set(key, new Set(due.map(({ metadata }) => metadata.uid)));
      else scheduled.delete(key);
      for (const pod of users) {
        const { uid } = pod.metadata;
        if (before.has(uid) && !isScheduled(uid)) events.normal(pod, EVENT, 'Cancelling deletion');
      }
      if (atMs === undefined || due.length === 0) return settled;
      const leftMs = atMs - clock.now();
      if (leftMs > 0) return again({ afterMs: leftMs });
      // One that cannot be written does not keep the others.
      await inParallel(due, async (pod) => {
        events.normal(pod, EVENT, 'Marking for deletion');
        const marked = await api.updateStatus(pod, withDisruptionTarget(pod, TARGET, clock.now()));
        await api.delete(Pod, marked);
      });
      scheduled.delete(key);
      return settled;
    },

    async gone({ key }) {
      scheduled.delete(key);
      return settled;
    },
  };
});

function claimKeysOf({ metadata, spec, status }: Pod): string[] {
  const named = [...(spec.resourceClaims ?? []), ...(status?.resourceClaimStatuses ?? [])];
  return named.flatMap(({ resourceClaimName: name }) => (name ? [`${metadata.namespace}/${name}`] : []));
}

/** Pods for which the claim is reserved, less those that go already. */
function usersOf(claim: ResourceClaim, podAt: (key: ObjectKey) => Pod | undefined): Pod[] {
  const { namespace, name } = claim.metadata;
  return (claim.status?.reservedFor ?? []).flatMap(({ apiGroup, resource, name: podName, uid }) => {
    const pod = !apiGroup && resource === 'pods' ? podAt(`${namespace}/${podName}`) : undefined;
    if (!pod || pod.metadata.uid !== uid || pod.metadata.deletionTimestamp) return [];
    const uses = (pod.spec.resourceClaims ?? []).some(({ name: of, resourceClaimName }) => {
      if (resourceClaimName) return resourceClaimName === name;
      const made = pod.status?.resourceClaimStatuses?.find((status) => status.name === of);
      return made?.resourceClaimName === name && isOwnedBy(claim, pod);
    });
    return uses ? [pod] : [];
  });
}

const resultsOf = ({ status }: ResourceClaim): readonly DeviceRequestAllocationResult[] =>
  status?.allocation?.devices?.results ?? [];

const isOf = (result: DeviceRequestAllocationResult, driver: string, pool: string): boolean =>
  result.driver === driver && result.pool === pool;

/** When whoever uses the claim's devices has to go; undefined: he may stay. */
export function evictionMs(claim: ResourceClaim, slices: readonly KubeObject[], nowMs: number): number | undefined {
  const times = resultsOf(claim).flatMap((result) =>
    evictingTaints(result, slices as readonly ResourceSlice[]).flatMap((taint) => {
      const seconds = toleratedSeconds(result, taint);
      return seconds === undefined ? [] : [(millisOf(taint.timeAdded) ?? nowMs) + seconds * 1000];
    }),
  );
  return times.length > 0 ? Math.min(...times) : undefined;
}

/** Of the newest generation of the device's pool. */
function evictingTaints(
  { driver, pool, device: name }: DeviceRequestAllocationResult,
  slices: readonly ResourceSlice[],
): DeviceTaint[] {
  const ofPool = slices.filter(({ spec }) => spec.driver === driver && spec.pool.name === pool);
  const newest = Math.max(...ofPool.map(({ spec }) => spec.pool.generation));
  const device = ofPool
    .filter(({ spec }) => spec.pool.generation === newest)
    .flatMap(({ spec }) => spec.devices ?? [])
    .find((one) => one.name === name);
  return (device?.taints ?? []).filter(({ effect }) => effect === 'NoExecute');
}

/** The shortest that is said; 0 where the taint is not tolerated, undefined where it is for ever. */
function toleratedSeconds({ tolerations = [] }: DeviceRequestAllocationResult, taint: DeviceTaint): number | undefined {
  const matching = tolerations.filter((one) => one.effect === 'NoExecute' && toleratesDeviceTaint(one, taint));
  if (matching.length === 0) return 0;
  if (matching.some(({ tolerationSeconds }) => tolerationSeconds === undefined)) return undefined;
  return Math.max(0, Math.min(...matching.map(({ tolerationSeconds = 0 }) => tolerationSeconds)));
}
