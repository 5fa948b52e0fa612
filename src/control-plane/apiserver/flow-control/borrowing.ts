/**
 * Every ten seconds levels that use less than they have lend to those that want more. Source: KEP-1040; upstream's
 * updateBorrowing.
 */
import { type AllocationItem, allocated } from './concurrency-allocation.ts';
import type { PriorityLevel } from './priority-level.ts';
import type { DemandStatistics } from './seat-demand.ts';

/** Closes a period of demand of all levels, and gives each its seats for the next one. Returns the fair fraction. */
export function adjustSeats(levels: Iterable<PriorityLevel>, nowMs: number): number {
  const all = [...levels];
  const demands = new Map(all.map((level) => [level, level.queues.demand.close(nowMs)]));
  const exempt = all.filter((level) => level.isExempt);
  const limited = all.filter((level) => !level.isExempt);
  const nominalSum = sum(all.map(({ limits }) => limits.nominal));
  let remaining = nominalSum;
  for (const level of exempt) {
    const seats = Math.max(level.limits.lower, Math.round(demands.get(level)!.highWatermark));
    level.target = seats;
    remaining -= seats;
    level.setCurrent(seats);
  }
  const items = limited.map((level) => itemOf(level, demands.get(level)!));
  limited.forEach((level, i) => {
    level.target = items[i]!.target;
  });
  const lowest = sum(limited.map(({ limits }) => limits.lower));
  const wanted = sum(items.map(({ lowerBound }) => lowerBound));
  if (remaining <= lowest) {
    for (const level of limited) level.setCurrent(level.limits.lower);
    return 0;
  }
  if (remaining <= wanted) {
    const fraction = (remaining - lowest) / (wanted - lowest);
    limited.forEach((level, i) => {
      const { lower } = level.limits;
      level.setCurrent(lower + Math.round((items[i]!.lowerBound - lower) * fraction));
    });
    return 0;
  }
  const allocation = allocated(nominalSum, items);
  limited.forEach((level, i) => {
    level.setCurrent(allocation ? Math.round(allocation.seats[i]!) : level.current);
  });
  return allocation?.fairFraction ?? 0;
}

/** Nobody lends what it has needed within the last period, up to its nominal limit. */
function itemOf({ limits }: PriorityLevel, { highWatermark, smoothed }: DemandStatistics): AllocationItem {
  const lowerBound = Math.max(limits.lower, Math.min(limits.nominal, Math.round(highWatermark)));
  return { lowerBound, upperBound: limits.upper, target: Math.max(lowerBound, smoothed) };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);
