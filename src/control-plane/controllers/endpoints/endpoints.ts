/** The same as EndpointSlices in the older form: one Endpoints object of the Service's name, ready addresses apart from others. */
import { Endpoints } from '#api/core/v1/endpoints.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isReady } from '#api/core/v1/pod-conditions.ts';
import { hasSelector, targetPortOn } from '#api/core/v1/service/targets.ts';
import { Service } from '#api/core/v1/service.ts';
import type { EndpointAddress, EndpointPort, EndpointSubset } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import { defineController, settled, watching } from '../define-controller.ts';
import {
  addressOfFamily,
  familiesOf,
  HEADLESS_LABEL,
  hostnameOf,
  isHeadless,
  LAST_CHANGE,
  matters,
  podsOf,
  servicesOf,
} from './service-endpoints.ts';

const MANAGED_BY = 'endpoints.kubernetes.io/managed-by';
const MANAGER = 'endpoint-controller';
const OVER_CAPACITY = 'endpoints.kubernetes.io/over-capacity';
/** One object holds no more; slices hold them all. */
const MOST_ADDRESSES = 1000;

export const endpointsController = defineController({
  name: 'endpoints-controller',
  serviceAccount: 'endpoint-controller',
  reconciles: Service,
  watches: [
    watching(Pod, (pod, cached) => servicesOf(pod, cached(Service)), matters),
    watching(Endpoints, ({ metadata }) => [`${metadata.namespace}/${metadata.name}`]),
  ],
  writes: { create: [Endpoints], update: [Endpoints], delete: [Endpoints] },

  async reconcile(service, { key, cached, api, clock, weighs }) {
    if (!hasSelector(service) || service.metadata.deletionTimestamp) return settled;
    const existing = cached(Endpoints).get(key);
    const all = cached(Pod).inNamespace(service.metadata.namespace ?? '');
    weighs(all.length);
    const pods = podsOf(service, all);
    const { subsets, isOver } = withinCapacity(subsetsOf(service, pods));
    const labels = labelsOf(service);
    const { [OVER_CAPACITY]: wasOver, ...annotations } = existing?.metadata.annotations ?? {};
    const isCurrent =
      existing &&
      isEqual(sorted(existing.subsets ?? []), subsets) &&
      isEqual(existing.metadata.labels, labels) &&
      (wasOver === 'truncated') === isOver;
    if (isCurrent) return settled;

    const { name, namespace = '' } = service.metadata;
    const changed = {
      ...annotations,
      [LAST_CHANGE]: timestampOf(clock.now()),
      ...(isOver && { [OVER_CAPACITY]: 'truncated' }),
    };
    if (existing) {
      await api.update(Endpoints, {
        ...existing,
        metadata: { ...existing.metadata, labels, annotations: changed },
        subsets,
      });
    } else await api.create(Endpoints, { metadata: { name, namespace, labels, annotations: changed }, subsets });
    return settled;
  },

  async gone({ key, cached, api }) {
    const existing = cached(Endpoints).get(key);
    // Endpoints of a leader election, or of a Service without a selector, are not ours.
    if (existing?.metadata.labels?.[MANAGED_BY] === MANAGER) await api.delete(Endpoints, existing);
    return settled;
  },
});

function labelsOf(service: Service): Record<string, string> {
  const { [HEADLESS_LABEL]: _, ...own } = service.metadata.labels ?? {};
  return { ...own, ...(isHeadless(service) && { [HEADLESS_LABEL]: '' }), [MANAGED_BY]: MANAGER };
}

interface Offered {
  address: EndpointAddress;
  ports: EndpointPort[];
  ready: boolean;
}

/** Addresses that offer the same ports stand together; a Service without ports has subsets without ports. */
function subsetsOf(service: Service, pods: readonly Pod[]): EndpointSubset[] {
  const byPorts = new Map<string, EndpointSubset>();
  for (const pod of pods) {
    const offered = offeredBy(pod, service);
    if (!offered) continue;
    const id = JSON.stringify(offered.ports);
    const subset = byPorts.get(id) ?? { ...(offered.ports.length > 0 && { ports: offered.ports }) };
    const list = offered.ready ? 'addresses' : 'notReadyAddresses';
    byPorts.set(id, { ...subset, [list]: [...(subset[list] ?? []), offered.address] });
  }
  return sorted([...byPorts.values()]);
}

function offeredBy(pod: Pod, service: Service): Offered | undefined {
  const { publishNotReadyAddresses, ports: servicePorts = [] } = service.spec;
  if (pod.metadata.deletionTimestamp && !publishNotReadyAddresses) return undefined;
  const ip = addressOfFamily(pod, familiesOf(service)[0] ?? 'IPv4');
  if (!ip) return undefined;
  const ports = servicePorts.flatMap((servicePort) => {
    const port = targetPortOn(pod, servicePort);
    const { name, protocol, appProtocol } = servicePort;
    return port === undefined ? [] : [{ ...(name && { name }), port, protocol, ...(appProtocol && { appProtocol }) }];
  });
  if (ports.length === 0 && servicePorts.length > 0) return undefined;
  const { name, namespace, uid } = pod.metadata;
  const hostname = hostnameOf(pod, service);
  const address: EndpointAddress = {
    ip,
    ...(hostname && { hostname }),
    ...(pod.spec.nodeName && { nodeName: pod.spec.nodeName }),
    targetRef: { kind: 'Pod', ...(namespace && { namespace }), name, uid },
  };
  return { address, ports, ready: Boolean(publishNotReadyAddresses) || isReady(pod) };
}

/** In one order, so that the same endpoints always look the same. */
function sorted(subsets: readonly EndpointSubset[]): EndpointSubset[] {
  const byIp = (a: EndpointAddress, b: EndpointAddress) => (a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : 0);
  const ordered = subsets.map(({ addresses, notReadyAddresses, ports }) => ({
    ...(addresses?.length && { addresses: [...addresses].sort(byIp) }),
    ...(notReadyAddresses?.length && { notReadyAddresses: [...notReadyAddresses].sort(byIp) }),
    ...(ports && { ports }),
  }));
  const text = ({ ports }: EndpointSubset) => JSON.stringify(ports ?? []);
  return ordered.sort((a, b) => (text(a) < text(b) ? -1 : 1));
}

/** Ready ones first, when not all find room. */
function withinCapacity(subsets: EndpointSubset[]): { subsets: EndpointSubset[]; isOver: boolean } {
  const count = (list: 'addresses' | 'notReadyAddresses') =>
    subsets.reduce((total, subset) => total + (subset[list]?.length ?? 0), 0);
  if (count('addresses') + count('notReadyAddresses') <= MOST_ADDRESSES) return { subsets, isOver: false };
  let room = MOST_ADDRESSES;
  const take = (addresses: EndpointAddress[] = []) => {
    const taken = addresses.slice(0, Math.max(0, room));
    room -= taken.length;
    return taken;
  };
  const ready = subsets.map((subset) => ({ ...subset, addresses: take(subset.addresses) }));
  const all = ready.map((subset) => ({ ...subset, notReadyAddresses: take(subset.notReadyAddresses) }));
  const isLeft = ({ addresses, notReadyAddresses }: EndpointSubset) => addresses?.length || notReadyAddresses?.length;
  return { subsets: sorted(all.filter(isLeft)), isOver: true };
}
