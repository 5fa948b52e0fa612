/**
 * What a field may say of an address or a range. Fields from before v1.33 once took looser forms (leading zeros, IPv4 mapped
 * into IPv6): what they hold already may stay, nothing new of the kind comes in. Source: KEP-4858.
 */
import { type FieldError, invalidValue } from './field-error.ts';
import type { Path } from './field-path.ts';
import { formatIp, type IpRange, isIpv4, maskedIp, parseIp } from './ip.ts';

const NO_IP = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';
const NO_CIDR = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';

/** `010.0.0.1` is 10.0.0.1, as old clients meant it; undefined when the text is no address. */
export function parseIpLoosely(text: string): Uint8Array | undefined {
  if (text.includes(':') && !text.includes('.')) return parseIp(text);
  if (text.length > 64) return undefined;
  return parseIp(text.replace(/(^|[.:])0+(?=\d{1,3}(\.|$))/g, '$1'));
}

/** An IPv4 address in the clothes of an IPv6 one is meant as the former. */
const isMapped = (ip: Uint8Array): boolean =>
  ip.length === 16 && ip.subarray(0, 10).every((byte) => byte === 0) && ip[10] === 0xff && ip[11] === 0xff;

export const meantIp = (ip: Uint8Array): Uint8Array => (isMapped(ip) ? ip.subarray(12) : ip);

/** For fields that took looser forms once. `known`: what the field holds already. */
export function isLegacyIp(at: Path, value: string, known: readonly string[] = []): FieldError[] {
  if (known.includes(value) || isIpv4(value)) return []; // most are, and need not be taken apart
  const ip = parseIpLoosely(value);
  if (!ip) return [invalidValue(at, value, NO_IP)];
  const exact = parseIp(value);
  if (!exact) return [invalidValue(at, value, 'must not have leading 0s')];
  return isMapped(ip) ? [invalidValue(at, value, 'must not be an IPv4-mapped IPv6 address')] : [];
}

/** For newer fields: one way of writing an address only. */
export function isCanonicalIp(at: Path, value: string): FieldError[] {
  const errors = isLegacyIp(at, value);
  const ip = parseIp(value);
  if (errors.length > 0 || !ip || formatIp(ip) === value) return errors;
  return [invalidValue(at, value, `must be in canonical form ("${formatIp(ip)}")`)];
}

const startsWith = (ip: Uint8Array, ...bytes: readonly number[]): boolean =>
  bytes.every((byte, index) => ip[index] === byte);

/** Addresses that no endpoint can have, whoever asks. */
export function isEndpointIp(at: Path, value: string): FieldError[] {
  const parsed = parseIpLoosely(value);
  if (!parsed) return [invalidValue(at, value, 'must be a valid IP address')];
  const ip = meantIp(parsed);
  const isIpv4 = ip.length === 4;
  const refuse = (text: string) => [invalidValue(at, value, text)];
  if (ip.every((byte) => byte === 0)) return refuse(`may not be unspecified (${value})`);
  const isLoopback = isIpv4 ? ip[0] === 127 : ip.every((byte, index) => byte === (index === 15 ? 1 : 0));
  if (isLoopback) return refuse('may not be in the loopback range (127.0.0.0/8, ::1/128)');
  const isLinkLocal = isIpv4 ? startsWith(ip, 169, 254) : ip[0] === 0xfe && (ip[1]! & 0xc0) === 0x80;
  if (isLinkLocal) return refuse('may not be in the link-local range (169.254.0.0/16, fe80::/10)');
  const isMulticast = isIpv4 ? startsWith(ip, 224, 0, 0) : ip[0] === 0xff && (ip[1]! & 0x0f) === 2;
  return isMulticast ? refuse('may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)') : [];
}

interface LooseRange extends IpRange {
  /** The text of the address. */
  text: string;
}

function parseCidrLoosely(value: string): LooseRange | undefined {
  const slash = value.lastIndexOf('/');
  const text = value.slice(0, slash);
  const address = slash < 0 ? undefined : parseIpLoosely(text);
  const length = value.slice(slash + 1);
  if (!address || !/^\d{1,8}$/.test(length) || Number(length) > address.length * 8) return undefined;
  return { address, prefixLength: Number(length), text };
}

/** The range as it is best written. */
function formatRange(range: IpRange): string {
  const network = maskedIp(range);
  const isV4 = isMapped(network);
  return `${formatIp(meantIp(network))}/${isV4 ? Math.max(0, range.prefixLength - 96) : range.prefixLength}`;
}

const isExactLength = (value: string) => !/\/0\d/.test(value);

/** For fields that took looser forms once. `known`: what the field holds already. */
export function isLegacyCidr(at: Path, value: string, known: readonly string[] = []): FieldError[] {
  if (known.includes(value)) return [];
  const range = parseCidrLoosely(value);
  if (!range) return [invalidValue(at, value, NO_CIDR)];
  if (!parseIp(range.text) || !isExactLength(value))
    return [invalidValue(at, value, 'must not have leading 0s in IP or prefix length')];
  if (isMapped(range.address)) return [invalidValue(at, value, 'must not have an IPv4-mapped IPv6 address')];
  return isSame(maskedIp(range), range.address)
    ? []
    : [invalidValue(at, value, 'must not have bits set beyond the prefix length')];
}

/** For newer fields: one way of writing a range only. */
export function isCanonicalCidr(at: Path, value: string): FieldError[] {
  const errors = isLegacyCidr(at, value);
  const range = parseCidrLoosely(value);
  if (errors.length > 0 || !range || formatRange(range) === value) return errors;
  return [invalidValue(at, value, `must be in canonical form ("${formatRange(range)}")`)];
}

/** An address together with the length of its network's prefix, in one way of writing only: `10.9.8.7/24`. */
export function isInterfaceAddress(at: Path, value: string): FieldError[] {
  const range = parseCidrLoosely(value);
  if (!range)
    return [invalidValue(at, value, 'must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)')];
  const ip = meantIp(range.address);
  const length = range.prefixLength - (ip.length < range.address.length ? 96 : 0);
  const canonical = `${formatIp(ip)}/${length}`;
  return value === canonical ? [] : [invalidValue(at, value, `must be in canonical form ("${canonical}")`)];
}

const isSame = (a: Uint8Array, b: Uint8Array): boolean => a.every((byte, index) => byte === b[index]);

/** Of an address that passed as a legacy one. */
export function warningsOfIp(at: Path, value: string): string[] {
  const ip = parseIpLoosely(value);
  if (!ip) return [];
  const canonical = formatIp(meantIp(ip));
  if (!parseIp(value) || isMapped(ip))
    return [`${at}: non-standard IP address ${JSON.stringify(value)} is invalid: use "${canonical}"`];
  return value.includes(':') && canonical !== value
    ? [`${at}: IPv6 address ${JSON.stringify(value)} should be in RFC 5952 canonical format ("${canonical}")`]
    : [];
}

/** Of a range that passed as a legacy one. */
export function warningsOfCidr(at: Path, value: string): string[] {
  const range = parseCidrLoosely(value);
  if (!range) return [];
  const shown = JSON.stringify(value);
  const canonical = formatRange(range);
  const warnings: string[] = [];
  if (!isSame(maskedIp(range), range.address)) {
    const ip = meantIp(range.address);
    const single = `${formatIp(ip)}/${ip.length * 8}`;
    warnings.push(`${at}: CIDR value ${shown} is ambiguous in this context (should be "${canonical}" or "${single}"?)`);
  }
  if (!parseIp(range.text) || !isExactLength(value) || isMapped(range.address))
    warnings.push(`${at}: non-standard CIDR value ${shown} is invalid: use "${canonical}"`);
  if (warnings.length === 0 && value.includes(':') && canonical !== value)
    warnings.push(`${at}: IPv6 CIDR value ${shown} should be in RFC 5952 canonical format ("${canonical}")`);
  return warnings;
}
