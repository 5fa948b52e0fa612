/**
 * Amounts of resources: `500m`, `1Gi`, `1e3`. Exact: a whole number of billionths, as upstream keeps them; what is finer is
 * rounded up. Source: API reference, Quantity.
 */

type Format = 'DecimalSI' | 'BinarySI' | 'DecimalExponent';

export interface Quantity {
  /** Billionths. */
  nanos: bigint;
  /** The family of suffixes that it was written in and is shown in. */
  format: Format;
}

const NANOS = 1_000_000_000n;
const DECIMAL: readonly string[] = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'];
const BINARY: readonly string[] = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const MAX_LENGTH = 64; // no number that fits needs more
const MAX_VALUE = (1n << 63n) - 1n;
const FORM = /^([+-]?)(\d*)(?:\.(\d*))?([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d{1,3})?$/;

/** undefined when the text is no quantity. */
export function parseQuantity(text: string | number): Quantity | undefined {
  const source = String(text).trim();
  const match = source.length > MAX_LENGTH ? undefined : FORM.exec(source);
  if (!match || source === '') return undefined;
  const [, sign = '', whole = '', fraction = '', suffix = ''] = match;
  const scale = scaleOf(suffix);
  const digits = BigInt(`${whole}${fraction}` || '0');
  const { numerator, denominator } = ratio(scale.base, scale.exponent);
  const magnitude = divideUp(digits * numerator * NANOS, denominator * 10n ** BigInt(fraction.length));
  const capped = magnitude > MAX_VALUE * NANOS ? MAX_VALUE * NANOS : magnitude;
  return { nanos: sign === '-' ? -capped : capped, format: scale.format };
}

function scaleOf(suffix: string): { base: 10n | 1024n; exponent: number; format: Format } {
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
  let mantissa = nanos;
  let step = 0;
  while (step < DECIMAL.length - 1 && mantissa % 1000n === 0n) {
    mantissa /= 1000n;
    step += 1;
  }
  if (format !== 'DecimalExponent') return `${mantissa}${DECIMAL[step]}`;
  return step === 3 ? `${mantissa}` : `${mantissa}e${(step - 3) * 3}`;
}

/** `0.5` → `500m`, `1024Mi` → `1Gi`; undefined when the text is no quantity. */
export function canonicalQuantity(text: string | number): string | undefined {
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

const wholes = new Map<string, number>();
const millis = new Map<string, number>();
const MAX_CACHED = 4096;

/** In whole units, rounded up: bytes, pods. */
export const quantityValue = (text: string | number | undefined): number => cached(wholes, text, NANOS);

/** In thousandths, rounded up: millicores. */
export const quantityMilliValue = (text: string | number | undefined): number => cached(millis, text, 1_000_000n);

/** The scheduler asks for the same few amounts again and again. */
function cached(cache: Map<string, number>, text: string | number | undefined, unit: bigint): number {
  if (text === undefined) return 0;
  const key = String(text);
  const known = cache.get(key);
  if (known !== undefined) return known;
  const nanos = nanosOf(key);
  const value = nanos >= 0n ? Number(divideUp(nanos, unit)) : -Number(-nanos / unit);
  if (cache.size >= MAX_CACHED) cache.clear();
  cache.set(key, value);
  return value;
}
