/** Whole numbers of 64 bits: a number where that is exact, else a bigint, so that two equal ones are `===`. */
import { CelError, type Int } from './value.ts';

export const INT64_MAX = (1n << 63n) - 1n;
export const INT64_MIN = -(1n << 63n);
export const UINT64_MAX = (1n << 64n) - 1n;

const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);

/** The one form that this number has. */
export const wholeOf = (value: bigint): Int => (value <= MAX_SAFE && value >= -MAX_SAFE ? Number(value) : value);

export const INT_OVERFLOW = new CelError('integer overflow');
export const UINT_OVERFLOW = new CelError('unsigned integer overflow');

export const int64Of = (value: bigint): Int | CelError =>
  value > INT64_MAX || value < INT64_MIN ? INT_OVERFLOW : wholeOf(value);

/** For numbers known to be whole; a double beyond 2^53 is taken as the number it is. */
export const wholeOfNumber = (value: number): Int => (Number.isSafeInteger(value) ? value : wholeOf(BigInt(value)));
