/** IP addresses and ranges as text. Source: RFC 4291, RFC 5952 (canonical form), RFC 4632. */

/** 4 or 16 bytes; undefined when the text is no address. Leading zeros in IPv4 are refused, as upstream does for new fields. */
export function parseIp(text: string): Uint8Array | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

export const isIpv4 = (text: string): boolean => IPV4.test(text);
export const isIpv6 = (text: string): boolean => text.includes(':') && parseIpv6(text) !== undefined;

export interface IpRange {
  address: Uint8Array;
  prefixLength: number;
}

/** `10.0.0.0/8`, `fd00::/64`. The host bits may be set. */
export function parseCidr(text: string): IpRange | undefined {
  const slash = text.lastIndexOf('/');
  const address = slash < 0 ? undefined : parseIp(text.slice(0, slash));
  const length = text.slice(slash + 1);
  if (!address || !/^(0|[1-9]\d{0,2})$/.test(length) || Number(length) > address.length * 8) return undefined;
  return { address, prefixLength: Number(length) };
}

/** Whether the address lies in the range; false for different families. */
export function rangeContains({ address, prefixLength }: IpRange, ip: Uint8Array): boolean {
  if (ip.length !== address.length) return false;
  for (let bit = 0; bit < prefixLength; bit += 8) {
    const index = bit / 8;
    const mask = prefixLength - bit >= 8 ? 0xff : (0xff << (8 - (prefixLength - bit))) & 0xff;
    if (((ip[index] ?? 0) & mask) !== ((address[index] ?? 0) & mask)) return false;
  }
  return true;
}

/** The same for texts: false too when one of them is no range or no address. */
export function isInRange(range: string, ip: string): boolean {
  const [parsed, address] = [parseCidr(range), parseIp(ip)];
  return !!parsed && !!address && rangeContains(parsed, address);
}

/** The range's first address: without its host bits. */
export const maskedIp = ({ address, prefixLength }: IpRange): Uint8Array =>
  address.map((byte, index) => byte & (0xff00 >> Math.min(8, Math.max(0, prefixLength - 8 * index))) & 0xff);

/** RFC 5952 for IPv6, dotted decimal for IPv4. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0));
  const gap = longestZeroRun(groups);
  const hex = (from: number, to: number) =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':');
  return gap ? `${hex(0, gap.start)}::${hex(gap.start + gap.length, 8)}` : hex(0, 8);
}

/** The one way of writing an address; undefined when the text is none. */
export function canonicalIp(text: string): string | undefined {
  if (isIpv4(text)) return text;
  const ip = parseIp(text);
  return ip && formatIp(ip);
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } | undefined {
  let best: { start: number; length: number } | undefined;
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (start + length < groups.length && groups[start + length] === 0) length++;
    if (length >= 2 && length > (best?.length ?? 0)) best = { start, length };
  }
  return best;
}

const BYTE = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
/** An address can be written in no other way. */
const IPV4 = new RegExp(`^${BYTE}\\.${BYTE}\\.${BYTE}\\.${BYTE}$`);

const parseIpv4 = (text: string): Uint8Array | undefined =>
  isIpv4(text) ? Uint8Array.from(text.split('.'), Number) : undefined;

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = groupsOf(halves[0] ?? '');
  const tail = halves.length === 2 ? groupsOf(halves[1] ?? '') : [];
  if (!head || !tail) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...Array.from({ length: missing }, () => 0), ...tail];
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

function groupsOf(text: string): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    const dotted = index === parts.length - 1 && part.includes('.') ? parseIpv4(part) : undefined;
    if (dotted) groups.push((dotted[0]! << 8) | dotted[1]!, (dotted[2]! << 8) | dotted[3]!);
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}
