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
  /** Why pods are no endpoints that should be. */
  skipped: string[];
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
  const families = familiesOf(service);
  // What an earlier Service of the name has left goes with it.
  const isUsable = (slice: EndpointSlice) => families.includes(slice.addressType as Family) && isOwned(slice, service);
  const remove = existing.filter((slice) => !isUsable(slice));
  const changes: SliceChanges = { create: [], update: [], remove, events: [], skipped: [] };
  for (const family of families) {
    const { groups, skipped } = groupsOf(service, family, { pods, nodeOf });
    const left = new Set(existing.filter((slice) => slice.addressType === family && isUsable(slice)));
    const layout: Layout = { family, create: [], update: [], unchanged: [] };
    for (const group of groups) place(group, service, left, layout);
    keepOne(service, left, layout);
    const hinted = withHints(service, layout, sources);
    const { create, update } = reused(hinted.create, left);
    changes.create.push(...create);
    changes.update.push(...hinted.update, ...update);
    changes.remove.push(...left);
    changes.events.push(...hinted.events);
    changes.skipped.push(...skipped.filter((why) => !changes.skipped.includes(why)));
  }
  return changes;
}

const isOwned = ({ metadata }: EndpointSlice, service: Service): boolean =>
  metadata.ownerReferences?.some(({ kind, uid }) => kind === 'Service' && uid === service.metadata.uid) ?? false;

/** A Service without endpoints has an empty slice, so that it has one at all. */
function keepOne(service: Service, left: Set<EndpointSlice>, layout: Layout): void {
  if (layout.create.length + layout.update.length + layout.unchanged.length > 0) return;
  const [slice, ...more] = left;
  const isEmpty = slice && more.length === 0 && slice.endpoints.length === 0 && (slice.ports ?? []).length === 0;
  if (isEmpty && isEqual(slice.metadata.labels, labelsOf(service))) {
    left.delete(slice);
    layout.unchanged.push(slice);
  } else layout.create.push(draftOf({ family: layout.family as Family, ports: [], endpoints: [] }, service, []));
}

/** What is to be made takes the place of what is to go: who watches sees a change instead of a gap. */
function reused(drafts: readonly Draft<EndpointSlice>[], left: Set<EndpointSlice>) {
  const create = [...drafts];
  const update: EndpointSlice[] = [];
  for (const slice of left) {
    const draft = create.pop();
    if (!draft) break;
    left.delete(slice);
    const { annotations: _, ...metadata } = slice.metadata;
    const { endpoints, ports } = draft;
    const labels = draft.metadata.labels ?? {};
    update.push({ ...slice, metadata: { ...metadata, labels }, endpoints, ...(ports && { ports }) });
  }
  return { create, update };
}

interface Groups {
  /** One for each set of ports. */
  groups: Group[];
  /** Why pods are no endpoints. */
  skipped: string[];
}

function groupsOf(service: Service, family: Family, { pods, nodeOf }: Pick<Surroundings, 'pods' | 'nodeOf'>): Groups {
  const byPorts = new Map<string, Group>();
  const skipped: string[] = [];
  const { namespace, name } = service.metadata;
  for (const pod of pods) {
    const { nodeName } = pod.spec;
    const node = nodeName ? nodeOf(nodeName) : undefined;
    if (nodeName && !node && !service.spec.publishNotReadyAddresses) {
      // A pod on a node that is gone will be gone as well.
      const who = `Pod ${pod.metadata.name} for Service ${namespace}/${name}`;
      skipped.push(`skipping ${who}: Node ${nodeName} Not Found`);
      continue;
    }
    const address = addressOfFamily(pod, family);
    if (!address) continue;
    const ports = portsOn(pod, service);
    const id = JSON.stringify(ports);
    const group = byPorts.get(id) ?? { family, ports, endpoints: [] };
    group.endpoints.push(endpointOf(pod, { service, address, node }));
    byPorts.set(id, group);
  }
  return { groups: [...byPorts.values()], skipped };
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

interface Entry {
  slice: EndpointSlice;
  endpoints: Endpoint[];
}

/** As few slices as can be are written: those that change anyway take what is new, then one that has room for all of it. */
function place(group: Group, service: Service, left: Set<EndpointSlice>, layout: Layout): void {
  const wanted = new Map(group.endpoints.map((endpoint) => [idOf(endpoint), endpoint]));
  const labels = labelsOf(service);
  const changed: Entry[] = [];
  const same: Entry[] = [];
  for (const slice of [...left].filter(({ ports }) => isEqual(ports ?? [], group.ports))) {
    const endpoints = takeFrom(slice, wanted);
    const isSame = isEqual(endpoints, hasHints(slice) ? withoutHints(slice.endpoints) : slice.endpoints);
    if (endpoints.length === 0 && !isSame) continue; // one that was emptied is better removed than filled again
    left.delete(slice);
    (isSame && isEqual(slice.metadata.labels, labels) ? same : changed).push({ slice, endpoints });
  }
  changed.sort((a, b) => b.endpoints.length - a.endpoints.length);
  for (const { endpoints } of changed) fill(endpoints, wanted);
  while (wanted.size > 0) {
    const roomy = fullestWithRoom(same, wanted.size);
    const endpoints = roomy?.endpoints ?? [];
    fill(endpoints, wanted);
    if (!roomy) layout.create.push(draftOf(group, service, endpoints));
    else {
      same.splice(same.indexOf(roomy), 1);
      changed.push(roomy);
    }
  }
  for (const { slice, endpoints } of changed)
    layout.update.push({ ...slice, metadata: { ...slice.metadata, labels }, endpoints, ports: group.ports });
  layout.unchanged.push(...same.map(({ slice }) => slice));
}

function fullestWithRoom(entries: readonly Entry[], count: number): Entry | undefined {
  const fitting = entries.filter(({ endpoints }) => endpoints.length + count <= MOST_IN_A_SLICE);
  return fitting.sort((a, b) => b.endpoints.length - a.endpoints.length)[0];
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
  for (const [id, endpoint] of wanted) {
    if (endpoints.length >= MOST_IN_A_SLICE) return;
    endpoints.push(endpoint);
    wanted.delete(id);
  }
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
