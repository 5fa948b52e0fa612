/** `'%s: %d'.format([…])`: texts as cel-go's string library of version 2 makes them, in English. */

import {
  CelError,
  Double,
  Duration,
  List,
  MapLike,
  type Result,
  Timestamp,
  TypeValue,
  typeOfValue,
  Uint,
  type Value,
} from '../value.ts';
import { expectText, spendWork } from '../work.ts';
import { bytesOfText, textOfBytes, textOfDouble, textOfDuration, textOfTimestamp } from './convert.ts';
import { toHex } from './hex.ts';
import { numberOf } from './numbers.ts';

/** One `%…` of a format: what it does with its argument. */
export interface Clause {
  readonly verb: 's' | 'd' | 'f' | 'e' | 'b' | 'x' | 'X' | 'o';
  /** Digits behind the point. */
  readonly precision: number;
}

export const DEFAULT_PRECISION = 6;
/** More digits than a double can have. */
const MAX_PRECISION = 100;

export type Parsed = { readonly parts: readonly (string | Clause)[]; readonly error?: string };

/** The parts until the first thing that is no format, which `error` says. */
export function parseFormat(format: string): Parsed {
  const parts: (string | Clause)[] = [];
  for (let at = 0; at < format.length; ) {
    const percent = format.indexOf('%', at);
    if (percent !== at) parts.push(format.slice(at, percent < 0 ? undefined : percent));
    if (percent < 0) break;
    if (format[percent + 1] === '%') {
      parts.push('%');
      at = percent + 2;
      continue;
    }
    if (percent + 1 >= format.length) return { parts, error: 'unexpected end of string' };
    const { clause, length, error } = parseClause(format.slice(percent + 1));
    if (error !== undefined) return { parts, error: `could not parse formatting clause: ${error}` };
    parts.push(clause);
    at = percent + 1 + length;
  }
  return { parts };
}

type ParsedClause =
  | { clause: Clause; length: number; error?: undefined }
  | { clause?: undefined; length?: undefined; error: string };

function parseClause(text: string): ParsedClause {
  const [, dot = '', digits = '', verb = ''] = /^(\.?)(\d*)([\s\S]?)/.exec(dotted(text)) ?? [];
  const ofPrecision = 'error while parsing precision';
  if (dot && verb === '') return { error: `${ofPrecision}: could not find end of precision specifier` };
  if (dot && digits === '')
    return {
      error: `${ofPrecision}: error while converting precision to integer: strconv.Atoi: parsing "": invalid syntax`,
    };
  if (!VERBS.has(verb)) return { error: `unrecognized formatting clause "${dot ? verb : (text[0] ?? '')}"` };
  const precision = dot ? Math.min(MAX_PRECISION, Number(digits)) : DEFAULT_PRECISION;
  return { clause: { verb: verb as Clause['verb'], precision }, length: dot.length + digits.length + 1 };
}

/** Digits belong to a precision only behind its dot. */
const dotted = (text: string): string => (text.startsWith('.') || !/^\d/.test(text) ? text : '?');

const VERBS: ReadonlySet<string> = new Set(['s', 'd', 'f', 'e', 'b', 'x', 'X', 'o']);

export const COMPLAINTS = {
  s: 'string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps',
  d: 'decimal clause can only be used on integers',
  f: 'fixed-point clause can only be used on doubles',
  e: 'scientific clause can only be used on doubles',
  b: 'only integers and bools can be formatted as binary',
  x: 'only integers, byte buffers, and strings can be formatted as hex',
  X: 'only integers, byte buffers, and strings can be formatted as hex',
  o: 'octal clause can only be used on integers',
} as const;

export function format(text: string, args: List): Result {
  const { parts, error } = parseFormat(text);
  let made = '';
  let used = 0;
  for (const part of parts) {
    const shown = typeof part === 'string' ? part : formatArgument(part, args, used++);
    if (shown instanceof CelError) return shown;
    made += shown;
    expectText(shown.length);
  }
  if (error === undefined) return made;
  return new CelError(used < args.size ? error : outOfRange(used));
}

export const outOfRange = (index: number): string => `index ${index} out of range`;

function formatArgument(clause: Clause, args: List, index: number): string | CelError {
  if (index >= args.size) return new CelError(outOfRange(index));
  const value = args.at(index);
  if (value instanceof CelError) return value;
  const shown = formatValue(clause, value);
  return shown instanceof CelError ? new CelError(`error during formatting: ${shown.message}`) : shown;
}

const badType = (verb: Clause['verb'], value: Value): CelError =>
  new CelError(`${COMPLAINTS[verb]}, was given ${typeOfValue(value).name}`);

function formatValue({ verb, precision }: Clause, value: Value): string | CelError {
  switch (verb) {
    case 's':
      return plain(value) ?? badType(verb, value);
    case 'f':
      return onDouble(value, (number) => fixed(number, precision)) ?? badType(verb, value);
    case 'e':
      return onDouble(value, scientific)?.padStart(precision) ?? badType(verb, value);
    case 'x':
      return hex(value) ?? badType(verb, value);
    case 'X':
      return hex(value)?.toUpperCase() ?? badType(verb, value);
    default:
      return whole(value, verb) ?? badType(verb, value);
  }
}

const RADIX = { d: 10, b: 2, o: 8 } as const;

function whole(value: Value, verb: 'd' | 'b' | 'o'): string | undefined {
  if (verb === 'b' && typeof value === 'boolean') return value ? '1' : '0';
  const number = value instanceof Double ? undefined : numberOf(value);
  return number?.toString(RADIX[verb]);
}

function hex(value: Value): string | undefined {
  if (typeof value === 'string') return toHex(bytesOfText(value));
  if (value instanceof Uint8Array) return toHex(value);
  return value instanceof Double ? undefined : numberOf(value)?.toString(16);
}

const SPECIAL: ReadonlyMap<string, number> = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
]);

function onDouble(value: Value, show: (number: number) => string): string | undefined {
  const number = typeof value === 'string' ? SPECIAL.get(value) : value instanceof Double ? value.value : undefined;
  if (number === undefined) return undefined;
  if (Number.isFinite(number)) return show(number);
  return Number.isNaN(number) ? 'NaN' : number > 0 ? '∞' : '-∞';
}

/** With commas between thousands. */
function fixed(number: number, precision: number): string {
  const [digits = '', fraction] = decimals(number, precision).split('.');
  const grouped = digits.replace(/\B(?=(\d{3})+$)/g, ',');
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** All digits, however large the number is. */
function decimals(number: number, precision: number): string {
  if (Math.abs(number) >= 1e21) return `${BigInt(number)}${precision > 0 ? '.' : ''}${'0'.repeat(precision)}`;
  return roundedToEven(number, precision);
}

/** JavaScript rounds a half up, Go to the even digit. */
function roundedToEven(number: number, precision: number): string {
  const exact = number.toFixed(MAX_PRECISION);
  const kept = exact.slice(0, exact.length - MAX_PRECISION + precision).replace(/\.$/, '');
  const isHalf = /^50*$/.test(exact.slice(exact.length - MAX_PRECISION + precision));
  return isHalf && /[02468]$/.test(kept) ? kept : number.toFixed(precision);
}

const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹';

function scientific(number: number): string {
  const [mantissa, exponent] = number.toExponential(DEFAULT_PRECISION).split('e') as [string, string];
  const digits = exponent.slice(1).padStart(2, '0');
  const raised = [...digits].map((digit) => SUPERSCRIPTS[Number(digit)]).join('');
  return `${mantissa}×10${exponent.startsWith('-') ? '⁻' : ''}${raised}`;
}

/** As `string(x)`, lists and maps included; undefined for what has no text. */
function plain(value: Value): string | undefined {
  if (value === null) return 'null';
  if (typeof value === 'string') return value;
  if (value instanceof Uint8Array) return String(textOrUndefined(textOfBytes(value)));
  if (value instanceof Double) return textOfDouble(value);
  if (value instanceof Timestamp) return textOfTimestamp(value);
  if (value instanceof Duration) return textOfDuration(value);
  if (value instanceof TypeValue) return value.of.name;
  return typeof value === 'object' ? compound(value) : String(value);
}

const textOrUndefined = (text: Result): string | undefined => (typeof text === 'string' ? text : undefined);

function compound(value: Value): string | undefined {
  if (value instanceof Uint) return String(value.value);
  if (value instanceof List) return listText(value);
  return value instanceof MapLike ? mapText(value) : undefined;
}

/** In a list or map texts stand in quotes. */
function inside(value: Result | undefined): string | undefined {
  spendWork(1);
  if (typeof value === 'string') return JSON.stringify(value);
  if (value instanceof Double) return doubleInside(value);
  if (value === undefined || value instanceof CelError) return undefined;
  const text = plain(value);
  if (text === undefined) return undefined;
  if (value instanceof Uint8Array) return `b${JSON.stringify(text)}`;
  if (value instanceof Timestamp) return `timestamp(${JSON.stringify(text)})`;
  return value instanceof Duration ? `duration(${JSON.stringify(text)})` : text;
}

function doubleInside({ value }: Double): string {
  if (Number.isFinite(value)) return `${Object.is(value, -0) ? '-' : ''}${decimals(value, DEFAULT_PRECISION)}`;
  return JSON.stringify(Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf');
}

function listText(list: List): string | undefined {
  const items: string[] = [];
  for (let i = 0; i < list.size; i++) {
    const text = inside(list.at(i));
    if (text === undefined) return undefined;
    items.push(text);
  }
  return `[${items.join(', ')}]`;
}

function mapText(map: MapLike): string | undefined {
  const entries: [string, string][] = [];
  for (const key of map.keys()) {
    const [name, value] = [inside(key), inside(map.find(key))];
    if (name === undefined || value === undefined) return undefined;
    entries.push([name, value]);
  }
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, value]) => `${key}:${value}`).join(', ')}}`;
}
