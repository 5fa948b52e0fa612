/** What a pod asks of a node. Source: "Resource Management for Pods and Containers"; KEP-753 (sidecars), KEP-688 (overhead). */
import type { Container, PodSpec } from '#api/generated/schema.ts';
import { addQuantities, maxQuantity } from '#api/machinery/quantity.ts';
import { isRestartableInit } from './pod-conditions.ts';

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
  return spec.overhead && Object.keys(total).length > 0 ? sum(total, spec.overhead) : total;
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
