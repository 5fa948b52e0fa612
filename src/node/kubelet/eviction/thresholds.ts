/** Thresholds: what they are made of, and which are met. Pure. Source: "Node-pressure Eviction". */
import { configuredMs, type KubeletConfiguration } from '#api/kubelet-config/kubelet-configuration.ts';
import { formatQuantity, quantityValue } from '#api/machinery/quantity.ts';
import type { Observations, Signal } from './usage.ts';

export type PressureCondition = 'MemoryPressure' | 'DiskPressure' | 'PIDPressure';
/** As messages and ranking name what runs short. */
export type ShortResource = 'memory' | 'ephemeral-storage' | 'inodes' | 'pids';

/** An amount, or a share of the capacity. */
export type Limit = { quantity: string; share?: undefined } | { share: number; quantity?: undefined };

export interface Threshold {
  signal: Signal;
  limit: Limit;
  /** 0: a hard threshold. */
  graceMs: number;
  /** So much more must be free before it is over. */
  minimumReclaim: Limit | undefined;
}

const limitOf = (text: string): Limit =>
  text.endsWith('%') ? { share: Number(text.slice(0, -1)) / 100 } : { quantity: text };

export function thresholdsOf(configuration: KubeletConfiguration): Threshold[] {
  const { evictionHard, evictionSoft, evictionSoftGracePeriod, evictionMinimumReclaim } = configuration;
  const reclaimOf = (signal: string) => {
    const text = evictionMinimumReclaim[signal];
    return text === undefined ? undefined : limitOf(text);
  };
  const threshold = ([signal, text]: [string, string], graceMs: number): Threshold[] => {
    const limit = limitOf(text);
    if (limit.share === 0 || limit.quantity === '0') return [];
    return [{ signal: signal as Signal, limit, graceMs, minimumReclaim: reclaimOf(signal) }];
  };
  const hard = Object.entries(evictionHard).flatMap((each) => threshold(each, 0));
  const soft = Object.entries(evictionSoft).flatMap((each) =>
    threshold(each, configuredMs(evictionSoftGracePeriod[each[0]] ?? '0s')),
  );
  // What pods may have in all is guarded like the memory of the node.
  const allocatable = hard
    .filter(({ signal }) => signal === 'memory.available')
    .map((each): Threshold => ({ ...each, signal: 'allocatableMemory.available' }));
  return [...hard, ...allocatable, ...soft];
}

export const amountOf = (limit: Limit, capacity: number): number =>
  limit.quantity === undefined ? limit.share * capacity : quantityValue(limit.quantity);
/** As a message has it: the configured quantity, or the share in plain numbers. */
export const amountText = (limit: Limit, capacity: number): string =>
  limit.quantity ?? binaryText(limit.share * capacity);

/** `97296Ki`: bytes in the largest binary unit that leaves no rest. */
export const binaryText = (value: number): string =>
  formatQuantity({ nanos: BigInt(Math.floor(value)) * 1_000_000_000n, format: 'BinarySI' });

/** @param withReclaim met until the minimum that is to be reclaimed is free, too */
export function isMet(threshold: Threshold, observations: Observations, withReclaim: boolean): boolean {
  const observed = observations.get(threshold.signal);
  if (!observed) return false;
  const { limit, minimumReclaim } = threshold;
  const least = amountOf(limit, observed.capacity);
  if (!withReclaim || !minimumReclaim) return observed.available < least;
  return observed.available < least + amountOf(minimumReclaim, observed.capacity);
}

export function conditionOf(signal: Signal): PressureCondition {
  if (signal.endsWith('emory.available')) return 'MemoryPressure';
  return signal === 'pid.available' ? 'PIDPressure' : 'DiskPressure';
}

export function resourceOf(signal: Signal): ShortResource {
  if (signal.endsWith('emory.available')) return 'memory';
  if (signal === 'pid.available') return 'pids';
  return signal.endsWith('.inodesFree') ? 'inodes' : 'ephemeral-storage';
}

/** Memory first: the kernel kills what runs out of it. */
export const inOrderOfUrgency = (a: Threshold, b: Threshold): number =>
  Number(conditionOf(b.signal) === 'MemoryPressure') - Number(conditionOf(a.signal) === 'MemoryPressure');

export const idOf = ({ signal, graceMs }: Threshold): string => `${signal}/${graceMs}`;
