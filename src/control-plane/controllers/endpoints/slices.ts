/**
 * Endpoints into slices, with as few changes as can be: what stays keeps its slice, what is new fills the gaps, and only
 * what does not fit makes a new slice. All endpoints of a slice offer the same ports.
 */

import { isReady } from '#api/core/v1/pod-conditions.ts';
import { targetPortOn } from '#api/core/v1/service/targets.ts';
import { SERVICE_NAME } from '#api/discovery/v1/endpoint-slice.ts';
import type { DiscoveryEndpointPort, Endpoint, EndpointSlice, Node, Pod, Service } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { Draft } from '#client/client.ts';
import { controllerReferenceTo } from '../claim.ts';
import { type HintEvent, type HintSources, hasHints, type Layout, withHints } from './hints.ts';
import { addressOfFamily, familiesOf, HEADLESS_LABEL, hostnameOf, isHeadless } from './service-endpoints.ts';

export const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';
export const MANAGER = 'endpointslice-controller.k8s.io';
/** Source: kube-controller-manager, --max-endpoints-per-slice. */
const MOST_IN_A_SLICE = 100;
const ZONE = 'topology.kubernetes.io/zone';

type Family = 'IPv4' | 'IPv6';
export interface Group {
  family: Family;
  ports: DiscoveryEndpointPort[];
  endpoints: Endpoint[];
}

export interface SliceChanges {
  create: Draft<EndpointSlice>[];
  update: EndpointSlice[];
  remove: EndpointSlice[];
  /** About hints. */
  events: HintEvent[];
}

export interface Surroundings extends HintSources {
  pods: readonly Pod[];
  nodeOf(name: string): Node | undefined;
}

export function sliceChanges(
  service: Service,
  existing: readonly EndpointSlice[],
  { pods, nodeOf, ...sources }: Surroundings,
): SliceChanges {
  const changes: SliceChanges = { create: [], update: [], remove: [], events: [] };
  const families = familiesOf(service);
  changes.remove.push(...existing.filter(({ addressType }) => !families.includes(addressType as Family)));
  for (const family of families) {
    const groups = groupsOf(service, family, { pods, nodeOf });
    const left = new Set(existing.filter(({ addressType }) => addressType === family));
    const layout: Layout = { family, create: [], update: [], unchanged: [] };
    for (const group of groups) place(group, service, left, layout);
    changes.remove.push(...left);
    const hinted = withHints(service, layout, sources);
    changes.create.push(...hinted.create);
    changes.update.push(...hinted.update);
    changes.events.push(...hinted.events);
  }
  return changes;
}

/** One for each set of ports; for a Service without endpoints an empty one, so that it has a slice at all. */
function groupsOf(service: Service, family: Family, { pods, nodeOf }: Pick<Surroundings, 'pods' | 'nodeOf'>): Group[] {
  const byPorts = new Map<string, Group>();
  for (const pod of pods) {
    const address = addressOfFamily(pod, family);
    if (!address) continue;
    const { nodeName } = pod.spec;
    const node = nodeName ? nodeOf(nodeName) : undefined;
    // A pod on a node that is gone will be gone as well.
    if (nodeName && !node && !service.spec.publishNotReadyAddresses) continue;
    const ports = portsOn(pod, service);
    const id = JSON.stringify(ports);
    const group = byPorts.get(id) ?? { family, ports, endpoints: [] };
    group.endpoints.push(endpointOf(pod, { service, address, node }));
    byPorts.set(id, group);
  }
  return byPorts.size > 0 ? [...byPorts.values()] : [{ family, ports: [], endpoints: [] }];
}

function portsOn(pod: Pod, { spec }: Service): DiscoveryEndpointPort[] {
  return (spec.ports ?? []).flatMap((servicePort) => {
    const port = targetPortOn(pod, servicePort);
    const { name = '', protocol, appProtocol } = servicePort;
    return port === undefined ? [] : [{ name, protocol, port, ...(appProtocol && { appProtocol }) }];
  });
}

function endpointOf(
  pod: Pod,
  { service, address, node }: { service: Service; address: string; node: Node | undefined },
): Endpoint {
  const serving = isReady(pod);
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const { name, namespace, uid } = pod.metadata;
  const hostname = hostnameOf(pod, service);
  const zone = node?.metadata.labels?.[ZONE];
  return {
    addresses: [address],
    conditions: {
      ready: Boolean(service.spec.publishNotReadyAddresses) || (serving && !terminating),
      serving,
      terminating,
    },
    ...(hostname && { hostname }),
    targetRef: { kind: 'Pod', ...(namespace && { namespace }), name, uid },
    ...(pod.spec.nodeName && { nodeName: pod.spec.nodeName }),
    ...(zone && { zone }),
  };
}

const idOf = ({ targetRef, addresses }: Endpoint): string => `${targetRef?.uid}/${addresses[0]}`;

function place(group: Group, service: Service, left: Set<EndpointSlice>, layout: Layout): void {
  const wanted = new Map(group.endpoints.map((endpoint) => [idOf(endpoint), endpoint]));
  const slices = [...left].filter((slice) => isEqual(slice.ports, group.ports));
  const kept = slices.map((slice) => ({ slice, endpoints: takeFrom(slice, wanted) }));
  for (const { endpoints } of kept) fill(endpoints, wanted);

  // An empty slice goes, unless the Service would be left without any.
  const isNeeded = group.endpoints.length === 0 ? kept[0] : undefined;
  for (const entry of kept) {
    const { slice, endpoints } = entry;
    if (endpoints.length === 0 && entry !== isNeeded) continue;
    left.delete(slice);
    const next = { ...slice, metadata: metadataOf(slice, service), endpoints, ports: group.ports };
    if (isEqual(next, hasHints(slice) ? { ...slice, endpoints: withoutHints(slice.endpoints) } : slice))
      layout.unchanged.push(slice);
    else layout.update.push(next);
  }
  for (const endpoints of chunksOf([...wanted.values()])) layout.create.push(draftOf(group, service, endpoints));
  if (group.endpoints.length === 0 && !isNeeded) layout.create.push(draftOf(group, service, []));
}

const withoutHints = (endpoints: readonly Endpoint[]): Endpoint[] =>
  endpoints.map(({ hints: _, ...endpoint }) => endpoint);

/** What of a slice is still wanted, as it is now; each is taken out of `wanted`. */
function takeFrom(slice: EndpointSlice, wanted: Map<string, Endpoint>): Endpoint[] {
  return slice.endpoints.flatMap((known) => {
    const id = idOf(known);
    const endpoint = wanted.get(id);
    wanted.delete(id);
    return endpoint ? [endpoint] : [];
  });
}

function fill(endpoints: Endpoint[], wanted: Map<string, Endpoint>): void {
  if (endpoints.length === 0) return; // an emptied slice is better removed than filled again
  for (const [id, endpoint] of wanted) {
    if (endpoints.length >= MOST_IN_A_SLICE) return;
    endpoints.push(endpoint);
    wanted.delete(id);
  }
}

function chunksOf(endpoints: Endpoint[]): Endpoint[][] {
  const count = Math.ceil(endpoints.length / MOST_IN_A_SLICE);
  return Array.from({ length: count }, (_, i) => endpoints.slice(i * MOST_IN_A_SLICE, (i + 1) * MOST_IN_A_SLICE));
}

function draftOf({ family, ports }: Group, service: Service, endpoints: Endpoint[]): Draft<EndpointSlice> {
  const { name, namespace } = service.metadata;
  return {
    metadata: {
      generateName: `${name}-`,
      ...(namespace && { namespace }),
      labels: labelsOf(service),
      ownerReferences: [controllerReferenceTo(service)],
    },
    addressType: family,
    endpoints,
    ports,
  };
}

const metadataOf = (slice: EndpointSlice, service: Service): EndpointSlice['metadata'] => ({
  ...slice.metadata,
  labels: labelsOf(service),
});

/** The Service's own, and those by which slices are found. */
function labelsOf(service: Service): Record<string, string> {
  const { [HEADLESS_LABEL]: _, ...own } = service.metadata.labels ?? {};
  return {
    ...own,
    ...(isHeadless(service) && { [HEADLESS_LABEL]: '' }),
    [SERVICE_NAME]: service.metadata.name,
    [MANAGED_BY]: MANAGER,
  };
}
