/**
 * Shares a number of seats among priority levels: each gets the same fraction of its target, kept within its bounds.
 * Source: KEP-1040, "Dispatching"; upstream's util/flowcontrol/conc_alloc.go solves the same problem.
 */

export interface AllocationItem {
  lowerBound: number;
  upperBound: number;
  /** At least the lower bound. */
  target: number;
}

/** So that a level that wants nothing now can still be given what is left over. */
const MIN_TARGET = 0.001;
const EPSILON = 1e-7;

export interface Allocation {
  seats: number[];
  /** What fraction of its target a level has got whom no bound has touched. */
  fairFraction: number;
}

/** undefined when the bounds cannot add up to `sum`. The seats are not rounded. */
export function allocated(sum: number, items: readonly AllocationItem[]): Allocation | undefined {
  const total = (pick: (item: AllocationItem) => number) => items.reduce((all, item) => all + pick(item), 0);
  if (total((item) => item.lowerBound) - sum > EPSILON || sum - total((item) => item.upperBound) > EPSILON)
    return undefined;
  const targets = items.map(({ target }) => Math.max(target, MIN_TARGET));
  const at = (fraction: number) =>
    items.map(({ lowerBound, upperBound }, i) => Math.max(lowerBound, Math.min(upperBound, fraction * targets[i]!)));
  // The sum grows piecewise linearly with the fraction, and bends where a level meets a bound.
  const bends = items.flatMap(({ lowerBound, upperBound }, i) => [lowerBound / targets[i]!, upperBound / targets[i]!]);
  let low = 0;
  for (const bend of [...new Set(bends)].sort((a, b) => a - b)) {
    if (sumOf(at(bend)) >= sum) return between(low, bend);
    low = bend;
  }
  return { seats: at(low), fairFraction: low };

  function between(from: number, to: number): Allocation {
    const [below, above] = [sumOf(at(from)), sumOf(at(to))];
    const fairFraction = above > below ? from + ((sum - below) / (above - below)) * (to - from) : to;
    return { seats: at(fairFraction), fairFraction };
  }
}

const sumOf = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);
