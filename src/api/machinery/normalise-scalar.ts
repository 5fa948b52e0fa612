/** One value of a simple type, as Go's decoders take it: which JSON fits, and the text or number it becomes. */
import { remembering } from '#base/remembering.ts';
import { firstWrong, withoutLineEnds } from './base64.ts';
import type { Scalar } from './facts.ts';
import { canonicalQuantity } from './quantity.ts';
import { formatMicros, formatSeconds, parseInstant, whyNoInstant, ZERO_TIME_SECONDS } from './timestamp.ts';

/** `expected` is Go's name of the type that the value does not fit; `problem` is a whole message. */
type Result = { value: unknown } | { expected: string } | { problem: string };

const MAX_INT32 = 2_147_483_647;

export function normaliseScalar(given: unknown, scalar: Scalar): Result {
  switch (scalar) {
    case 'string':
      return typeof given === 'string' ? { value: given } : { expected: 'string' };
    case 'bool':
      return typeof given === 'boolean' ? { value: given } : { expected: 'bool' };
    case 'int32':
      return isWhole(given, MAX_INT32) ? { value: given } : { expected: 'int32' };
    case 'int64':
      return isWhole(given, 2 ** 63) ? { value: given } : { expected: 'int64' };
    case 'double':
      return typeof given === 'number' ? { value: given } : { expected: 'float64' };
    case 'intOrString':
      return typeof given === 'string' || isWhole(given, MAX_INT32) ? { value: given } : { expected: 'int32' };
    case 'bytes':
      return bytesValue(given);
    case 'quantity':
      return quantityValue(given);
    default:
      return timeValue(given, scalar === 'microTime');
  }
}

/** What Go has where nothing was given; undefined for a type whose zero is null. */
export function zeroOf(scalar: Scalar): string | number | boolean | undefined {
  switch (scalar) {
    case 'string':
      return '';
    case 'bool':
      return false;
    case 'int32':
    case 'int64':
    case 'double':
    case 'intOrString':
      return 0;
    case 'quantity':
      return '0';
    default:
      return undefined;
  }
}

const isWhole = (given: unknown, limit: number): boolean =>
  typeof given === 'number' && Number.isInteger(given) && given <= limit && given >= -limit - 1;

function bytesValue(given: unknown): Result {
  if (typeof given !== 'string') return { expected: '[]uint8' };
  const wrongAt = firstWrong(given);
  return wrongAt === undefined
    ? { value: withoutLineEnds(given) }
    : { problem: `illegal base64 data at input byte ${wrongAt}` };
}

const QUANTITY_FORM = /^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$/;

// Few different amounts are in use at a time, and each is read on every write of its object.
const canonical = remembering(canonicalQuantity, { most: 4096 });

function quantityValue(given: unknown): Result {
  if (typeof given !== 'string' && typeof given !== 'number') return { problem: badQuantity('') };
  const text = canonical(given);
  return text === undefined ? { problem: badQuantity(String(given).trim()) } : { value: text };
}

const badQuantity = (text: string): string =>
  QUANTITY_FORM.test(text)
    ? "unable to parse quantity's suffix"
    : `quantities must match the regular expression '${QUANTITY_FORM.source}'`;

function timeValue(given: unknown, isMicro: boolean): Result {
  if (typeof given !== 'string') return { expected: 'string' };
  const instant = parseInstant(given);
  if (instant && instant.seconds > ZERO_TIME_SECONDS && isPrinted(given, isMicro)) return { value: given };
  const printed = instant && (isMicro ? formatMicros(instant) : formatSeconds(instant.seconds));
  if (printed === undefined) return { problem: whyNoInstant(given, isMicro) };
  return { value: instant?.seconds === ZERO_TIME_SECONDS ? undefined : printed };
}

/** Whether a text that is a time is what would be printed for it: most come from here. */
const isPrinted = (text: string, isMicro: boolean): boolean =>
  text.length === (isMicro ? 27 : 20) && text.endsWith('Z') && (!isMicro || text[19] === '.');
