/** Tells everybody which addresses a Service leads to, in EndpointSlices. Proxies and DNS read nothing else. */
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { hasSelector } from '#api/core/v1/service/targets.ts';
import { Service } from '#api/core/v1/service.ts';
import { EndpointSlice, SERVICE_NAME } from '#api/discovery/v1/endpoint-slice.ts';
import { keyOf } from '#api/machinery/object.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import { inParallel } from '#base/concurrency.ts';
import { defineController, settled, watching } from '../define-controller.ts';
import { LAST_CHANGE, matters, podsOf, servicesOf } from './service-endpoints.ts';
import { MANAGED_BY, MANAGER, sliceChanges } from './slices.ts';

const ZONE = 'topology.kubernetes.io/zone';

export const endpointSliceController = defineController({
  name: 'endpointslice-controller',
  reconciles: Service,
  owns: [EndpointSlice],
  watches: [
    watching(Pod, (pod, cached) => servicesOf(pod, cached(Service)), matters),
    watching(
      Node,
      (node, cached) => {
        const pods = cached(Pod)
          .list()
          .filter(({ spec }) => spec.nodeName === node.metadata.name);
        return new Set(pods.flatMap((pod) => servicesOf(pod, cached(Service))));
      },
      (now, before) => now.metadata.labels?.[ZONE] !== before.metadata.labels?.[ZONE],
    ),
  ],
  writes: { create: [EndpointSlice], update: [EndpointSlice], delete: [EndpointSlice] },

  async reconcile(service, { cached, api, clock, weighs }) {
    if (!hasSelector(service) || service.metadata.deletionTimestamp) return settled;
    const { name, namespace = '' } = service.metadata;
    const existing = cached(EndpointSlice)
      .inNamespace(namespace)
      .filter(({ metadata }) => metadata.labels?.[SERVICE_NAME] === name && metadata.labels[MANAGED_BY] === MANAGER);
    const all = cached(Pod).inNamespace(namespace);
    weighs(all.length);
    const pods = podsOf(service, all);
    const { create, update, remove } = sliceChanges(service, existing, {
      pods,
      nodeOf: (node) => cached(Node).get(node),
    });
    const annotations = { [LAST_CHANGE]: timestampOf(clock.now()) };
    await inParallel(create, (slice) =>
      api.create(EndpointSlice, { ...slice, metadata: { ...slice.metadata, annotations } }),
    );
    await inParallel(update, (slice) =>
      api.update(EndpointSlice, {
        ...slice,
        metadata: { ...slice.metadata, annotations: { ...slice.metadata.annotations, ...annotations } },
      }),
    );
    await inParallel(remove, (slice) => api.delete(EndpointSlice, slice));
    return settled;
  },

  async gone({ key, cached, api }) {
    const [namespace = ''] = key.split('/');
    const slices = cached(EndpointSlice)
      .inNamespace(namespace)
      .filter(({ metadata }) => metadata.labels?.[MANAGED_BY] === MANAGER)
      .filter((slice) => keyOf({ metadata: { namespace, name: slice.metadata.labels?.[SERVICE_NAME] ?? '' } }) === key);
    await inParallel(slices, (slice) => api.delete(EndpointSlice, slice));
    return settled;
  },
});
