/** What is wrong with a text that is no address or range: in the words of Go's netip, which reads them from left to right. */
import { parseIp } from '../../ip.ts';

const quoted = (text: string) => JSON.stringify(text);
const at = (rest: string) => ` (at ${quoted(rest)})`;

/** As netip.ParseAddr. */
export function whyNoIp(text: string): string {
  const parsing = `ParseAddr(${quoted(text)})`;
  const first = /[.:%]/.exec(text)?.[0];
  if (first === undefined) return `${parsing}: unable to parse IP`;
  if (first === '%') return `${parsing}: missing IPv6 address`;
  return `${parsing}: ${first === '.' ? whyNoIpv4(text) : whyNoIpv6(text)}`;
}

/** As netip.ParsePrefix. */
export function whyNoCidr(text: string): string {
  const parsing = `netip.ParsePrefix(${quoted(text)})`;
  const slash = text.lastIndexOf('/');
  if (slash < 0) return `${parsing}: no '/'`;
  const [ip, bits] = [text.slice(0, slash), text.slice(slash + 1)];
  if (!parseIp(ip)) {
    const isZoned = /^[^%]*:[^%]*%./s.test(ip) && parseIp(ip.slice(0, ip.indexOf('%')));
    return `${parsing}: ${isZoned ? 'IPv6 zones cannot be present in a prefix' : whyNoIp(ip)}`;
  }
  if (!/^(0|[1-9]\d*)$/.test(bits) || BigInt(bits.slice(0, 20)) > MAX_INT64)
    return `${parsing}: bad bits after slash: ${quoted(bits)}`;
  return `${parsing}: prefix length out of range`;
}

const MAX_INT64 = (1n << 63n) - 1n;

function whyNoIpv4(text: string): string {
  let [digits, value, fields] = [0, 0, 0];
  for (const [index, character] of [...text].entries()) {
    if (character >= '0' && character <= '9') {
      if (digits === 1 && value === 0) return 'IPv4 field has octet with leading zero';
      value = value * 10 + Number(character);
      digits++;
      if (value > 255) return 'IPv4 field has value >255';
    } else {
      const rest = [...text].slice(index).join('');
      if (character !== '.') return `unexpected character${at(rest)}`;
      if (digits === 0 || rest === '.') return `IPv4 field must have at least one digit${at(rest)}`;
      if (fields === 3) return 'IPv4 address too long';
      fields++;
      [digits, value] = [0, 0];
    }
  }
  return 'IPv4 address too short';
}

const GROUPS = 8;

function whyNoIpv6(text: string): string {
  const percent = text.indexOf('%');
  if (percent === text.length - 1) return 'zone must be a non-empty string';
  let rest = percent < 0 ? text : text.slice(0, percent);
  let hasGap = rest.startsWith('::');
  if (hasGap) rest = rest.slice(2);
  let groups = 0;
  while (groups < GROUPS) {
    const digits = /^[0-9a-fA-F]*/.exec(rest)![0];
    if (digits.length > 4) return `each group must have 4 or less digits${at(rest)}`;
    if (digits === '') return `each colon-separated field must have at least one digit${at(rest)}`;
    if (rest[digits.length] === '.') return whyNoIpv4Within(rest, groups, hasGap);
    groups++;
    rest = rest.slice(digits.length);
    if (rest === '') break;
    if (!rest.startsWith(':')) return `unexpected character, want colon${at(rest)}`;
    if (rest === ':') return `colon must be followed by more characters${at(rest)}`;
    rest = rest.slice(1);
    if (!rest.startsWith(':')) continue;
    if (hasGap) return `multiple :: in address${at(rest)}`;
    hasGap = true;
    rest = rest.slice(1);
    if (rest === '') break;
  }
  if (rest !== '') return `trailing garbage after address${at(rest)}`;
  return hasGap ? 'the :: must expand to at least one field of zeros' : 'address string too short';
}

function whyNoIpv4Within(rest: string, groups: number, hasGap: boolean): string {
  if (!hasGap && groups !== GROUPS - 2)
    return `embedded IPv4 address must replace the final 2 fields of the address${at(rest)}`;
  if (groups > GROUPS - 2) return `too many hex fields to fit an embedded IPv4 at the end of the address${at(rest)}`;
  if (parseIp(rest)) return 'the :: must expand to at least one field of zeros';
  return whyNoIpv4(rest);
}
