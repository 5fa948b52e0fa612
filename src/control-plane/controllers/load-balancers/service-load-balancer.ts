/**
 * Gives a Service of type LoadBalancer its address, and sends what comes there to the nodes that may have it. One with a
 * `loadBalancerClass` is somebody else's. Source: API reference, Service; KEP-1959 (load balancer class); KEP-980 (finalizer).
 */
import { Node } from '#api/core/v1/node.ts';
import { Service } from '#api/core/v1/service.ts';
import { EndpointSlice, serviceKeyOf } from '#api/discovery/v1/endpoint-slice.ts';
import type { LoadBalancerIngress } from '#api/generated/schema.ts';
import { keyOf, type ObjectKey } from '#api/machinery/object.ts';
import { defineController, settled, watching } from '../define-controller.ts';
import { NotYet } from '../errors.ts';
import type { LoadBalancers } from './load-balancers.ts';

const FINALIZER = 'service.kubernetes.io/load-balancer-cleanup';
const EXCLUDED_LABEL = 'node.kubernetes.io/exclude-from-external-load-balancers';

export const serviceLoadBalancer = (loadBalancers: LoadBalancers) =>
  defineController(() => {
    /** What was given away: the cache may not show it yet when the next Service is looked at. */
    const given = new Map<ObjectKey, string[]>();
    /** Seen with a class: their finalizer is another controller's, also once the class went with the type. */
    const anothers = new Set<ObjectKey>();

    return {
      name: 'service-lb-controller',
      serviceAccount: 'service-controller',
      eventSource: 'service-controller',
      reconciles: Service,
      watches: [
        watching(Node, (_, cached) => cached(Service).list().filter(isWanted).map(keyOf), isElsewhereReached),
        watching(EndpointSlice, (slice, cached) => {
          const key = serviceKeyOf(slice);
          const service = key === undefined ? undefined : cached(Service).get(key);
          return key && service && isWanted(service) && isLocal(service) ? [key] : [];
        }),
      ],
      writes: { patch: [Service], status: [Service] },
      workers: 1, // two Services at a time could be given the same address: see `given`

      async reconcile(service, { key, cached, api, events }) {
        if (!isWanted(service)) {
          if (service.spec.loadBalancerClass) anothers.add(key);
          if (hasFinalizer(service) && !anothers.has(key)) await remove(service);
          return settled;
        }
        anothers.delete(key);
        if (!hasFinalizer(service)) {
          await putFinalizers(service, [...(service.metadata.finalizers ?? []), FINALIZER]);
          return settled; // the change brings it back
        }
        const isNew = addressesOf(service).length === 0;
        if (isNew) events.normal(service, 'EnsuringLoadBalancer', 'Ensuring load balancer');
        const nodes = nodesFor(
          service,
          cached(Node).list(),
          cached(EndpointSlice).inNamespace(service.metadata.namespace ?? ''),
        );
        try {
          const ingress = await loadBalancers.ensure({ service, nodes, taken: takenByOthers() });
          given.set(key, addressesIn(ingress));
          await api.updateStatus(service, { ...service.status, loadBalancer: { ingress: ingress.map(withMode) } });
        } catch (error) {
          if (!(error instanceof NotYet)) throw error;
          const reason = `failed to ensure load balancer: ${error.message}`;
          events.warning(service, 'SyncLoadBalancerFailed', `Error syncing load balancer: ${reason}`);
          throw error;
        }
        if (isNew) events.normal(service, 'EnsuredLoadBalancer', 'Ensured load balancer');
        return settled;

        function takenByOthers(): Set<string> {
          const others = cached(Service)
            .list()
            .filter((other) => keyOf(other) !== key);
          const unseen = [...given].flatMap(([owner, addresses]) => (owner === key ? [] : addresses));
          return new Set([...others.flatMap(addressesOf), ...unseen]);
        }

        async function remove(last: Service): Promise<void> {
          events.normal(last, 'DeletingLoadBalancer', 'Deleting load balancer');
          await loadBalancers.remove(withAddresses(last, given.get(key) ?? []));
          given.delete(key);
          const without = await api.updateStatus(last, { ...last.status, loadBalancer: {} });
          await putFinalizers(
            without,
            (without.metadata.finalizers ?? []).filter((each) => each !== FINALIZER),
          );
          events.normal(last, 'DeletedLoadBalancer', 'Deleted load balancer');
        }

        /** All of them at once: in a copy that is old, somebody else's would be lost. */
        async function putFinalizers({ metadata }: Service, finalizers: string[]): Promise<void> {
          const { name, namespace, resourceVersion } = metadata;
          const patch = { metadata: { finalizers, resourceVersion } };
          await api.patch(Service, { name, namespace }, { type: 'merge', patch });
        }
      },

      async gone({ key }) {
        given.delete(key);
        anothers.delete(key);
        return settled;
      },
    };
  });

const isWanted = ({ spec, metadata }: Service): boolean =>
  spec.type === 'LoadBalancer' && !spec.loadBalancerClass && !metadata.deletionTimestamp;
const isLocal = ({ spec }: Service): boolean => spec.externalTrafficPolicy === 'Local';
const hasFinalizer = ({ metadata }: Service): boolean => metadata.finalizers?.includes(FINALIZER) ?? false;

const addressesIn = (ingress: readonly LoadBalancerIngress[]): string[] => ingress.flatMap(({ ip }) => ip || []);
const addressesOf = ({ status }: Service): string[] => addressesIn(status?.loadBalancer?.ingress ?? []);

/** With the type the API server has taken away what the status said of addresses. */
const withAddresses = (service: Service, known: readonly string[]): Service =>
  addressesOf(service).length > 0
    ? service
    : { ...service, status: { ...service.status, loadBalancer: { ingress: known.map((ip) => ({ ip })) } } };

/** As the API server fills it in: so an address that is there already is no change. */
const withMode = (ingress: LoadBalancerIngress): LoadBalancerIngress =>
  ingress.ip ? { ...ingress, ipMode: ingress.ipMode ?? 'VIP' } : ingress;

/** Ready ones; under the policy Local only those with an endpoint that is ready, where there are any. */
function nodesFor(service: Service, nodes: readonly Node[], slices: readonly EndpointSlice[]): Node[] {
  const able = nodes.filter(isAble).sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  if (!isLocal(service)) return able;
  const withEndpoints = new Set(
    slices
      .filter((slice) => serviceKeyOf(slice) === keyOf(service))
      .flatMap(({ endpoints }) => endpoints ?? [])
      .flatMap(({ nodeName, conditions }) => (nodeName && conditions?.ready !== false ? [nodeName] : [])),
  );
  return able.filter(({ metadata }) => withEndpoints.has(metadata.name));
}

const isAble = ({ metadata, status }: Node): boolean =>
  metadata.labels?.[EXCLUDED_LABEL] === undefined &&
  !metadata.deletionTimestamp &&
  (status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false);

/** A heartbeat changes nothing for a load balancer. */
const isElsewhereReached = (now: Node, before: Node): boolean =>
  isAble(now) !== isAble(before) || textOfAddresses(now) !== textOfAddresses(before);
const textOfAddresses = ({ status }: Node) => JSON.stringify(status?.addresses);
