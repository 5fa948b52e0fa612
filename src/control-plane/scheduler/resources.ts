/** Amounts as the scheduler counts them: plain numbers, made once for each pod and node. */
import type { Node } from '#api/core/v1/node.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import { podRequests, specInUse } from '#api/core/v1/pod-resources.ts';
import type { PodSpec } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { quantityMilliValue, quantityValue } from '#api/machinery/quantity.ts';

/** cpu in thousandths, all else in whole units (bytes, pieces): sums of them are exact. Not to be changed. */
export interface Amounts {
  /** By `CPU`, `MEMORY`, `EPHEMERAL_STORAGE` and `PODS`: what nearly every pod and node has. */
  readonly common: Float64Array;
  /** By name: huge pages, extended resources. */
  readonly others: ReadonlyMap<string, number>;
}

export const CPU = 0;
export const MEMORY = 1;
export const EPHEMERAL_STORAGE = 2;
export const PODS = 3;
export const COMMON_NAMES = ['cpu', 'memory', 'ephemeral-storage', 'pods'] as const;

/** Equal for equal amounts. */
export const signatureOf = ({ common, others }: Amounts): string =>
  others.size === 0 ? common.join() : `${common.join()} ${JSON.stringify([...others].sort())}`;

const NO_OTHERS: ReadonlyMap<string, number> = new Map();
export const NOTHING: Amounts = { common: new Float64Array(COMMON_NAMES.length), others: NO_OTHERS };

/** 0 where nothing is said. */
export function amountOf(name: string, { common, others }: Amounts): number {
  const place = COMMON_NAMES.indexOf(name as (typeof COMMON_NAMES)[number]);
  return (place < 0 ? others.get(name) : common[place]) ?? 0;
}

function amountsFrom(list: Readonly<Record<string, string>>): Amounts {
  const common = new Float64Array(COMMON_NAMES.length);
  let others: Map<string, number> | undefined;
  for (const name of Object.keys(list)) {
    const text = list[name] as string;
    const amount = name === 'cpu' ? quantityMilliValue(text) : quantityValue(text);
    const place = COMMON_NAMES.indexOf(name as (typeof COMMON_NAMES)[number]);
    if (place >= 0) common[place] = amount;
    else others = (others ?? new Map<string, number>()).set(name, amount);
  }
  return { common, others: others ?? NO_OTHERS };
}

interface Asked {
  requests: Amounts;
  assumed: Amounts;
}

const known = new WeakMap<Pod, Asked>();
/** What was counted last: the next pod is mostly one of the same template. */
let latest: { spec: PodSpec; asked: Asked } | undefined;

function askedBy(pod: Pod): Asked {
  let asked = known.get(pod);
  if (!asked) {
    const spec = specInUse(pod, { podLevel: true });
    if (!latest || !asksForTheSame(latest.spec, spec)) latest = { spec, asked: countedFrom(spec) };
    asked = latest.asked;
    known.set(pod, asked);
  }
  return asked;
}

export const requestsOf = (pod: Pod): Amounts => askedBy(pod).requests;

/** For scoring: a container that asks for no cpu or memory counts as well. */
export const assumedRequestsOf = (pod: Pod): Amounts => askedBy(pod).assumed;

/** What a container is taken to need when it does not say, so that such pods are spread too. Source: scheduler util, non_zero. */
const UNSAID = { cpu: '100m', memory: '200Mi' };

function countedFrom(spec: PodSpec): Asked {
  const { containers, initContainers = [] } = spec;
  const requests = amountsFrom(podRequests(spec));
  if (saysAll(containers) && saysAll(initContainers)) return { requests, assumed: requests };
  const said = {
    ...spec,
    containers: containers.map(withUnsaid),
    ...(initContainers.length > 0 && { initContainers: initContainers.map(withUnsaid) }),
  };
  return { requests, assumed: amountsFrom(podRequests(said)) };
}

/** Container by container. */
const asksForTheSame = (a: PodSpec, b: PodSpec): boolean =>
  isEqual(a.resources, b.resources) &&
  isEqual(a.overhead, b.overhead) &&
  askForTheSame(a.containers, b.containers) &&
  askForTheSame(a.initContainers, b.initContainers);

function askForTheSame(some: Containers = [], others: Containers = []): boolean {
  return (
    some.length === others.length &&
    some.every(({ resources, restartPolicy }, index) => {
      const other = others[index];
      return restartPolicy === other?.restartPolicy && isEqual(resources, other?.resources);
    })
  );
}

type Containers = PodSpec['containers'];

const saysAll = (containers: Containers): boolean =>
  containers.every(
    ({ resources }) => resources?.requests?.cpu !== undefined && resources.requests.memory !== undefined,
  );

const withUnsaid = (container: Containers[number]): Containers[number] => ({
  ...container,
  resources: { ...container.resources, requests: { ...UNSAID, ...container.resources?.requests } },
});

/** The other object says the same of this pod's containers: what was made of them is good for it too. */
export function shareAmounts(from: Pod, to: Pod): void {
  const asked = known.get(from);
  if (asked) known.set(to, asked);
}

const allocatable = new WeakMap<Node, Amounts>();

export function allocatableOf(node: Node): Amounts {
  let amounts = allocatable.get(node);
  if (!amounts) {
    amounts = amountsFrom(node.status?.allocatable ?? {});
    allocatable.set(node, amounts);
  }
  return amounts;
}

export const plus = (a: Amounts, b: Amounts): Amounts => combined(a, b, 1);
export const minus = (a: Amounts, b: Amounts): Amounts => combined(a, b, -1);

function combined(a: Amounts, b: Amounts, sign: 1 | -1): Amounts {
  const common = new Float64Array(COMMON_NAMES.length);
  for (let i = 0; i < common.length; i++) common[i] = (a.common[i] as number) + sign * (b.common[i] as number);
  if (b.others.size === 0) return { common, others: a.others };
  const others = new Map(a.others);
  for (const [name, amount] of b.others) {
    const left = (others.get(name) ?? 0) + sign * amount;
    if (left === 0) others.delete(name);
    else others.set(name, left);
  }
  return { common, others };
}
