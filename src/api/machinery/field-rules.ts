/** Rules that many kinds share. Each returns what is wrong at a path, nothing when all is well. */
import { isEqual } from './equal.ts';
import { type FieldError, forbiddenField, invalidValue, notSupportedValue, requiredValue } from './field-error.ts';
import type { Path } from './field-path.ts';
import { isIpv4, isIpv6, parseIp } from './ip.ts';
import { dns1123Subdomain, type NameRule, patternComplaint, percent } from './names.ts';
import { IMMUTABLE } from './object-meta.ts';
import { compareQuantities, isQuantity } from './quantity.ts';

export const isRequired = (at: Path, value: unknown, detail = ''): FieldError[] =>
  value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)
    ? [requiredValue(at, detail)]
    : [];

/** Absent is good. */
export const isOneOf = (at: Path, value: string | undefined, supported: readonly string[]): FieldError[] =>
  value === undefined || supported.includes(value) ? [] : [notSupportedValue(at, value, supported)];

/** Required, and one of these. */
export const mustBeOneOf = (at: Path, value: string | undefined, supported: readonly string[]): FieldError[] =>
  value ? isOneOf(at, value, supported) : [requiredValue(at)];

export const isNotNegative = (at: Path, value: number | undefined): FieldError[] =>
  value !== undefined && value < 0 ? [invalidValue(at, value, 'must be greater than or equal to 0')] : [];

export const isAbove = (at: Path, value: number | undefined, min: number): FieldError[] =>
  value !== undefined && value <= min ? [invalidValue(at, value, `must be greater than ${min}`)] : [];

export const isBetween = (at: Path, value: number | undefined, [low, high]: [number, number]): FieldError[] =>
  value !== undefined && (value < low || value > high)
    ? [invalidValue(at, value, `must be between ${low} and ${high}, inclusive`)]
    : [];

export const isImmutable = (at: Path, next: unknown, current: unknown, detail = IMMUTABLE): FieldError[] =>
  isEqual(next, current) ? [] : [invalidValue(at, next, detail)];

/** Of counters that only rise. Absent is 0, once there was one. */
export const isNotDecremented = (at: Path, next: number | undefined, current: number | undefined): FieldError[] =>
  current !== undefined && (next ?? -1) < current ? [invalidValue(at, next ?? 0, 'cannot be decremented')] : [];

export const follows = (at: Path, value: string, rule: NameRule): FieldError[] =>
  rule(value).map((text) => invalidValue(at, value, text));

/** A whole number that is not negative, or a percentage. Absent is good. */
export function isCountOrPercent(at: Path, value: number | string | undefined): FieldError[] {
  if (value === undefined) return [];
  if (typeof value === 'number') return isNotNegative(at, value);
  return follows(at, value, percent);
}

export const isNotAbove100Percent = (at: Path, value: number | string | undefined): FieldError[] =>
  typeof value === 'string' && Number(/^(\d+)%$/.exec(value)?.[1] ?? 0) > 100
    ? [invalidValue(at, value, 'must not be greater than 100%')]
    : [];

export const isNotNegativeQuantity = (at: Path, value: string): FieldError[] =>
  isQuantity(value) && compareQuantities(value, '0') < 0
    ? [invalidValue(at, value, 'must be greater than or equal to 0')]
    : [];

export const isIp = (at: Path, value: string): FieldError[] =>
  parseIp(value) ? [] : [invalidValue(at, value, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)')];

export const familyOf = (ip: string): 'IPv4' | 'IPv6' | undefined =>
  isIpv4(ip) ? 'IPv4' : isIpv6(ip) ? 'IPv6' : undefined;

export const mayNotBeSet = (at: Path, value: unknown, why: string): FieldError[] =>
  value === undefined || value === '' || (Array.isArray(value) && value.length === 0) ? [] : [forbiddenField(at, why)];

const HTTP_PATH = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+";
const IS_HTTP_PATH = new RegExp(`^${HTTP_PATH}$`);

/** `acme.io/foo`: whose it is, and what. */
export function isDomainPrefixedPath(at: Path, value: string): FieldError[] {
  if (value === '') return [requiredValue(at)];
  const [host = '', path = ''] = splitOnce(value, '/');
  if (!host || !path) return [invalidValue(at, value, 'must be a domain-prefixed path (such as "acme.io/foo")')];
  const errors = follows(at, host, dns1123Subdomain);
  return IS_HTTP_PATH.test(path)
    ? errors
    : [...errors, invalidValue(at, path, patternComplaint('Invalid path', HTTP_PATH))];
}

function splitOnce(text: string, separator: string): [string, string] {
  const index = text.indexOf(separator);
  return index < 0 ? [text, ''] : [text.slice(0, index), text.slice(index + 1)];
}
