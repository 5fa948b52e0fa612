/** `+ - * / %` and the sign: whole numbers do not wrap around, they overflow with an error. */
import { INT_OVERFLOW, INT64_MAX, INT64_MIN, int64Of, UINT_OVERFLOW, UINT64_MAX, wholeOf } from '../int64.ts';
import { isInRange } from '../timestamp.ts';
import { CelError, Double, Duration, type Int, List, type Result, Timestamp, Uint, type Value } from '../value.ts';
import { NO_OVERLOAD } from './errors.ts';
import { addLists } from './lists.ts';

const isInt = (value: Value): value is Int => typeof value === 'number' || typeof value === 'bigint';

const BY_ZERO = new CelError('division by zero');
const MODULUS_BY_ZERO = new CelError('modulus by zero');
export const TIMESTAMP_OVERFLOW = new CelError('timestamp overflow');

type Whole = (a: bigint, b: bigint) => bigint;

const ofInts = (a: Int, b: Int, operate: Whole): Result => int64Of(operate(BigInt(a), BigInt(b)));

function ofUints(a: Uint, b: Uint, operate: Whole): Result {
  const value = operate(BigInt(a.value), BigInt(b.value));
  return value < 0n || value > UINT64_MAX ? UINT_OVERFLOW : new Uint(wholeOf(value));
}

export function add(a: Value, b: Value): Result {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    return Number.isSafeInteger(sum) ? sum : ofInts(a, b, plus);
  }
  if (typeof a === 'string') return typeof b === 'string' ? a + b : NO_OVERLOAD;
  if (isInt(a)) return isInt(b) ? ofInts(a, b, plus) : NO_OVERLOAD;
  if (a instanceof Double) return b instanceof Double ? new Double(a.value + b.value) : NO_OVERLOAD;
  if (a instanceof List) return b instanceof List ? addLists(a, b) : NO_OVERLOAD;
  if (a instanceof Uint) return b instanceof Uint ? ofUints(a, b, plus) : NO_OVERLOAD;
  if (a instanceof Uint8Array) return b instanceof Uint8Array ? joined(a, b) : NO_OVERLOAD;
  return addTimes(a, b);
}

const plus: Whole = (a, b) => a + b;
const minus: Whole = (a, b) => a - b;
const times: Whole = (a, b) => a * b;

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(a.length + b.length);
  bytes.set(a);
  bytes.set(b, a.length);
  return bytes;
}

function addTimes(a: Value, b: Value): Result {
  if (a instanceof Duration) {
    if (b instanceof Duration) return durationOf(a.nanos + b.nanos);
    return b instanceof Timestamp ? moved(b, a.nanos) : NO_OVERLOAD;
  }
  if (!(a instanceof Timestamp)) return unsupported('_+_', a);
  return b instanceof Duration ? moved(a, b.nanos) : NO_OVERLOAD;
}

const durationOf = (nanos: bigint): Duration | CelError =>
  nanos > INT64_MAX || nanos < INT64_MIN ? INT_OVERFLOW : new Duration(nanos);

/** Texts and times have functions that are called on them, which makes upstream word it differently. */
const unsupported = (name: string, value: Value): CelError =>
  typeof value === 'string' || value instanceof Timestamp || value instanceof Duration
    ? NO_OVERLOAD
    : new CelError(`no such overload: ${name}`);

const SECOND = 1_000_000_000n;

const nanosSinceEpoch = ({ seconds, nanos }: Timestamp): bigint => BigInt(seconds) * SECOND + BigInt(nanos);

function moved(time: Timestamp, by: bigint): Timestamp | CelError {
  const total = nanosSinceEpoch(time) + by;
  const nanos = ((total % SECOND) + SECOND) % SECOND;
  const seconds = Number((total - nanos) / SECOND);
  return isInRange(seconds) ? new Timestamp(seconds, Number(nanos), time.offsetMinutes) : TIMESTAMP_OVERFLOW;
}

export function subtract(a: Value, b: Value): Result {
  if (typeof a === 'number' && typeof b === 'number') {
    const difference = a - b;
    return Number.isSafeInteger(difference) ? difference : ofInts(a, b, minus);
  }
  if (isInt(a)) return isInt(b) ? ofInts(a, b, minus) : NO_OVERLOAD;
  if (a instanceof Double) return b instanceof Double ? new Double(a.value - b.value) : NO_OVERLOAD;
  if (a instanceof Uint) return b instanceof Uint ? ofUints(a, b, minus) : NO_OVERLOAD;
  if (a instanceof Duration) return b instanceof Duration ? durationOf(a.nanos - b.nanos) : NO_OVERLOAD;
  if (!(a instanceof Timestamp)) return unsupported('_-_', a);
  if (b instanceof Duration) return moved(a, -b.nanos);
  return b instanceof Timestamp ? durationOf(nanosSinceEpoch(a) - nanosSinceEpoch(b)) : NO_OVERLOAD;
}

export function multiply(a: Value, b: Value): Result {
  if (typeof a === 'number' && typeof b === 'number') {
    const product = a * b;
    if (Number.isSafeInteger(product)) return product === 0 ? 0 : product; // not -0
    return ofInts(a, b, times);
  }
  if (isInt(a)) return isInt(b) ? ofInts(a, b, times) : NO_OVERLOAD;
  if (a instanceof Double) return b instanceof Double ? new Double(a.value * b.value) : NO_OVERLOAD;
  if (a instanceof Uint) return b instanceof Uint ? ofUints(a, b, times) : NO_OVERLOAD;
  return unsupported('_*_', a);
}

export function divide(a: Value, b: Value): Result {
  if (typeof a === 'number' && typeof b === 'number') return b === 0 ? BY_ZERO : (a - (a % b)) / b || 0; // exact where a / b is not
  if (isInt(a)) {
    if (!isInt(b)) return NO_OVERLOAD;
    return b === 0 ? BY_ZERO : ofInts(a, b, (x, y) => x / y);
  }
  if (a instanceof Double) return b instanceof Double ? new Double(a.value / b.value) : NO_OVERLOAD;
  if (!(a instanceof Uint)) return unsupported('_/_', a);
  if (!(b instanceof Uint)) return NO_OVERLOAD;
  return b.value === 0 ? BY_ZERO : ofUints(a, b, (x, y) => x / y);
}

export function modulo(a: Value, b: Value): Result {
  if (typeof a === 'number' && typeof b === 'number') return b === 0 ? MODULUS_BY_ZERO : a % b || 0;
  if (isInt(a)) {
    if (!isInt(b)) return NO_OVERLOAD;
    if (b === 0) return MODULUS_BY_ZERO;
    // The smallest int has no positive counterpart: upstream takes that for an overflow here too.
    return b === -1 && a === INT64_MIN ? int64Of(INT64_MAX + 1n) : ofInts(a, b, (x, y) => x % y);
  }
  if (!(a instanceof Uint)) return unsupported('_%_', a);
  if (!(b instanceof Uint)) return NO_OVERLOAD;
  return b.value === 0 ? MODULUS_BY_ZERO : ofUints(a, b, (x, y) => x % y);
}

export function negate(value: Value): Result {
  if (typeof value === 'number') return -value || 0;
  if (typeof value === 'bigint') return int64Of(-value);
  if (value instanceof Double) return new Double(-value.value);
  if (value instanceof Duration) return durationOf(-value.nanos);
  return typeof value === 'boolean' ? NO_OVERLOAD : unsupported('-_', value);
}
