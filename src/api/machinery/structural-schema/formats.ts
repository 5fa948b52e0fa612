/**
 * The formats of strings that apiextensions checks; all others are ignored, int32 and int64 among them. Source: the
 * documentation of JSONSchemaProps.format; behaviour as kube-openapi's strfmt.
 */
import { fromBase64 } from '../base64.ts';
import { isIpv4, isIpv6, parseCidr } from '../ip.ts';
import { dns1123Label, dns1123Subdomain } from '../names.ts';

const DIGITS_ONLY = /\D/g;
const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;
const HOST_LABEL = /^[\p{L}\p{N}]([\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?$/u;
const GO_DURATION = /^[-+]?(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$/;
const WORD_DURATION =
  /^(\d+)\s*(ns|nanos?|nanoseconds?|us|µs|micros?|microseconds?|ms|millis?|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|wks?|weeks?)$/i;

/** `variants`: the digits that may begin the fourth group. */
const uuidOf =
  (version: string, variants?: string) =>
  (text: string): boolean => {
    const digits = text.replaceAll('-', '').toLowerCase();
    return UUID.test(text) && digits[12] === version && (variants?.includes(digits[16]!) ?? true);
  };

const FORMATS: ReadonlyMap<string, (text: string) => boolean> = new Map([
  ['bsonobjectid', (text) => /^[0-9a-f]{24}$/i.test(text)],
  ['uri', isUri],
  ['email', isEmail],
  ['hostname', isHostname],
  ['ipv4', isIpv4],
  ['ipv6', isIpv6],
  ['cidr', (text) => parseCidr(text) !== undefined],
  ['mac', (text) => /^([0-9a-f]{2}([:-])[0-9a-f]{2}(\2[0-9a-f]{2}){4}|([0-9a-f]{4}\.){2}[0-9a-f]{4})$/i.test(text)],
  ['uuid', (text) => UUID.test(text)],
  ['uuid3', uuidOf('3')],
  ['uuid4', uuidOf('4', '89ab')],
  ['uuid5', uuidOf('5', '89ab')],
  ['isbn', (text) => isIsbn10(text) || isIsbn13(text)],
  ['isbn10', isIsbn10],
  ['isbn13', isIsbn13],
  ['creditcard', isCreditCard],
  ['ssn', (text) => /^\d{3}[- ]?\d{2}[- ]?\d{4}$/.test(text)],
  ['hexcolor', (text) => /^#?([0-9a-f]{3}|[0-9a-f]{6})$/i.test(text)],
  ['rgbcolor', isRgbColor],
  ['byte', (text) => /^[\w+/=-]+$/.test(text) && fromBase64(text) instanceof Uint8Array],
  ['password', () => true],
  ['date', isDate],
  ['datetime', isDateTime],
  ['duration', (text) => GO_DURATION.test(text) || WORD_DURATION.test(text)],
  ['k8sshortname', (text) => dns1123Label(text).length === 0],
  ['k8slongname', (text) => dns1123Subdomain(text).length === 0],
]);

/** True also for formats that nobody knows. */
export function hasFormat(text: string, format: string): boolean {
  return FORMATS.get(format.replaceAll('-', ''))?.(text) ?? true;
}

/** Of numbers a format says which they are, and is not checked. */
const OF_NUMBERS: ReadonlyMap<string, readonly string[]> = new Map([
  ['integer', ['int32', 'int64']],
  ['number', ['float', 'double']],
]);

/** Of values of that type; those without one may be strings. */
export const isKnownFormat = (format: string, type = ''): boolean =>
  type === '' || type === 'string'
    ? FORMATS.has(format.replaceAll('-', ''))
    : (OF_NUMBERS.get(type)?.includes(format) ?? false);

/** Text of a URL that stands for itself: an absolute one, or a path from the root. */
function isUri(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a URL must not have
  if (!text || /[\u0000- \u007f]/.test(text)) return false;
  return /^[a-z][a-z0-9+.-]*:.+/i.test(text) || text.startsWith('/');
}

function isEmail(text: string): boolean {
  const address = text.length > 1000 ? '' : (/<([^<>]*)>\s*$/.exec(text)?.[1] ?? text.trim());
  const at = address.lastIndexOf('@');
  const [local, domain] = [address.slice(0, at), address.slice(at + 1)];
  if (at < 1 || !/^[^\s@()[\]:;<>,.]+(\.[^\s@()[\]:;<>,.]+)*$/.test(local)) return false;
  return /^(\[[^\]\s]+\]|[^\s@()[\]:;<>,.]+(\.[^\s@()[\]:;<>,.]+)*)$/.test(domain);
}

function isHostname(text: string): boolean {
  const labels = text.replace(/\.$/, '').split('.');
  return text.length > 0 && text.length <= 253 && labels.every((label) => HOST_LABEL.test(label));
}

function isDate(text: string): boolean {
  const [, year, month, day] = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text) ?? [];
  if (!year) return false;
  const days = new Date(Date.UTC(2000 + (Number(year) % 400), Number(month), 0)).getUTCDate();
  return Number(month) >= 1 && Number(month) <= 12 && Number(day) >= 1 && Number(day) <= days;
}

function isDateTime(text: string): boolean {
  const parts = /^(\d{4}-\d\d-\d\d)t(\d\d):(\d\d):(\d\d)(\.\d+)?(z|[+-]\d\d:?\d\d)$/i.exec(text);
  if (!parts?.[1] || !isDate(parts[1])) return false;
  return Number(parts[2]) < 24 && Number(parts[3]) < 60 && Number(parts[4]) < 60;
}

function isIsbn10(text: string): boolean {
  const digits = text.replace(/[\s-]/g, '');
  if (!/^\d{9}[\dX]$/.test(digits)) return false;
  const sum = [...digits].reduce((total, digit, i) => total + (digit === 'X' ? 10 : Number(digit)) * (10 - i), 0);
  return sum % 11 === 0;
}

function isIsbn13(text: string): boolean {
  const digits = text.replace(/[\s-]/g, '');
  if (!/^\d{13}$/.test(digits)) return false;
  return [...digits].reduce((total, digit, i) => total + Number(digit) * (i % 2 ? 3 : 1), 0) % 10 === 0;
}

function isCreditCard(text: string): boolean {
  const digits = text.replace(DIGITS_ONLY, '');
  if (digits.length < 13 || digits.length > 19) return false;
  const doubled = (digit: number) => (digit > 4 ? digit * 2 - 9 : digit * 2);
  return [...digits].reverse().reduce((sum, d, i) => sum + (i % 2 ? doubled(Number(d)) : Number(d)), 0) % 10 === 0;
}

function isRgbColor(text: string): boolean {
  const parts = /^rgb\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)$/.exec(text)?.slice(1);
  return parts?.every((part) => Number(part) <= 255) ?? false;
}
