/** Addresses and ranges as values. What Go's netip takes for one: no leading zeros, no zones, no IPv4 in IPv6. */
import { formatIp, parseCidr, parseIp, rangeContains } from '../../ip.ts';
import * as cel from '../cel-type.ts';
import { CelError, Opaque, type Value } from '../value.ts';

export const IP = cel.opaqueNamed('net.IP');
export const CIDR = cel.opaqueNamed('net.CIDR');

export class IpValue extends Opaque {
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    super();
    this.bytes = bytes;
  }
  get type() {
    return IP;
  }
  get text(): string {
    return formatIp(this.bytes);
  }
  override get size(): number {
    return this.bytes.length;
  }
  equals(other: Value): boolean {
    return other instanceof IpValue && other.text === this.text;
  }
  override toJson(): unknown {
    return this.text;
  }
}

export class CidrValue extends Opaque {
  readonly ip: IpValue;
  readonly prefixLength: number;
  constructor(ip: IpValue, prefixLength: number) {
    super();
    this.ip = ip;
    this.prefixLength = prefixLength;
  }
  get type() {
    return CIDR;
  }
  get text(): string {
    return `${this.ip.text}/${this.prefixLength}`;
  }
  override get size(): number {
    return Math.ceil(this.prefixLength / 8);
  }
  equals(other: Value): boolean {
    return other instanceof CidrValue && other.text === this.text;
  }
  override toJson(): unknown {
    return this.text;
  }
  contains({ bytes }: IpValue): boolean {
    return rangeContains({ address: this.ip.bytes, prefixLength: this.prefixLength }, bytes);
  }
}

const isMapped = (bytes: Uint8Array): boolean =>
  bytes.length === 16 && bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;

const quoted = (text: string) => JSON.stringify(text);

export function ipOf(text: string): IpValue | CelError {
  const zone = text.includes('%') ? text.indexOf('%') : -1;
  const bytes = parseIp(zone < 0 ? text : text.slice(0, zone));
  if (!bytes || (zone >= 0 && (bytes.length === 4 || zone === text.length - 1)))
    return new CelError(`IP Address ${quoted(text)} parse error during conversion from string: ${whyNoIp(text)}`);
  if (zone >= 0) return new CelError(`IP address ${quoted(text)} with zone value is not allowed`);
  if (isMapped(bytes)) return new CelError(`IPv4-mapped IPv6 address ${quoted(text)} is not allowed`);
  return new IpValue(bytes);
}

/** As Go's netip.ParseAddr, for the usual mistakes. */
function whyNoIp(text: string): string {
  const parsing = `ParseAddr(${quoted(text)})`;
  if (!/[.:%]/.test(text)) return `${parsing}: unable to parse IP`;
  if (/^[^:]*\./.test(text)) return `${parsing}: ${whyNoIpv4(text)}`;
  return text.includes(':') ? `${parsing}: ${whyNoIpv6(text)}` : `${parsing}: missing IPv6 address`;
}

function whyNoIpv4(text: string): string {
  const fields = text.split('.');
  if (/[^0-9.]/.test(text)) return `unexpected character (at ${quoted(/[^0-9.].*/.exec(text)![0])})`;
  if (fields.some((field) => /^0\d/.test(field))) return 'IPv4 field has octet with leading zero';
  if (fields.some((field) => Number(field) > 255)) return 'IPv4 field has value >255';
  const empty = fields.indexOf('');
  if (empty >= 0)
    return `IPv4 field must have at least one digit (at ${quoted(empty === 0 ? text : `.${fields.slice(empty + 1).join('.')}`)})`;
  return fields.length < 4 ? 'IPv4 address too short' : 'IPv4 address too long';
}

function whyNoIpv6(text: string): string {
  const second = text.indexOf('::', text.indexOf('::') + 2);
  if (text.includes('::') && second > 0) return `multiple :: in address (at ${quoted(text.slice(second + 1))})`;
  const bad = /[^0-9a-fA-F:.]/.exec(text);
  if (bad && (bad.index === 0 || text[bad.index - 1] === ':'))
    return `each colon-separated field must have at least one digit (at ${quoted(text.slice(bad.index))})`;
  if (bad) return `unexpected character, want colon (at ${quoted(text.slice(bad.index))})`;
  const long = /[0-9a-fA-F]{5,}/.exec(text);
  if (long) return `each group must have 4 or less digits (at ${quoted(text.slice(long.index))})`;
  return 'address string too short';
}

export function cidrOf(text: string): CidrValue | CelError {
  const parsed = parseCidr(text);
  if (!parsed) return new CelError(`${NETWORK} ${NETWORK} ${whyNoCidr(text)}`);
  if (isMapped(parsed.address))
    return new CelError(`${NETWORK} IPv4-mapped IPv6 address ${quoted(text)} is not allowed`);
  return new CidrValue(new IpValue(parsed.address), parsed.prefixLength);
}

const NETWORK = 'network address parse error during conversion from string:';

/** As Go's netip.ParsePrefix. */
function whyNoCidr(text: string): string {
  const parsing = `netip.ParsePrefix(${quoted(text)})`;
  const slash = text.lastIndexOf('/');
  if (slash < 0) return `${parsing}: no '/'`;
  const [ip, bits] = [text.slice(0, slash), text.slice(slash + 1)];
  if (!parseIp(ip)) return `${parsing}: ${whyNoIp(ip)}`;
  if (!/^(0|[1-9]\d*)$/.test(bits)) return `${parsing}: bad bits after slash: ${quoted(bits)}`;
  return `${parsing}: prefix length out of range`;
}
