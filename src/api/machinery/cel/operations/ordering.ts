/** `<` and the like, `min`, `max`, sorting. */

import { CelError, Double, Duration, Opaque, type Result, Timestamp, type Value } from '../value.ts';
import { NO_OVERLOAD } from './errors.ts';
import { comparable } from './numbers.ts';
import { compareBytes, compareText } from './text.ts';

const NOT_ORDERED = new CelError('NaN values cannot be ordered');

/** Below 0, 0 or above 0. */
export function compare(a: Value, b: Value): number | CelError {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string') return typeof b === 'string' ? compareText(a, b) : NO_OVERLOAD;
  if (typeof a === 'boolean') return typeof b === 'boolean' ? Number(a) - Number(b) : NO_OVERLOAD;
  const numbers = comparable(a, b);
  if (numbers) return compareNumbers(...numbers);
  return a instanceof Double && Number.isNaN(a.value) ? NOT_ORDERED : compareObjects(a, b);
}

function compareNumbers(a: number | bigint, b: number | bigint): number | CelError {
  if (a < b) return -1;
  if (a > b) return 1;
  return Number.isNaN(a) || Number.isNaN(b) ? NOT_ORDERED : 0;
}

function compareObjects(a: Value, b: Value): number | CelError {
  if (a instanceof Timestamp && b instanceof Timestamp) return a.seconds - b.seconds || a.nanos - b.nanos;
  if (a instanceof Duration && b instanceof Duration) return a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0;
  if (a instanceof Uint8Array && b instanceof Uint8Array) return compareBytes(a, b);
  if (a instanceof Opaque && a.compare) return a.compare(b);
  return NO_OVERLOAD;
}

const ordered =
  (holds: (order: number) => boolean) =>
  (a: Value, b: Value): Result => {
    const order = compare(a, b);
    return order instanceof CelError ? order : holds(order);
  };

export const less = ordered((order) => order < 0);
export const lessOrEqual = ordered((order) => order <= 0);
export const greater = ordered((order) => order > 0);
export const greaterOrEqual = ordered((order) => order >= 0);
