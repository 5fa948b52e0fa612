/** Requests and limits as the kernel understands them. Source: "Pod Quality of Service Classes"; KEP-2254; upstream's cm. */
import { qosClassOf } from '#api/core/v1/pod-qos.ts';
import type { Container, Pod } from '#api/generated/schema.ts';
import { quantityMilliValue, quantityValue } from '#api/machinery/quantity.ts';
import type { CgroupLimits } from '#node/runtime/cgroups/cgroups.ts';
import type { LinuxContainerResources } from '#node/runtime/container.ts';
import { initContainers, isSidecar } from './pod-containers.ts';

const PERIOD_US = 100_000;
const MIN_QUOTA_US = 1000;
const MIN_SHARES = 2;
const MAX_SHARES = 262_144;

export const sharesOf = (milliCpu: number): number =>
  milliCpu === 0 ? MIN_SHARES : Math.min(MAX_SHARES, Math.max(MIN_SHARES, Math.floor((milliCpu * 1024) / 1000)));
const quotaOf = (milliCpu: number): number =>
  milliCpu === 0 ? 0 : Math.max(MIN_QUOTA_US, Math.floor((milliCpu * PERIOD_US) / 1000));

/** Higher is killed first. `mayLowerOomScore` false: nothing below 0 can be set on this machine. */
export function oomScoreAdjustment(
  pod: Pod,
  container: Container,
  { memoryBytes, mayLowerOomScore }: { memoryBytes: number; mayLowerOomScore: boolean },
): number {
  const isCritical = (pod.spec.priority ?? 0) >= 2_000_000_000;
  const qos = qosClassOf(pod);
  if (isCritical || qos === 'Guaranteed') return mayLowerOomScore ? -997 : 0;
  if (qos === 'BestEffort') return 1000;
  const request = quantityValue(container.resources?.requests?.['memory'] ?? '0');
  const adjustment = 1000 - Math.floor((1000 * request) / memoryBytes);
  return Math.min(999, Math.max(3, adjustment));
}

export function linuxResources(
  pod: Pod,
  container: Container,
  machine: { memoryBytes: number; mayLowerOomScore: boolean },
): LinuxContainerResources {
  const { requests, limits } = container.resources ?? {};
  const cpuLimit = quantityMilliValue(limits?.['cpu'] ?? '0');
  const cpuRequest = requests?.['cpu'] === undefined ? cpuLimit : quantityMilliValue(requests['cpu']);
  const memoryLimitInBytes = quantityValue(limits?.['memory'] ?? '0');
  return {
    cpuShares: sharesOf(cpuRequest),
    ...(cpuLimit > 0 && { cpuQuota: quotaOf(cpuLimit), cpuPeriod: PERIOD_US }),
    ...(memoryLimitInBytes > 0 && { memoryLimitInBytes }),
    oomScoreAdj: oomScoreAdjustment(pod, container, machine),
  };
}

/** What a whole pod may use: the sum of its containers, or the greatest init container where that is more. */
export function podCgroupLimits(pod: Pod): CgroupLimits {
  const cpuRequest = podSum(pod, 'requests', 'cpu', quantityMilliValue) ?? 0;
  const cpuLimit = podSum(pod, 'limits', 'cpu', quantityMilliValue);
  const memoryLimit = podSum(pod, 'limits', 'memory', quantityValue);
  return {
    cpuShares: sharesOf(cpuRequest),
    cpuPeriodUs: PERIOD_US,
    cpuQuotaUs: cpuLimit ? quotaOf(cpuLimit) : 0,
    memoryBytes: memoryLimit ?? 0,
  };
}

/** undefined: some container has no limit, so the pod has none. A missing request counts as 0. */
function podSum(
  pod: Pod,
  part: 'requests' | 'limits',
  name: 'cpu' | 'memory',
  amountOf: (quantity: string) => number,
): number | undefined {
  const podLevel = pod.spec.resources?.[part]?.[name];
  if (podLevel !== undefined) return amountOf(podLevel);
  const amount = (container: Container): number | undefined => {
    const text =
      container.resources?.[part]?.[name] ?? (part === 'requests' ? container.resources?.limits?.[name] : undefined);
    if (text !== undefined) return amountOf(text);
    return part === 'requests' ? 0 : undefined;
  };
  const add = (a: number | undefined, b: number | undefined) =>
    a === undefined || b === undefined ? undefined : a + b;
  const most = (a: number | undefined, b: number | undefined) =>
    a === undefined || b === undefined ? undefined : Math.max(a, b);
  const steady = pod.spec.containers.map(amount).reduce(add, 0);
  let beside: number | undefined = 0;
  let atInit: number | undefined = 0;
  for (const container of initContainers(pod)) {
    if (isSidecar(container)) beside = add(beside, amount(container));
    else atInit = most(atInit, add(beside, amount(container)));
  }
  const total = most(add(steady, beside), atInit);
  const overhead = pod.spec.overhead?.[name];
  return overhead === undefined ? total : add(total, amountOf(overhead));
}

/** `/kubepods/burstable/pod<uid>` below `root`. */
export function podCgroupPath(root: string, pod: Pod): string {
  const qos = qosClassOf(pod);
  const group = qos === 'Guaranteed' ? '' : `/${qos.toLowerCase()}`;
  return `${root}${group}/pod${pod.metadata.uid}`;
}
