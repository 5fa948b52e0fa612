/**
 * Extended resources (`example.com/gpu: 1`) that devices meet: a class says for which one it stands, and every class has one of
 * its own name as well. On a node whose devices no device plugin counts, what the containers of a pod ask for becomes one claim
 * that the scheduler makes. Source: KEP-5004, DRAExtendedResource.
 */
import type { Pod } from '#api/core/v1/pod.ts';
import { isExtendedResource } from '#api/core/v1/resource-names.ts';
import type { Container, ContainerExtendedResourceRequest, DeviceRequest } from '#api/generated/schema.ts';
import { quantityValue } from '#api/machinery/quantity.ts';
import type { DeviceClass } from '#api/resource/v1/device-class.ts';
import type { ResourceClaim } from '#api/resource/v1/resource-claim.ts';
import { requestsOf } from '../../resources.ts';

/** Followed by the name of a class. */
const OF_CLASS = 'deviceclass.resource.kubernetes.io/';
export const EXTENDED_CLAIM = 'resource.kubernetes.io/extended-resource-claim';
/** As long as it is not written; it is no name that a claim may have. */
const NOT_WRITTEN = '<extended-resources>';

/** By resource, those that a pod asks for. */
export type ClassesByResource = ReadonlyMap<string, DeviceClass>;
const NONE: ClassesByResource = new Map();

const mayBeMet = (resource: string): boolean => resource.startsWith(OF_CLASS) || isExtendedResource(resource);

/** For more than processor, memory and disk. */
export const asksForOthers = (pod: Pod): boolean => requestsOf(pod).others.size > 0;

/** `classes` are asked for only when the pod has resources of that sort. */
export function classesMeeting(pod: Pod, classes: () => readonly DeviceClass[]): ClassesByResource {
  const { others } = requestsOf(pod);
  if (others.size === 0) return NONE;
  const asked = [...others].filter(([name, amount]) => amount > 0 && mayBeMet(name)).map(([name]) => name);
  if (asked.length === 0) return NONE;
  const all = classes();
  return new Map(
    asked.flatMap((resource) => {
      const found = classMeeting(resource, all);
      return found ? [[resource, found] as const] : [];
    }),
  );
}

/** Of several the newest: so a resource can go over from one class to another. */
function classMeeting(resource: string, classes: readonly DeviceClass[]): DeviceClass | undefined {
  if (resource.startsWith(OF_CLASS)) {
    const name = resource.slice(OF_CLASS.length);
    return classes.find(({ metadata }) => metadata.name === name);
  }
  return classes
    .filter(({ spec }) => spec.extendedResourceName === resource)
    .sort((a, b) => laterFirst(a.metadata, b.metadata))[0];
}

type Dated = Pick<DeviceClass['metadata'], 'name' | 'creationTimestamp'>;
function laterFirst(a: Dated, b: Dated): number {
  const [first, second] = [a.creationTimestamp ?? '', b.creationTimestamp ?? ''];
  if (first !== second) return first > second ? -1 : 1;
  return a.name < b.name ? -1 : 1;
}

/** Whether a class that came, or has another resource, could meet what the pod asks for. */
export function couldMeet(pod: Pod, now: DeviceClass, before: DeviceClass | undefined): boolean {
  const { others } = requestsOf(pod);
  const { extendedResourceName = '' } = now.spec;
  if (before && (before.spec.extendedResourceName ?? '') === extendedResourceName) return false;
  return others.has(extendedResourceName) || (!before && others.has(OF_CLASS + now.metadata.name));
}

/** Whether there is something that only a class could meet on this node. */
export const needsClass = (pod: Pod, counted: ReadonlyMap<string, number>): boolean =>
  [...requestsOf(pod).others].some(([name, amount]) => amount > 0 && !counted.get(name) && mayBeMet(name));

/** Of resources that no class meets: one that the node does not even count. */
export const unmetOn = (
  pod: Pod,
  classes: ClassesByResource,
  counted: ReadonlyMap<string, number>,
): string | undefined =>
  [...requestsOf(pod).others].find(
    ([name, amount]) => amount > 0 && mayBeMet(name) && !classes.has(name) && !counted.has(name),
  )?.[0];

/** The one that was made for the pod before. */
export const extendedClaimOf = (pod: Pod, claims: readonly ResourceClaim[]): ResourceClaim | undefined =>
  claims.find(
    ({ metadata }) =>
      metadata.annotations?.[EXTENDED_CLAIM] === 'true' &&
      metadata.ownerReferences?.some(
        ({ name, uid, controller }) => controller && name === pod.metadata.name && uid === pod.metadata.uid,
      ),
  );

/** Its UID is the pod's as long as it has none. */
export function extendedClaimFor(
  { metadata: { namespace, name, uid } }: Pod,
  requests: DeviceRequest[],
): ResourceClaim {
  return {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceClaim',
    metadata: {
      ...(namespace && { namespace }),
      name: NOT_WRITTEN,
      uid,
      generateName: `${name}-extended-resources-`,
      ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name, uid, controller: true }],
      annotations: { [EXTENDED_CLAIM]: 'true' },
    },
    spec: { devices: { requests } },
  } as unknown as ResourceClaim;
}

export interface Mapped {
  requests: DeviceRequest[];
  /** Which requests are for which container. */
  mappings: ContainerExtendedResourceRequest[];
}

/** For these resources of the pod, sorted as upstream sorts them. */
export function requestsFor(pod: Pod, classes: ClassesByResource): Mapped {
  const each = [...classes.keys()].sort().map((resource) => requestsOfOne(pod, resource, classes.get(resource)!));
  return {
    requests: each.flatMap(({ requests }) => requests).sort((a, b) => (a.name < b.name ? -1 : 1)),
    mappings: each.flatMap(({ mappings }) => mappings),
  };
}

/**
 * Containers that run side by side have devices of their own. Init containers run one after the other before them: they use
 * those of containers that come later, and what they need beyond that is asked for once, as the most that one of them needs.
 */
function requestsOfOne(pod: Pod, resource: string, { metadata: { name: className } }: DeviceClass): Mapped {
  const init = pod.spec.initContainers ?? [];
  const containers = [...init, ...pod.spec.containers];
  const isShort = (index: number) => index < init.length && containers[index]?.restartPolicy !== 'Always';
  const own = new Map<number, DeviceRequest>();
  const lasting: ContainerExtendedResourceRequest[] = [];
  for (const [index, container] of containers.entries()) {
    if (isShort(index)) continue;
    const made = requestOf(container, { index, resource, className, reusable: [] });
    if (made.request) own.set(index, made.request);
    lasting.push(...made.mappings);
  }
  const short = containers.flatMap((container, index) => {
    if (!isShort(index)) return [];
    const reusable = [...own].filter(([of]) => of >= index).map(([, request]) => request);
    return [requestOf(container, { index, resource, className, reusable })];
  });
  const further = short.flatMap(({ request }) => request ?? []);
  const most = further.reduce<DeviceRequest | undefined>(
    (first, one) => (first && countOf(first) >= countOf(one) ? first : one),
    undefined,
  );
  const names = new Set(further.map(({ name }) => name));
  const shared = short
    .flatMap(({ mappings }) => mappings)
    .map((mapping) => (most && names.has(mapping.requestName) ? { ...mapping, requestName: most.name } : mapping));
  return { requests: [...(most ? [most] : []), ...own.values()], mappings: [...lasting, ...shared] };
}

interface Asked {
  /** Of the container among all, those of the initialisation first. */
  index: number;
  resource: string;
  className: string;
  /** Of containers that do not run yet. */
  reusable: readonly DeviceRequest[];
}

function requestOf(
  { name: containerName, resources }: Container,
  { index, resource, className, reusable }: Asked,
): { request?: DeviceRequest; mappings: ContainerExtendedResourceRequest[] } {
  const amount = quantityValue(resources?.requests?.[resource] ?? '0');
  if (amount === 0) return { mappings: [] };
  const mappings: ContainerExtendedResourceRequest[] = [];
  let sum = 0;
  for (const request of reusable) {
    sum += countOf(request);
    mappings.push({ containerName, resourceName: resource, requestName: request.name });
    if (sum >= amount) return { mappings };
  }
  const place = Object.keys(resources?.requests ?? {})
    .sort()
    .indexOf(resource);
  const name = `container-${index}-request-${place}`;
  mappings.push({ containerName, resourceName: resource, requestName: name });
  const exactly = { deviceClassName: className, allocationMode: 'ExactCount' as const, count: amount - sum };
  return { request: { name, exactly }, mappings };
}

const countOf = ({ exactly }: DeviceRequest): number => exactly?.count ?? 0;
