/**
 * Amounts of resources: `500m`, `1Gi`, `1e3`. Exact: a whole number of billionths, as upstream keeps them; what is finer is
 * rounded up. Source: API reference, Quantity.
 */
import { remembering } from '#base/remembering.ts';

type Format = 'DecimalSI' | 'BinarySI' | 'DecimalExponent';

export interface Quantity {
  /** Billionths. */
  readonly nanos: bigint;
  /** The family of suffixes that it was written in and is shown in. */
  readonly format: Format;
}

const NANOS = 1_000_000_000n;
const DECIMAL: readonly string[] = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'];
const BINARY: readonly string[] = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const MAX_LENGTH = 256;
/** With more digits one number could hold the process for milliseconds, and a body has room for many. */
const FORM = /^([+-]?)(\d*)(?:\.(\d*))?([numkMGTPE]|[KMGTPE]i|[eE](?:-\d+|\+?\d{1,3}))?$/;
const MAX_INT64 = (1n << 63n) - 1n;

/** Longer ones are not met again. */
const REMEMBERED = { most: 4096, longest: 32 };
/** Whoever writes a node asks for the same few again and again. */
const quantityIn = remembering(parsedQuantity, REMEMBERED);

/** undefined when the text is no quantity, or larger than 10^999. */
export const parseQuantity = (text: string | number): Quantity | undefined => quantityIn(String(text));

function parsedQuantity(text: string): Quantity | undefined {
  const written = readWritten(text);
  if (!written) return undefined;
  const { sign, whole, fraction, scale } = written;
  const digits = BigInt(whole + fraction);
  const magnitude = scaled(digits, scale, fraction.length);
  const capped = scale.base === 1024n && magnitude > MAX_INT64 * NANOS ? MAX_INT64 * NANOS : magnitude;
  return { nanos: sign === '-' ? -capped : capped, format: scale.format };
}

interface Scale {
  base: 10n | 1024n;
  exponent: number;
  format: Format;
}

/** A quantity by its parts. */
interface Written {
  source: string;
  sign: string;
  /** At least one digit; the first is 0 only where it is the only one. */
  whole: string;
  fraction: string;
  scale: Scale;
}

function readWritten(text: string | number): Written | undefined {
  const source = String(text).trim();
  const match = source.length > MAX_LENGTH ? undefined : FORM.exec(source);
  if (!match || source === '') return undefined;
  const [, sign = '', whole = '', fraction = '', suffix = ''] = match;
  return { source, sign, whole: whole.replace(/^0+/, '') || '0', fraction, scale: scaleOf(suffix) };
}

/** Billionths, rounded up. */
function scaled(digits: bigint, { base, exponent }: Scale, places: number): bigint {
  if (digits === 0n) return 0n;
  if (exponent < -MAX_LENGTH) return 1n; // so little that nothing is left of it but that it is there
  const { numerator, denominator } = ratio(base, exponent);
  return divideUp(digits * numerator * NANOS, denominator * 10n ** BigInt(places));
}

function scaleOf(suffix: string): Scale {
  const binary = BINARY.indexOf(suffix);
  if (binary > 0) return { base: 1024n, exponent: binary, format: 'BinarySI' };
  const decimal = DECIMAL.indexOf(suffix);
  if (decimal >= 0) return { base: 10n, exponent: (decimal - 3) * 3, format: 'DecimalSI' };
  return { base: 10n, exponent: Number(suffix.slice(1)), format: 'DecimalExponent' };
}

const ratio = (base: bigint, exponent: number) =>
  exponent >= 0
    ? { numerator: base ** BigInt(exponent), denominator: 1n }
    : { numerator: 1n, denominator: base ** BigInt(-exponent) };

/** Away from zero. Both are positive. */
const divideUp = (value: bigint, by: bigint): bigint => (value + by - 1n) / by;

/** The one way in which upstream writes this amount. */
export function formatQuantity({ nanos, format }: Quantity): string {
  if (nanos === 0n) return '0';
  const fitsBinary = nanos % NANOS === 0n && (nanos >= 1024n * NANOS || nanos <= -1024n * NANOS);
  return format === 'BinarySI' && fitsBinary ? formatBinary(nanos / NANOS) : formatDecimal(nanos, format);
}

function formatBinary(value: bigint): string {
  let mantissa = value;
  let step = 0;
  while (step < BINARY.length - 1 && mantissa % 1024n === 0n) {
    mantissa /= 1024n;
    step += 1;
  }
  return `${mantissa}${BINARY[step]}`;
}

function formatDecimal(nanos: bigint, format: Format): string {
  const steps = format === 'DecimalExponent' ? Number.POSITIVE_INFINITY : DECIMAL.length - 1;
  let mantissa = nanos;
  let step = 0;
  while (step < steps && mantissa % 1000n === 0n) {
    mantissa /= 1000n;
    step += 1;
  }
  if (format !== 'DecimalExponent') return `${mantissa}${DECIMAL[step]}`;
  return step === 3 ? `${mantissa}` : `${mantissa}e${(step - 3) * 3}`;
}

const INT64_DIGITS = 18; // so many always fit
const NANO_EXPONENT = -9;

/**
 * Whether upstream leaves the text as it is: its number is small, its exponent a multiple of three, and nothing of it could go
 * into the suffix. So `+2`, `1.250` and `1E3` stay.
 */
function isKept({ whole, fraction, scale: { base, exponent } }: Written): boolean {
  const digits = whole + fraction;
  if (base === 10n) {
    const places = exponent - fraction.length;
    const fits = digits.length <= INT64_DIGITS && places >= NANO_EXPONENT;
    return fits && places % 3 === 0 && !digits.endsWith('000') && digits[0] !== '0';
  }
  // Upstream's estimate of how many digits leave room for the suffix.
  return fraction === '' && 14 - whole.length - exponent * 3 >= 0 && BigInt(whole) % 8n !== 0n;
}

/** `0.5` → `500m`, `1024Mi` → `1Gi`; undefined when the text is no quantity. */
export function canonicalQuantity(text: string | number): string | undefined {
  const written = readWritten(text);
  if (!written) return undefined;
  if (isKept(written)) return written.source;
  const quantity = parseQuantity(text);
  return quantity && formatQuantity(quantity);
}

export const isQuantity = (text: unknown): boolean =>
  (typeof text === 'string' || typeof text === 'number') && parseQuantity(text) !== undefined;

/** Of stored objects, whose quantities are known to be good. An unreadable one counts as nothing. */
const nanosOf = (text: string | number | undefined): bigint =>
  (text === undefined ? undefined : parseQuantity(text))?.nanos ?? 0n;

/** Below 0 when `a` is less, 0 when they are the same amount. */
export function compareQuantities(a: string | number | undefined, b: string | number | undefined): number {
  const difference = nanosOf(a) - nanosOf(b);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** In the format of the first one that is not zero. */
export function addQuantities(...texts: readonly (string | undefined)[]): string {
  let sum = 0n;
  let format: Format | undefined;
  for (const text of texts) {
    const quantity = text === undefined ? undefined : parseQuantity(text);
    if (!quantity || quantity.nanos === 0n) continue;
    sum += quantity.nanos;
    format ??= quantity.format;
  }
  return formatQuantity({ nanos: sum, format: format ?? 'DecimalSI' });
}

export function subtractQuantities(from: string, amount: string): string {
  return formatQuantity({ nanos: nanosOf(from) - nanosOf(amount), format: parseQuantity(from)?.format ?? 'DecimalSI' });
}

export const maxQuantity = (a: string, b: string): string => (compareQuantities(a, b) >= 0 ? a : b);

/**
 * Upstream reckons with 64 bits here, where more is of no use: no resource has so much. Without a bound it would be infinite, and
 * the difference of two such no number.
 */
const inNumber = (value: bigint): number => Number(value > MAX_INT64 ? MAX_INT64 : value);

/** In whole units, rounded up: bytes, pods. */
export const quantityValue = (text: string | number | undefined): number =>
  text === undefined ? 0 : wholesIn(String(text));

/** In thousandths, rounded up: millicores. */
export const quantityMilliValue = (text: string | number | undefined): number =>
  text === undefined ? 0 : millisIn(String(text));

/** The scheduler asks for the same few amounts again and again. */
const wholesIn = remembering((text: string) => inUnits(text, NANOS), REMEMBERED);
const millisIn = remembering((text: string) => inUnits(text, 1_000_000n), REMEMBERED);

function inUnits(text: string, unit: bigint): number {
  const nanos = nanosOf(text);
  return nanos >= 0n ? inNumber(divideUp(nanos, unit)) : -inNumber(-nanos / unit);
}
