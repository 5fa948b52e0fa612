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
import { isNamespaceGoing } from '../pod-writes.ts';
import { repackSubsets } from './repack-subsets.ts';
import { LAST_CHANGE } from './service-endpoints.ts';
import { MANAGED_BY } from './slices.ts';

const MIRROR = 'endpointslicemirroring-controller.k8s.io';
const SKIP = 'endpointslice.kubernetes.io/skip-mirror';
/** Endpoints that are a lock, not addresses. */
const LEADER = 'control-plane.alpha.kubernetes.io/leader';
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';
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

  async reconcile(endpoints: Endpoints, { key, cached, api, events }) {
    const { namespace = '', name } = endpoints.metadata;
    const service = cached(Service).get(key);
    const isWanted = service && !hasSelector(service) && isMirrored(endpoints);
    const { slices: wanted, skipped } = isWanted ? slicesOf(endpoints) : NOTHING;
    if (skipped > 0) events.warning(endpoints, 'TooManyAddressesToMirror', tooManyText(skipped));
    const existing = cached(EndpointSlice).inNamespace(namespace).filter(mirrorOf(name));
    const left = new Set(existing);
    const take = (draft: Draft<EndpointSlice>, isFor: (slice: EndpointSlice) => boolean) => {
      const taken = [...left].find((slice) => slice.addressType === draft.addressType && isFor(slice));
      if (taken) left.delete(taken);
      return taken;
    };
    const matched = wanted.map((draft) => ({
      draft,
      known: take(draft, ({ ports = [] }) => isEqual(ports, draft.ports ?? [])),
    }));
    for (const { draft, known } of matched) {
      const taken = known ?? take(draft, () => true);
      if (!taken) {
        await unlessGoing(() => api.create(EndpointSlice, draft));
        continue;
      }
      const { labels, annotations, ownerReferences } = draft.metadata;
      const { annotations: _, ...metadata } = taken.metadata;
      const next = {
        ...taken,
        metadata: {
          ...metadata,
          ...(labels && { labels }),
          ...(annotations && { annotations }),
          ...(ownerReferences && { ownerReferences }),
        },
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

async function unlessGoing(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isNamespaceGoing(error)) throw error;
  }
}

const mirrorOf =
  (service: string) =>
  ({ metadata }: EndpointSlice): boolean =>
    metadata.labels?.[SERVICE_NAME] === service && metadata.labels[MANAGED_BY] === MIRROR;

const isMirrored = ({ metadata }: Endpoints): boolean =>
  metadata.labels?.[SKIP] !== 'true' && metadata.annotations?.[LEADER] === undefined && !metadata.deletionTimestamp;

interface Mirrored {
  slices: Draft<EndpointSlice>[];
  /** For want of room. */
  skipped: number;
}
const NOTHING: Mirrored = { slices: [], skipped: 0 };

const tooManyText = (skipped: number): string =>
  `A max of ${MOST_IN_A_SUBSET} addresses can be mirrored to EndpointSlices per Endpoints subset. ${skipped} addresses were skipped`;

/** One for each set of ports and family of addresses. */
function slicesOf(endpoints: Endpoints): Mirrored {
  const subsets = repackSubsets(endpoints.subsets ?? []).map((subset) => ({ subset, all: endpointsIn(subset) }));
  const slices = subsets.flatMap(({ subset, all }) =>
    (['IPv4', 'IPv6'] as const).flatMap((addressType) => {
      const mine = all
        .slice(0, MOST_IN_A_SUBSET)
        .filter(({ addresses }) => isIpv6(addresses[0] ?? '') === (addressType === 'IPv6'));
      const ports = portsOf(subset);
      return mine.length > 0 ? [{ metadata: metadataOf(endpoints), addressType, endpoints: mine, ports }] : [];
    }),
  );
  return { slices, skipped: subsets.reduce((sum, { all }) => sum + Math.max(0, all.length - MOST_IN_A_SUBSET), 0) };
}

/** All that the Endpoints carry, but for what is said of them alone. */
function metadataOf(endpoints: Endpoints): Draft<EndpointSlice>['metadata'] {
  const { name, namespace = '', labels, annotations = {} } = endpoints.metadata;
  const { [LAST_CHANGE]: _, [LAST_APPLIED]: _applied, ...others } = annotations;
  return {
    generateName: `${name}-`,
    namespace,
    labels: { ...labels, [SERVICE_NAME]: name, [MANAGED_BY]: MIRROR },
    ...(Object.keys(others).length > 0 && { annotations: others }),
    ownerReferences: [controllerReferenceTo(endpoints)],
  };
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

/** In one order: by them a slice is known again. */
const portsOf = ({ ports = [] }: EndpointSubset): DiscoveryEndpointPort[] =>
  [...ports]
    .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
    .map(({ name = '', protocol, port, appProtocol }) => ({
      name,
      protocol,
      port,
      ...(appProtocol && { appProtocol }),
    }));
