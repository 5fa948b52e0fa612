/** Conversions between the basic types. Texts are read and written as Go does. */

import { parseInstant } from '../../timestamp.ts';
import { parseDuration } from '../duration.ts';
import { INT_OVERFLOW, INT64_MAX, INT64_MIN, int64Of, UINT_OVERFLOW, UINT64_MAX, wholeOf } from '../int64.ts';
import { formatTimestamp, isInRange, parseTimestamp } from '../timestamp.ts';
import { CelError, Double, type Duration, type Int, type Result, Timestamp, Uint } from '../value.ts';
import { TIMESTAMP_OVERFLOW } from './arithmetic.ts';
import { conversionError } from './errors.ts';

const MAX_DIGITS = 400; // of a text that is to be a number

export function intOfText(text: string): Result {
  const value = text.length <= MAX_DIGITS && /^[+-]?\d+$/.test(text) ? wholeOfText(text) : undefined;
  if (value === undefined || value > INT64_MAX || value < INT64_MIN) return conversionError('string', 'int');
  return wholeOf(value);
}

const wholeOfText = (text: string): bigint =>
  text.startsWith('-') ? -BigInt(text.slice(1)) : BigInt(text.replace(/^\+/, ''));

export function uintOfText(text: string): Result {
  const value = text.length <= MAX_DIGITS && /^\d+$/.test(text) ? BigInt(text) : undefined;
  if (value === undefined || value > UINT64_MAX) return conversionError('string', 'uint');
  return new Uint(wholeOf(value));
}

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const INFINITE = /^([+-]?)inf(inity)?$/i;

export function doubleOfText(text: string): Result {
  if (text.length > MAX_DIGITS) return conversionError('string', 'double');
  const infinite = INFINITE.exec(text);
  if (infinite) return new Double(infinite[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY);
  if (/^nan$/i.test(text)) return new Double(Number.NaN);
  const digits = text.replace(/(?<=\d)_(?=\d)/g, '');
  const value = DECIMAL.test(digits) ? Number(digits) : Number.NaN;
  return Number.isFinite(value) ? new Double(value) : conversionError('string', 'double');
}

const TRUE: ReadonlySet<string> = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
const FALSE: ReadonlySet<string> = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);

export function boolOfText(text: string): Result {
  if (TRUE.has(text)) return true;
  return FALSE.has(text) ? false : conversionError('string', 'bool');
}

export const durationOfText = (text: string): Result =>
  parseDuration(text) ?? conversionError('string', 'google.protobuf.Duration');

export function timestampOfText(text: string): Result {
  const isTime = parseInstant(text) !== undefined;
  return parseTimestamp(text) ?? (isTime ? TIMESTAMP_OVERFLOW : conversionError('string', 'google.protobuf.Timestamp'));
}

export function timestampOfInt(seconds: Int): Result {
  return isInRange(Number(seconds)) ? new Timestamp(Number(seconds), 0) : TIMESTAMP_OVERFLOW;
}

export function intOfDouble({ value }: Double): Result {
  if (!(value > -(2 ** 63) && value < 2 ** 63)) return INT_OVERFLOW;
  return wholeOf(BigInt(Math.trunc(value)));
}

export function uintOfDouble({ value }: Double): Result {
  if (!(value >= 0 && value < 2 ** 64)) return UINT_OVERFLOW;
  return new Uint(wholeOf(BigInt(Math.trunc(value))));
}

export const intOfUint = ({ value }: Uint): Result => int64Of(BigInt(value));
export const uintOfInt = (value: Int): Result => (value < 0 ? UINT_OVERFLOW : new Uint(value));
export const intOfDuration = ({ nanos }: Duration): Result => wholeOf(nanos);
export const intOfTimestamp = ({ seconds }: Timestamp): Result => seconds;

export function textOfBytes(bytes: Uint8Array): Result {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return new CelError('invalid UTF-8 in bytes, cannot convert to string');
    throw error;
  }
}

export const bytesOfText = (text: string): Uint8Array => new TextEncoder().encode(text);

/** As many digits as a double of the seconds has. */
export function textOfDuration({ nanos }: Duration): string {
  const seconds = Number(nanos / 1_000_000_000n) + Number(nanos % 1_000_000_000n) / 1e9;
  if (seconds === 0) return '0s';
  const [mantissa, exponent] = seconds.toExponential().split('e') as [string, string];
  return `${plainDecimal(mantissa, Number(exponent))}s`;
}

/** The shortest text that is this number; with an exponent below 1e-4 and from 1e6 on (Go's %g) or 1e21 on. */
export function formatDouble(value: number, largest = 21): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const [mantissa, exponent] = value.toExponential().split('e') as [string, string];
  const power = Number(exponent);
  if (power < -4 || power >= largest)
    return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
  return plainDecimal(mantissa, power);
}

/** All digits, without an exponent. */
export function plainDecimal(mantissa: string, power: number): string {
  const sign = mantissa.startsWith('-') ? '-' : '';
  const digits = mantissa.replace(/[-.]/g, '');
  if (power < 0) return `${sign}0.${'0'.repeat(-power - 1)}${digits}`;
  const whole = digits.slice(0, power + 1).padEnd(power + 1, '0');
  const fraction = digits.slice(power + 1);
  return `${sign}${whole}${fraction && `.${fraction}`}`;
}

export const textOfDouble = ({ value }: Double): string => formatDouble(value, 6);
export const textOfTimestamp = (time: Timestamp): string => formatTimestamp(time);
