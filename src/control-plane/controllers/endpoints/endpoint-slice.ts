/** Tells everybody which addresses a Service leads to, in EndpointSlices. Proxies and DNS read nothing else. */
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { hasSelector } from '#api/core/v1/service/targets.ts';
import { Service } from '#api/core/v1/service.ts';
import { EndpointSlice, SERVICE_NAME } from '#api/discovery/v1/endpoint-slice.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { keyOf, type ObjectKey } from '#api/machinery/object.ts';
import { StatusError } from '#api/machinery/status.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import { inParallel } from '#base/concurrency.ts';
import type { EventSink } from '#client/event-recorder.ts';
import { defineController, settled, watching } from '../define-controller.ts';
import { podsOn } from '../nodes/pods-on-node.ts';
import { isNamespaceGoing } from '../pod-writes.ts';
import { asksForZoneShares } from './hints.ts';
import { LAST_CHANGE, matters, podsOf, servicesOf } from './service-endpoints.ts';
import { MANAGED_BY, MANAGER, sliceChanges } from './slices.ts';
import { capacitiesOf, capacityOf } from './zone-shares.ts';

export function endpointSliceController() {
  const byShares = new Set<ObjectKey>();
  return defineController({
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
    writes: { create: [EndpointSlice], update: [EndpointSlice], delete: [EndpointSlice] },

    async reconcile(service, { cached, api, clock, events, weighs }) {
      if (!hasSelector(service) || service.metadata.deletionTimestamp) return settled;
      const { name, namespace = '' } = service.metadata;
      const existing = cached(EndpointSlice)
        .inNamespace(namespace)
        .filter(({ metadata }) => metadata.labels?.[SERVICE_NAME] === name && metadata.labels[MANAGED_BY] === MANAGER);
      const all = cached(Pod).inNamespace(namespace);
      weighs(all.length);
      const pods = podsOf(service, all);
      const changes = sliceChanges(service, existing, {
        pods,
        nodeOf: (node) => cached(Node).get(node),
        byShares,
        capacities: () => capacitiesOf(cached(Node).list()),
      });
      const { create, update, remove } = changes;
      const annotations = { [LAST_CHANGE]: timestampOf(clock.now()) };
      const told = failuresTold(service, events);
      await inParallel(create, (slice) =>
        told('create', () => api.create(EndpointSlice, { ...slice, metadata: { ...slice.metadata, annotations } })),
      );
      await inParallel(update, (slice) => {
        const metadata = { ...slice.metadata, annotations: { ...slice.metadata.annotations, ...annotations } };
        return told(`update ${slice.metadata.name}`, () => api.update(EndpointSlice, { ...slice, metadata }));
      });
      await inParallel(remove, (slice) =>
        told(`delete ${slice.metadata.name}`, () => api.delete(EndpointSlice, slice)),
      );
      for (const { type, reason, message } of changes.events)
        events[type === 'Normal' ? 'normal' : 'warning'](service, reason, message);
      return settled;
    },

    async gone({ key, cached, api }) {
      byShares.delete(key);
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
  });
}

/** A write that is refused is an Event of the Service; nothing can be made any more in a namespace that goes. */
function failuresTold(service: Service, events: EventSink) {
  const { name, namespace } = service.metadata;
  const about = `Service ${namespace}/${name}`;
  return async (what: string, write: () => Promise<unknown>): Promise<void> => {
    try {
      await write();
    } catch (error) {
      if (isNamespaceGoing(error)) return;
      if (!(error instanceof StatusError) || error.reason === 'Conflict') throw error;
      const cause = `failed to ${what} EndpointSlice for ${about}: ${error.message}`;
      const text = `Error updating Endpoint Slices for ${about}: ${cause}`;
      events.warning(service, 'FailedToUpdateEndpointSlices', text);
      throw error;
    }
  };
}
