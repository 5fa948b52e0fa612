/**
 * A bound for work that CEL's cost does not see: comparing deep objects, patterns with many repetitions, texts made of whole
 * objects. Upstream has a deadline and other threads for that; here one thread must never be held. Expressions that do
 * nothing of the kind never come near it.
 */

/** One evaluation's; about half a second. A unit is a part of a value looked at. */
const MAX_WORK = 4_000_000;

/** Thrown through an evaluation, past all that would leave an error aside. */
export class CostExceeded {}

export const EXCEEDED = new CostExceeded();

let left = Number.POSITIVE_INFINITY;

/** Throws CostExceeded when an evaluation has used up what it has; outside of one there is no bound. */
export function spendWork(units: number): void {
  left -= units;
  if (left < 0) throw EXCEEDED;
}

/** An evaluation within another (a variable's) has its own. */
export function withWork<T>(run: () => T): T {
  const outer = left;
  left = MAX_WORK;
  try {
    return run();
  } finally {
    left = outer;
  }
}

/** The longest text that a function may make; more is not affordable, because looking at it once would cost too much. */
const MAX_TEXT = 10_000_000;

export function expectText(length: number): void {
  if (length > MAX_TEXT) throw EXCEEDED;
  spendWork(length / 10);
}
