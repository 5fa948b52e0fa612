/** Addresses and ranges as values. What Go's netip takes for one: no leading zeros, no zones, no IPv4 in IPv6. */
import { formatIp, parseCidr, parseIp, rangeContains } from '../../ip.ts';
import * as cel from '../cel-type.ts';
import { CelError, Opaque, type Value } from '../value.ts';
import { whyNoCidr, whyNoIp } from './ip-problem.ts';

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

export function cidrOf(text: string): CidrValue | CelError {
  const parsed = parseCidr(text);
  if (!parsed) return new CelError(`${NETWORK} ${NETWORK} ${whyNoCidr(text)}`);
  if (isMapped(parsed.address))
    return new CelError(`${NETWORK} IPv4-mapped IPv6 address ${quoted(text)} is not allowed`);
  return new CidrValue(new IpValue(parsed.address), parsed.prefixLength);
}

const NETWORK = 'network address parse error during conversion from string:';
