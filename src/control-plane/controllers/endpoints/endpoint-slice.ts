/** Tells everybody which addresses a Service leads to, in EndpointSlices. Proxies and DNS read nothing else. */
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { hasSelector } from '#api/core/v1/service/targets.ts';
import { Service } from '#api/core/v1/service.ts';
import { EndpointSlice, SERVICE_NAME } from '#api/discovery/v1/endpoint-slice.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { keyOf, type ObjectKey } from '#api/machinery/object.ts';
import { StatusError } from '#api/machinery/status.ts';
import { inParallel } from '#base/concurrency.ts';
import { type Api, defineController, settled, watching } from '../define-controller.ts';
import { NotYet } from '../errors.ts';
import { podsOn } from '../nodes/pods-on-node.ts';
import { isNamespaceGoing } from '../pod-writes.ts';
import { asksForZoneShares } from './hints.ts';
import { matters, podsOf, servicesOf } from './service-endpoints.ts';
import { TriggerTimes, withLastChange } from './trigger-times.ts';
import { MANAGED_BY, MANAGER, type SliceChanges, sliceChanges } from './slices.ts';
import { capacitiesOf, capacityOf } from './zone-shares.ts';

const writes = { create: [EndpointSlice], update: [EndpointSlice], delete: [EndpointSlice] } as const;

export const endpointSliceController = defineController(() => {
  const byShares = new Set<ObjectKey>();
  const times = new TriggerTimes();
  return {
    name: 'endpointslice-controller',
    reconciles: Service,
    owns: [EndpointSlice],
    watches: [
      watching(Pod, (pod, cached) => servicesOf(pod, cached(Service)), matters),
      watching(
        Node,
        (node, cached) => {
          const byShares = cached(Service).list().filter(asksForZoneShares).map(keyOf);
          return new Set([...podsOn(node, cached).flatMap((pod) => servicesOf(pod, cached(Service))), ...byShares]);
        },
        (now, before) => !isEqual(capacityOf(now), capacityOf(before)),
      ),
    ],
    writes,

    async reconcile(service, { key, cached, api, events, weighs }) {
      if (!hasSelector(service)) return settled;
      const { name, namespace = '' } = service.metadata;
      const existing = cached(EndpointSlice)
        .inNamespace(namespace)
        .filter(({ metadata }) => metadata.labels?.[SERVICE_NAME] === name && metadata.labels[MANAGED_BY] === MANAGER);
      const all = cached(Pod).inNamespace(namespace);
      weighs(all.length);
      const pods = podsOf(service, all);
      const changedAt = times.since(key, service, pods);
      const changes = sliceChanges(service, existing, {
        pods,
        nodeOf: (node) => cached(Node).get(node),
        byShares,
        capacities: () => capacitiesOf(cached(Node).list()),
      });
      const failure = await write(service, changes, { api, changedAt });
      for (const { type, reason, message } of changes.events)
        events[type === 'Normal' ? 'normal' : 'warning'](service, reason, message);
      const failures = [...changes.skipped, ...(failure ? [failure.message] : [])];
      if (failures.length === 0) return settled;
      const cause = failures.length === 1 ? failures[0] : `[${failures.join(', ')}]`;
      const text = `Error updating Endpoint Slices for Service ${namespace}/${name}: ${cause}`;
      events.warning(service, 'FailedToUpdateEndpointSlices', text);
      throw failure ?? new NotYet(text);
    },

    async gone({ key, cached, api }) {
      byShares.delete(key);
      times.forget(key);
      const [namespace = ''] = key.split('/');
      const slices = cached(EndpointSlice)
        .inNamespace(namespace)
        .filter(({ metadata }) => metadata.labels?.[MANAGED_BY] === MANAGER)
        .filter(
          (slice) => keyOf({ metadata: { namespace, name: slice.metadata.labels?.[SERVICE_NAME] ?? '' } }) === key,
        );
      await inParallel(slices, (slice) => api.delete(EndpointSlice, slice));
      return settled;
    },
  };
});

/** @returns why not all could be written */
async function write(
  service: Service,
  { create, update, remove }: SliceChanges,
  { api, changedAt }: { api: Api<never, typeof writes>; changedAt: string | undefined },
): Promise<NotYet | undefined> {
  const told = failuresNamed(service);
  try {
    // For one that is going nothing new is made.
    await inParallel(service.metadata.deletionTimestamp ? [] : create, (slice) => {
      const annotations = withLastChange(undefined, changedAt);
      const metadata = { ...slice.metadata, ...(changedAt && { annotations }) };
      return told('create', () => api.create(EndpointSlice, { ...slice, metadata }));
    });
    await inParallel(update, (slice) => {
      const metadata = { ...slice.metadata, annotations: withLastChange(slice.metadata.annotations, changedAt) };
      return told(`update ${slice.metadata.name}`, () => api.update(EndpointSlice, { ...slice, metadata }));
    });
    await inParallel(remove, (slice) => told(`delete ${slice.metadata.name}`, () => api.delete(EndpointSlice, slice)));
    return undefined;
  } catch (error) {
    if (error instanceof NotYet) return error;
    throw error;
  }
}

/** Nothing can be made any more in a namespace that goes: that is no failure. */
function failuresNamed({ metadata: { name, namespace } }: Service) {
  return async (what: string, work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (isNamespaceGoing(error)) return;
      if (!(error instanceof StatusError) || error.reason === 'Conflict') throw error;
      throw new NotYet(`failed to ${what} EndpointSlice for Service ${namespace}/${name}: ${error.message}`);
    }
  };
}
