/** What a pod asks of a node. Source: "Resource Management for Pods and Containers"; KEP-753 (sidecars), KEP-688 (overhead). */
import type { Container, ContainerStatus, Pod, PodSpec, ResourceRequirements } from '#api/generated/schema.ts';
import { addQuantities, maxQuantity, quantityMilliValue } from '#api/machinery/quantity.ts';
import { conditionOf, isRestartableInit } from './pod-conditions.ts';

/** Amounts by the name of the resource: `{ cpu: '500m', memory: '1Gi' }`. */
export type ResourceList = Readonly<Record<string, string>>;

/** What the scheduler counts and the kubelet admits. */
export const podRequests = (spec: PodSpec): ResourceList => podTotal(spec, 'requests');

/** The sum of what is limited; a container without a limit of a resource adds nothing to it. */
export const podLimits = (spec: PodSpec): ResourceList => podTotal(spec, 'limits');

function podTotal(spec: PodSpec, what: 'requests' | 'limits'): ResourceList {
  const containers = containersTotal(spec, what);
  const pod = spec.resources?.[what];
  const total = pod ? { ...containers, ...pod } : containers;
  if (!spec.overhead) return total;
  if (what === 'requests') return sum(total, spec.overhead);
  const limited = Object.entries(spec.overhead).filter(([name]) => quantityMilliValue(total[name] ?? '0') > 0);
  return sum(total, Object.fromEntries(limited)); // what is not limited is not limited by the overhead either
}

/**
 * Containers run together, with the sidecars; init containers run one after the other, each beside the sidecars that were
 * started before it. The pod needs the larger of the two, resource by resource.
 */
function containersTotal(spec: PodSpec, what: 'requests' | 'limits'): ResourceList {
  const of = (container: Container): ResourceList => container.resources?.[what] ?? {};
  let running = spec.containers.map(of).reduce(sum, {});
  let sidecars: ResourceList = {};
  let starting: ResourceList = {};
  for (const container of spec.initContainers ?? []) {
    if (isRestartableInit(container)) {
      sidecars = sum(sidecars, of(container));
      running = sum(running, of(container));
      starting = larger(starting, sidecars);
    } else starting = larger(starting, sum(sidecars, of(container)));
  }
  return larger(running, starting);
}

const sum = (a: ResourceList, b: ResourceList): ResourceList => combined(a, b, (x, y) => addQuantities(x, y));
const larger = (a: ResourceList, b: ResourceList): ResourceList => combined(a, b, maxQuantity);

function combined(a: ResourceList, b: ResourceList, both: (x: string, y: string) => string): ResourceList {
  const result = new Map(Object.entries(a));
  for (const [name, amount] of Object.entries(b)) {
    const other = result.get(name);
    result.set(name, other === undefined ? amount : both(other, amount));
  }
  return Object.fromEntries(result);
}

type ResizablePod = Pick<Pod, 'spec' | 'status'>;

/**
 * The spec as it counts: a pod that is being resized counts with the most of what it asks for, was given and has; one whose wish
 * cannot be met, with the latter two. The spec itself when that is all the same. `podLevel`: what the pod says for all its containers
 * follows as well. Source: KEP-1287, KEP-5419; component-helpers, PodRequests with UseStatusResources.
 */
export function specInUse(pod: ResizablePod, { podLevel = false }: { podLevel?: boolean } = {}): PodSpec {
  const { spec, status } = pod;
  if (!status || !isInResize(pod)) return spec;
  const isInfeasible = conditionOf(pod, 'PodResizePending')?.reason === 'Infeasible';
  const inUse = (container: Container, statuses: readonly ContainerStatus[] | undefined): Container => {
    const said = statuses?.find(({ name }) => name === container.name);
    return said?.resources
      ? { ...container, resources: countedFrom(container.resources, said as Said, isInfeasible) }
      : container;
  };
  const { containers, initContainers, resources } = spec;
  const whole = podLevel && resources && status.resources && countedFrom(resources, status as Said, isInfeasible);
  return {
    ...spec,
    containers: containers.map((each) => inUse(each, status.containerStatuses)),
    ...(initContainers && {
      initContainers: initContainers.map((each) =>
        isRestartableInit(each) ? inUse(each, status.initContainerStatuses) : each,
      ),
    }),
    ...(whole && { resources: { ...resources, requests: only(whole.requests, resources.requests) } }),
  };
}

/** What a status says of resources: what is in force, and what was given. */
interface Said {
  resources?: Pick<ResourceRequirements, 'requests' | 'limits'>;
  allocatedResources?: ResourceList;
}

function countedFrom(asked: ResourceRequirements | undefined, said: Said, isInfeasible: boolean): ResourceRequirements {
  const { requests = {}, limits = {} } = said.resources ?? {};
  const given = larger(requests, said.allocatedResources ?? {});
  return {
    ...asked,
    requests: isInfeasible ? given : larger(asked?.requests ?? {}, given),
    limits: isInfeasible ? limits : larger(asked?.limits ?? {}, limits),
  };
}

const only = (amounts: ResourceList = {}, names: ResourceList = {}): ResourceList =>
  Object.fromEntries(Object.entries(amounts).filter(([name]) => Object.hasOwn(names, name)));

/** Whether its status says other amounts than its spec. Asked at every change of every pod: it makes nothing. */
export function isInResize({ spec, status }: ResizablePod): boolean {
  if (!status) return false;
  return (
    anyDiffers(status.containerStatuses, spec.containers) ||
    anyDiffers(status.initContainerStatuses, spec.initContainers) ||
    (spec.resources !== undefined && differs(status as Said, spec.resources))
  );
}

function anyDiffers(statuses: readonly ContainerStatus[] | undefined, containers: readonly Container[] = []): boolean {
  if (!statuses) return false;
  for (const status of statuses) {
    if (!status.resources) continue;
    for (const { name, resources } of containers)
      if (name === status.name && differs(status as Said, resources)) return true;
  }
  return false;
}

const differs = ({ resources, allocatedResources }: Said, asked: ResourceRequirements | undefined): boolean =>
  isOther(resources?.requests, asked?.requests) ||
  isOther(resources?.limits, asked?.limits) ||
  isOther(allocatedResources, asked?.requests);

function isOther(said: ResourceList | undefined, asked: ResourceList | undefined): boolean {
  if (said) for (const name in said) if (said[name] !== asked?.[name]) return true;
  return false;
}
