/**
 * Shows Endpoints that somebody wrote by hand as EndpointSlices too: for a Service without a selector nobody else does.
 * Source: "EndpointSlices", EndpointSlice mirroring.
 */
import { Endpoints } from '#api/core/v1/endpoints.ts';
import { hasSelector } from '#api/core/v1/service/targets.ts';
import { Service } from '#api/core/v1/service.ts';
import { EndpointSlice, SERVICE_NAME } from '#api/discovery/v1/endpoint-slice.ts';
import type { DiscoveryEndpointPort, Endpoint, EndpointAddress, EndpointSubset } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { isIpv6 } from '#api/machinery/ip.ts';
import { inParallel } from '#base/concurrency.ts';
import type { Draft } from '#client/client.ts';
import { controllerReferenceTo } from '../claim.ts';
import { defineController, settled, watching } from '../define-controller.ts';
import { LAST_CHANGE } from './service-endpoints.ts';
import { MANAGED_BY } from './slices.ts';

const MIRROR = 'endpointslicemirroring-controller.k8s.io';
const SKIP = 'endpointslice.kubernetes.io/skip-mirror';
/** Endpoints that are a lock, not addresses. */
const LEADER = 'control-plane.alpha.kubernetes.io/leader';
/** Source: kube-controller-manager, --mirroring-max-endpoints-per-subset. */
const MOST_IN_A_SUBSET = 1000;

export const endpointSliceMirroringController = defineController({
  name: 'endpointslice-mirroring-controller',
  serviceAccount: 'endpointslicemirroring-controller',
  eventSource: 'endpoint-slice-mirroring-controller',
  reconciles: Endpoints,
  watches: [
    watching(Service, ({ metadata }) => [`${metadata.namespace}/${metadata.name}`]),
    watching(EndpointSlice, ({ metadata }) => {
      const { [SERVICE_NAME]: service, [MANAGED_BY]: manager } = metadata.labels ?? {};
      return service && manager === MIRROR ? [`${metadata.namespace}/${service}`] : [];
    }),
  ],
  writes: { create: [EndpointSlice], update: [EndpointSlice], delete: [EndpointSlice] },

  async reconcile(endpoints: Endpoints, { key, cached, api }) {
    const { namespace = '', name } = endpoints.metadata;
    const service = cached(Service).get(key);
    const wanted = service && !hasSelector(service) && isMirrored(endpoints) ? slicesOf(endpoints) : [];
    const existing = cached(EndpointSlice).inNamespace(namespace).filter(mirrorOf(name));
    const left = new Set(existing);
    for (const draft of wanted) {
      const known = [...left].find(
        (slice) => slice.addressType === draft.addressType && isEqual(slice.ports ?? [], draft.ports ?? []),
      );
      const taken = known ?? [...left].find((slice) => slice.addressType === draft.addressType);
      if (!taken) {
        await api.create(EndpointSlice, draft);
        continue;
      }
      left.delete(taken);
      const { labels, annotations } = draft.metadata;
      const next = {
        ...taken,
        metadata: { ...taken.metadata, ...(labels && { labels }), ...(annotations && { annotations }) },
        endpoints: draft.endpoints,
        ...(draft.ports && { ports: draft.ports }),
      };
      if (!isEqual(next, taken)) await api.update(EndpointSlice, next);
    }
    await inParallel([...left], (slice) => api.delete(EndpointSlice, slice));
    return settled;
  },

  async gone({ key, cached, api }) {
    const [namespace = '', name = ''] = key.split('/');
    const slices = cached(EndpointSlice).inNamespace(namespace).filter(mirrorOf(name));
    await inParallel(slices, (slice) => api.delete(EndpointSlice, slice));
    return settled;
  },
});

const mirrorOf =
  (service: string) =>
  ({ metadata }: EndpointSlice): boolean =>
    metadata.labels?.[SERVICE_NAME] === service && metadata.labels[MANAGED_BY] === MIRROR;

const isMirrored = ({ metadata }: Endpoints): boolean =>
  metadata.labels?.[SKIP] !== 'true' && metadata.annotations?.[LEADER] === undefined && !metadata.deletionTimestamp;

/** One for each subset and family of addresses. */
function slicesOf(endpoints: Endpoints): Draft<EndpointSlice>[] {
  const { name, namespace = '', labels, annotations } = endpoints.metadata;
  const { [LAST_CHANGE]: changed } = annotations ?? {};
  return (endpoints.subsets ?? []).flatMap((subset) => {
    const all = endpointsIn(subset).slice(0, MOST_IN_A_SUBSET);
    return (['IPv4', 'IPv6'] as const).flatMap((addressType) => {
      const mine = all.filter(({ addresses }) => isIpv6(addresses[0] ?? '') === (addressType === 'IPv6'));
      if (mine.length === 0) return [];
      return [
        {
          metadata: {
            generateName: `${name}-`,
            namespace,
            labels: { ...labels, [SERVICE_NAME]: name, [MANAGED_BY]: MIRROR },
            ...(changed && { annotations: { [LAST_CHANGE]: changed } }),
            ownerReferences: [controllerReferenceTo(endpoints)],
          },
          addressType,
          endpoints: mine,
          ports: portsOf(subset),
        },
      ];
    });
  });
}

function endpointsIn({ addresses = [], notReadyAddresses = [] }: EndpointSubset): Endpoint[] {
  const endpoint = ({ ip, hostname, nodeName, targetRef }: EndpointAddress, ready: boolean): Endpoint => ({
    addresses: [ip],
    conditions: { ready },
    ...(hostname && { hostname }),
    ...(targetRef && { targetRef }),
    ...(nodeName && { nodeName }),
  });
  return [...addresses.map((each) => endpoint(each, true)), ...notReadyAddresses.map((each) => endpoint(each, false))];
}

const portsOf = ({ ports = [] }: EndpointSubset): DiscoveryEndpointPort[] =>
  ports.map(({ name = '', protocol, port, appProtocol }) => ({
    name,
    protocol,
    port,
    ...(appProtocol && { appProtocol }),
  }));
