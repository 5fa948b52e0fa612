/**
 * Devices for pods: a claim that has its devices says which nodes reach them; for one that has none they are looked for on
 * each node, kept when the node is chosen, and written down before the pod is bound. Source: "Dynamic Resource Allocation",
 * KEP-4381.
 */
import { Node } from '#api/core/v1/node.ts';
import { matchesNodeSelector } from '#api/core/v1/node-affinity.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { AllocationResult } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { ObjectKey } from '#api/machinery/object.ts';
import { StatusError } from '#api/machinery/status.ts';
import { DeviceClass } from '#api/resource/v1/device-class.ts';
import { ResourceClaim } from '#api/resource/v1/resource-claim.ts';
import { ResourceSlice } from '#api/resource/v1/resource-slice.ts';
import { Unreachable } from '#client/transport.ts';
import type { BindingServices, ClusterView, Plugin } from '../../define-plugin.ts';
import { changed, definePlugin, fits, forAnyPod, removed, unresolvable, when } from '../../define-plugin.ts';
import { pointsOf } from '../../points.ts';
import type { Verdict } from '../../verdict.ts';
import { hasBindingConditions, readinessOf, untilReady } from './binding-conditions.ts';
import { deleteClaim, reserveClaim, withoutReservation } from './claim-writes.ts';
import { DevicePools } from './device-pools.ts';
import { type ClaimRequests, hasAlternatives, preferenceOf, requestsOf } from './device-requests.ts';
import type { Allocated } from './device-search.ts';
import { DeviceSelectors } from './device-selectors.ts';
import { asFailure, devicesOn, NAME } from './devices-on-node.ts';
import { ExtendedClaim } from './extended-claim.ts';
import { asksForOthers } from './extended-resources.ts';
import { GivenDevices, untilSeen } from './given-devices.ts';
import { allocatedBy, isReservedFor, resourceClaimsOf } from './pod-resource-claims.ts';

interface State {
  claims: readonly ResourceClaim[];
  nowMs: number;
  /** Those that have no devices yet. */
  wanting: readonly ClaimRequests[];
  pools: DevicePools;
  allocated: Allocated;
  /** For resources that devices meet. */
  extended: ExtendedClaim | undefined;
  /** What of `pending` is free again when the pod is not placed. */
  given: Map<string, ResourceClaim>;
  /** By node, in the order of `wanting`; the last is that of `extended` where the node needs it. */
  found: Map<string, readonly AllocationResult[]>;
  /** They have devices that some node cannot reach, and could be given others. */
  unavailable: Set<ResourceClaim>;
  /** Takes back what was written for the pod; what cannot be is tried again with the pod. */
  undo?: () => Promise<void>;
}

export interface DynamicResourcesArgs {
  /** How long devices are looked for on one node; 0: as long as it takes. */
  filterTimeoutMs?: number;
  /** How long devices have to get ready. */
  bindingTimeoutMs?: number;
}

export function dynamicResources(
  { filterTimeoutMs = 10_000, bindingTimeoutMs = 600_000 }: DynamicResourcesArgs = {},
  pending = new GivenDevices(),
): Plugin {
  const selectors = new DeviceSelectors();

  const give = ({ given }: State, uid: string, claim: ResourceClaim) => {
    given.set(uid, claim);
    pending.give(uid, claim);
  };
  const forget = ({ given }: State) => {
    for (const [uid, claim] of given) pending.takeBack(uid, claim);
    given.clear();
  };
  /** From when it is written what the claim has been given stands, whatever becomes of the pod. */
  const untilKnown = (claim: ResourceClaim, { given }: State, services: BindingServices) => {
    const { uid } = claim.metadata;
    if (given.delete(uid)) pending.written(claim);
    return untilSeen(claim, services, () => pending.takeBack(uid, claim));
  };

  return definePlugin<State>({
    name: NAME,
    weight: 2,
    reads: [ResourceClaim, DeviceClass, ResourceSlice],

    preEnqueue({ metadata: { namespace, name }, spec, status }) {
      const isMade = (claim: string) => status?.resourceClaimStatuses?.some((made) => made.name === claim);
      const isWaiting = spec.resourceClaims?.some((each) => each.resourceClaimTemplateName && !isMade(each.name));
      return isWaiting ? unresolvable(`pod "${namespace}/${name}": ResourceClaim not created yet`) : fits;
    },

    prepare(pod, cluster) {
      if (!pod.spec.resourceClaims?.length && !asksForOthers(pod)) return 'skip';
      const cached = cluster.cached(ResourceClaim);
      const claims = resourceClaimsOf(pod, (key) => cached.get(key));
      if ('refusal' in claims) return unresolvable(claims.refusal);
      const classNamed = (name: string) => cluster.cached(DeviceClass).get(name as ObjectKey);
      const extended = ExtendedClaim.of(pod, { classes: cluster.cached(DeviceClass), claims: cached });
      if (claims.length === 0 && !extended) return 'skip';
      const unallocated = claims.filter(({ status }) => !status?.allocation);
      for (const claim of unallocated) {
        const refused = refusedBefore(claim, { cluster, pending });
        if (refused) return refused;
      }
      const needsDevices = unallocated.length > 0 || extended !== undefined;
      return {
        state: {
          claims,
          nowMs: cluster.nowMs,
          wanting: unallocated.map((claim) => asFailure(() => requestsOf(claim, classNamed))),
          pools: new DevicePools(needsDevices ? cluster.cached(ResourceSlice).list() : []),
          allocated: allocatedBy(needsDevices ? [...cached.list(), ...pending.claims()] : []),
          extended,
          given: new Map(),
          found: new Map(),
          unavailable: new Set(),
        },
      };
    },

    filter(_, { node, allocatable }, state) {
      const { claims, unavailable, extended, nowMs, pools, allocated } = state;
      const special = asFailure(() => extended?.on(node.metadata.name, allocatable.others));
      if (special && 'fits' in special) return special;
      const away = claims.filter((claim) => {
        const selector = claim.status?.allocation?.nodeSelector;
        if (selector && !matchesNodeSelector(selector, node)) return true;
        return (
          claim.status?.allocation !== undefined &&
          typeof readinessOf(claim, { nowMs, timeoutMs: bindingTimeoutMs }) === 'object'
        );
      });
      const wanting = special ? [...state.wanting, special.wanting] : state.wanting;
      if (wanting.length > 0) {
        const found = devicesOn(node, { wanting, pools, allocated, selectors, timeoutMs: filterTimeoutMs });
        if (!Array.isArray(found)) return found as Verdict;
        state.found.set(node.metadata.name, found as AllocationResult[]);
      }
      for (const claim of away) unavailable.add(claim);
      return away.length > 0 ? unresolvable('resourceclaim not available on the node') : fits;
    },

    async makeRoom(pod, { plugins, refusedEarlyBy, client }, state) {
      const asked = pointsOf(plugins).all;
      if (refusedEarlyBy && asked.indexOf(refusedEarlyBy) < asked.findIndex(({ name }) => name === NAME))
        return { message: 'not found', isLast: true }; // what upstream says of a state that was never made
      if (!state) return { message: 'no new claims to deallocate' };
      const free = [...state.unavailable].find(({ status }) =>
        (status?.reservedFor ?? []).every(({ uid }) => uid === pod.metadata.uid),
      );
      const stale = state.extended?.stale;
      if (!free && !stale) return { message: 'still not schedulable' };
      if (!free) {
        await deleteClaim(stale as ResourceClaim, client);
        return { message: 'deletion of ResourceClaim completed' };
      }
      const { allocation: _a, reservedFor: _r, devices: _d, ...status } = free.status ?? {};
      await client.updateStatus(ResourceClaim, { ...free, status });
      return { message: 'deallocation of ResourceClaim completed' };
    },

    prepareScore: (_pod, _nodes, _cluster, state) => (state && hasAlternatives(state.wanting) ? state : 'skip'),
    score: (_, { node }, { wanting, found }) => preferenceOf(wanting, found.get(node.metadata.name) ?? []),
    prefer: 'higher',

    reserve(pod, nodeName, state) {
      if (!state) return fits;
      const { wanting, extended } = state;
      const found = state.found.get(nodeName) ?? [];
      for (const [index, { claim }] of wanting.entries())
        give(state, claim.metadata.uid, { ...claim, status: { ...claim.status, allocation: found[index]! } });
      const allocation = found[wanting.length];
      if (allocation && extended) give(state, pod.metadata.uid, extended.givenOut(nodeName, allocation));
      return fits;
    },

    async unreserve(_pod, _nodeName, state) {
      if (!state) return;
      await state.undo?.();
      delete state.undo;
      await state.extended?.takeBack().catch(ofTheServer);
      forget(state);
    },

    preBindPreFlight: (_pod, _nodeName, state) => ({ hasWork: state !== undefined, allowParallel: true }),

    async preBind(pod, nodeName, services, state) {
      if (!state) return fits;
      const found = state.found.get(nodeName) ?? [];
      const { client, clock } = services;
      const reserved = state.claims.filter((claim) => isReservedFor(claim, pod));
      state.undo = async () => {
        for (const claim of reserved) await withoutReservation(claim, pod, client).catch(ofTheServer);
      };
      const seen: Promise<void>[] = [];
      for (const claim of state.claims) {
        if (isReservedFor(claim, pod)) continue;
        const index = state.wanting.findIndex((wanting) => wanting.claim === claim);
        const written = await reserveClaim(claim, { pod, allocation: found[index], client, clock });
        reserved.push(written);
        seen.push(untilKnown(written, state, services));
      }
      const extended = found[state.wanting.length];
      if (extended) await state.extended?.write(nodeName, { pod, allocation: extended, services });
      const special = state.extended?.written;
      if (special) seen.push(untilSeen(special, services, () => forget(state)));
      const known = [...state.claims, ...(special ? [special] : [])].map(
        (claim) => reserved.find(({ metadata }) => metadata.uid === claim.metadata.uid) ?? claim,
      );
      if (!known.some(hasBindingConditions)) return fits;
      const note = `waiting for binding conditions for device on node ${nodeName}`;
      services.say({ reason: 'BindingConditionsPending', action: 'Scheduling', note });
      await services.whileOthers(Promise.all(seen).then(() => untilReady(known, bindingTimeoutMs, services)));
      return fits;
    },

    retryWhen: [
      changed(Node, 'metadata.labels', 'status.allocatable'),
      when(changed(ResourceClaim, 'status'), ({ now, before }, pod) => {
        const [claim, old] = [now, before] as (ResourceClaim | undefined)[];
        if (old?.status?.allocation && !claim?.status?.allocation) return true; // its devices are free
        return claim !== undefined && (!old || !isEqual(old.status, claim.status)) && couldBeOf(claim, pod);
      }),
      forAnyPod(({ now }) => now !== undefined && pending.isLostUnheard(now)),
      when(removed(ResourceClaim), ({ before }) => (before as ResourceClaim).status?.allocation !== undefined),
      // It may have been on its way to a node, with devices of which the API has never heard.
      when(removed(Pod), ({ before }) => mayHaveDevices(before as Pod)),
      when(changed(Pod, 'status.resourceClaimStatuses'), ({ now }, pod) => now?.metadata.uid === pod.metadata.uid),
      changed(DeviceClass, 'spec'),
      changed(ResourceSlice, 'spec'),
    ],
  });
}

/** A write that came to nothing is no fault of ours. */
function ofTheServer(error: unknown): void {
  if (!(error instanceof StatusError || error instanceof Unreachable)) throw error;
}

const mayHaveDevices = (pod: Pod): boolean => Boolean(pod.spec.resourceClaims?.length) || asksForOthers(pod);

/** By its name, or as one that was made for the pod. */
const couldBeOf = ({ metadata }: ResourceClaim, pod: Pod): boolean =>
  metadata.namespace === pod.metadata.namespace &&
  Boolean(
    pod.spec.resourceClaims?.some(({ resourceClaimName }) => resourceClaimName === metadata.name) ||
      pod.status?.resourceClaimStatuses?.some(({ resourceClaimName }) => resourceClaimName === metadata.name) ||
      metadata.ownerReferences?.some(({ uid }) => uid === pod.metadata.uid),
  );

/** What is known before any node is looked at. */
function refusedBefore(
  claim: ResourceClaim,
  { cluster, pending }: { cluster: ClusterView; pending: GivenDevices },
): Verdict | undefined {
  const { namespace, name, uid } = claim.metadata;
  if (pending.has(uid)) return unresolvable(`resource claim ${namespace}/${name} is in the process of being allocated`);
  for (const { name: request, exactly, firstAvailable = [] } of claim.spec.devices?.requests ?? []) {
    const asked = exactly
      ? [{ request, className: exactly.deviceClassName }]
      : firstAvailable.map((sub) => ({ request: `${request}/${sub.name}`, className: sub.deviceClassName }));
    if (asked.length === 0)
      return unresolvable(`resource claim ${namespace}/${name}, request ${request}: unknown request type`);
    const missing = asked.find(({ className }) => !cluster.cached(DeviceClass).get(className as ObjectKey));
    if (missing) return unresolvable(`request ${missing.request}: device class ${missing.className} does not exist`);
  }
  return undefined;
}
