/** The same as EndpointSlices in the older form: one Endpoints object of the Service's name, ready addresses apart from others. */
import { Endpoints } from '#api/core/v1/endpoints.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isReady } from '#api/core/v1/pod-conditions.ts';
import { hasSelector, targetPortOn } from '#api/core/v1/service/targets.ts';
import { Service } from '#api/core/v1/service.ts';
import type { EndpointAddress, EndpointPort, EndpointSubset } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { ObjectKey } from '#api/machinery/object.ts';
import { StatusError } from '#api/machinery/status.ts';
import { defineController, settled, watching } from '../define-controller.ts';
import { isNamespaceGoing } from '../pod-writes.ts';
import { repackSubsets } from './repack-subsets.ts';
import {
  addressOfFamily,
  familiesOf,
  HEADLESS_LABEL,
  hostnameOf,
  isHeadless,
  matters,
  podsOf,
  servicesOf,
} from './service-endpoints.ts';
import { TriggerTimes, withLastChange } from './trigger-times.ts';

const MANAGED_BY = 'endpoints.kubernetes.io/managed-by';
const MANAGER = 'endpoint-controller';
const OVER_CAPACITY = 'endpoints.kubernetes.io/over-capacity';
/** One object holds no more; slices hold them all. */
const MOST_ADDRESSES = 1000;

export const endpointsController = defineController(() => {
  /** Services that are or were: with them go their Endpoints, whoever wrote those. */
  const services = new Set<ObjectKey>();
  const times = new TriggerTimes();
  return {
    name: 'endpoints-controller',
    serviceAccount: 'endpoint-controller',
    reconciles: Service,
    watches: [
      watching(Pod, (pod, cached) => servicesOf(pod, cached(Service)), matters),
      watching(Endpoints, ({ metadata }) => [`${metadata.namespace}/${metadata.name}`]),
    ],
    writes: { create: [Endpoints], update: [Endpoints], delete: [Endpoints] },

    async reconcile(service, { key, cached, api, events, weighs }) {
      services.add(key);
      if (!hasSelector(service)) return settled;
      const existing = cached(Endpoints).get(key);
      const all = cached(Pod).inNamespace(service.metadata.namespace ?? '');
      weighs(all.length);
      const pods = podsOf(service, all);
      const changedAt = times.since(key, service, pods);
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
        ...withLastChange(annotations, changedAt),
        ...(isOver && { [OVER_CAPACITY]: 'truncated' }),
      };
      try {
        if (existing) {
          const metadata = { ...existing.metadata, labels, annotations: changed };
          await api.update(Endpoints, { ...existing, metadata, subsets });
        } else await api.create(Endpoints, { metadata: { name, namespace, labels, annotations: changed }, subsets });
      } catch (error) {
        if (!existing && isNamespaceGoing(error)) return settled;
        if (!(error instanceof StatusError) || error.reason === 'Conflict') throw error;
        const about = existing ?? { apiVersion: 'v1', kind: 'Endpoints', metadata: { name, namespace } };
        const [reason, what] = existing
          ? ['FailedToUpdateEndpoint', 'update endpoint']
          : ['FailedToCreateEndpoint', 'create endpoint for service'];
        events.warning(about as Endpoints, reason, `Failed to ${what} ${namespace}/${name}: ${error.message}`);
        throw error;
      }
      return settled;
    },

    async gone({ key, cached, api }) {
      const existing = cached(Endpoints).get(key);
      // Others may have their own, for a leader election as an example.
      const isOurs = services.has(key) || existing?.metadata.labels?.[MANAGED_BY] === MANAGER;
      if (existing && isOurs) await api.delete(Endpoints, existing);
      times.forget(key);
      services.delete(key); // not before: what fails is tried again
      return settled;
    },
  };
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

/** A Service without ports has subsets without ports. */
function subsetsOf(service: Service, pods: readonly Pod[]): EndpointSubset[] {
  const each = pods.flatMap((pod): EndpointSubset[] => {
    const offered = offeredBy(pod, service);
    if (!offered) return [];
    const { address, ports, ready } = offered;
    return [{ [ready ? 'addresses' : 'notReadyAddresses']: [address], ports }];
  });
  return sorted(repackSubsets(each));
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

/** When not all find room: ready ones first, and each subset by its share. */
function withinCapacity(subsets: EndpointSubset[]): { subsets: EndpointSubset[]; isOver: boolean } {
  const count = (list: 'addresses' | 'notReadyAddresses') =>
    subsets.reduce((total, subset) => total + (subset[list]?.length ?? 0), 0);
  const [ready, notReady] = [count('addresses'), count('notReadyAddresses')];
  if (ready + notReady <= MOST_ADDRESSES) return { subsets, isOver: false };
  const isReadyCut = ready > MOST_ADDRESSES;
  const [list, total, room] = isReadyCut
    ? (['addresses', ready, MOST_ADDRESSES] as const)
    : (['notReadyAddresses', notReady, MOST_ADDRESSES - ready] as const);
  let left = room;
  const cut = subsets.map((subset) => {
    const all = subset[list] ?? [];
    const kept = all.slice(0, Math.min(left, Math.ceil((all.length / total) * room)));
    left -= kept.length;
    return { ...subset, ...(isReadyCut && { notReadyAddresses: [] }), [list]: kept };
  });
  const isLeft = ({ addresses, notReadyAddresses }: EndpointSubset) => addresses?.length || notReadyAddresses?.length;
  return { subsets: sorted(cut.filter(isLeft)), isOver: true };
}
