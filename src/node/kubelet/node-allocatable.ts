/**
 * What is kept back from pods: for the system, for the node's own processes, and for eviction to begin in time. Pure.
 * Source: "Reserve Compute Resources for System Daemons".
 */
import type { KubeletConfiguration } from '#api/kubelet-config/kubelet-configuration.ts';
import { compareQuantities, quantityMilliValue, quantityValue, subtractQuantities } from '#api/machinery/quantity.ts';
import type { CgroupLimits } from '#node/runtime/cgroups/cgroups.ts';
import { amountOf, type Limit, thresholdsOf } from './eviction/thresholds.ts';
import { sharesOf } from './quality-of-service.ts';

type Amounts = Record<string, string>;

/** As the node's status says it. `capacity` less reservations and hard thresholds, never below nothing. */
export function allocatableOf(capacity: Amounts, configuration: KubeletConfiguration): Amounts {
  const result = Object.entries(capacity).map(([name, amount]) => {
    const reserved = reservedOf(configuration, name);
    const kept = thresholdFor(name, configuration);
    let left = reserved.reduce(subtractQuantities, amount);
    if (kept) left = subtractQuantities(left, String(Math.ceil(amountOf(kept, quantityValue(amount)))));
    // A share of the disk is no whole number of kibibytes: upstream prints bytes.
    if (name === 'ephemeral-storage' && (kept || reserved.length > 0)) left = String(quantityValue(left));
    return [name, compareQuantities(left, '0') < 0 ? '0' : left];
  });
  return Object.fromEntries(result);
}

/** What the group of all pods may use: eviction acts before this does. */
export function podsLimits(
  { cpus, memoryBytes }: { cpus: number; memoryBytes: number },
  configuration: KubeletConfiguration,
): CgroupLimits {
  const cpu = cpus * 1000 - sum(reservedOf(configuration, 'cpu').map(quantityMilliValue));
  const shares = { cpuShares: sharesOf(Math.max(0, cpu)) };
  if (!configuration.enforceNodeAllocatable.includes('pods')) return shares;
  const reserved = sum(reservedOf(configuration, 'memory').map(quantityValue));
  return { ...shares, memoryBytes: reserved > 0 ? Math.max(1, memoryBytes - reserved) : 0 };
}

export const allocatableMemory = (memoryBytes: number, configuration: KubeletConfiguration): number =>
  Math.max(0, memoryBytes - sum(reservedOf(configuration, 'memory').map(quantityValue)));

const reservedOf = ({ kubeReserved, systemReserved }: KubeletConfiguration, name: string): string[] =>
  [kubeReserved, systemReserved].flatMap((each) => (Object.hasOwn(each, name) ? (each[name] ?? []) : []));

const SIGNALS: Amounts = { memory: 'memory.available', 'ephemeral-storage': 'nodefs.available' };
const thresholdFor = (name: string, configuration: KubeletConfiguration): Limit | undefined => {
  const signal = Object.hasOwn(SIGNALS, name) ? SIGNALS[name] : undefined;
  return thresholdsOf(configuration).find((each) => each.signal === signal && each.graceMs === 0)?.limit;
};

const sum = (amounts: readonly number[]): number => amounts.reduce((total, amount) => total + amount, 0);
