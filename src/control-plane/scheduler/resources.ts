/** Amounts as the scheduler counts them: plain numbers, made once for each pod and node. */
import type { Node } from '#api/core/v1/node.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import { podRequests } from '#api/core/v1/pod-resources.ts';
import { quantityMilliValue, quantityValue } from '#api/machinery/quantity.ts';

/** cpu in thousandths, all else in whole units (bytes, pieces). */
export type Amounts = ReadonlyMap<string, number>;

const amountsOf = (list: Readonly<Record<string, string>>): Map<string, number> =>
  new Map(
    Object.entries(list).map(([name, text]) => [name, name === 'cpu' ? quantityMilliValue(text) : quantityValue(text)]),
  );

const requests = new WeakMap<Pod, Amounts>();

export function requestsOf(pod: Pod): Amounts {
  let amounts = requests.get(pod);
  if (!amounts) {
    amounts = amountsOf(podRequests(pod.spec));
    requests.set(pod, amounts);
  }
  return amounts;
}

/** What a container is taken to need when it does not say, so that such pods are spread too. Source: scheduler util, non_zero. */
const UNSAID: ReadonlyMap<string, string> = new Map([
  ['cpu', '100m'],
  ['memory', '200Mi'],
]);

const assumed = new WeakMap<Pod, Amounts>();

/** cpu and memory for scoring, where a container that asks for nothing counts as well. */
export function assumedRequestsOf(pod: Pod): Amounts {
  let amounts = assumed.get(pod);
  if (!amounts) {
    const containers = pod.spec.containers.map(withUnsaid);
    const initContainers = pod.spec.initContainers?.map(withUnsaid);
    amounts = amountsOf(podRequests({ ...pod.spec, containers, ...(initContainers && { initContainers }) }));
    assumed.set(pod, amounts);
  }
  return amounts;
}

function withUnsaid(container: Pod['spec']['containers'][number]) {
  const asked = container.resources?.requests ?? {};
  return { ...container, resources: { ...container.resources, requests: { ...Object.fromEntries(UNSAID), ...asked } } };
}

const allocatable = new WeakMap<Node, Amounts>();

export function allocatableOf(node: Node): Amounts {
  let amounts = allocatable.get(node);
  if (!amounts) {
    amounts = amountsOf(node.status?.allocatable ?? {});
    allocatable.set(node, amounts);
  }
  return amounts;
}

export function plus(a: Amounts, b: Amounts): Amounts {
  if (b.size === 0) return a;
  const sum = new Map(a);
  for (const [name, amount] of b) sum.set(name, (sum.get(name) ?? 0) + amount);
  return sum;
}
