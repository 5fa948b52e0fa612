/** Address ranges of both families as numbers: just enough to plan addresses. */
import { formatIp, parseCidr } from '#api/machinery/ip.ts';

interface AddressRange {
  first: bigint;
  size: bigint;
  isIpv6: boolean;
}

/** `172.30.0.0/24`, `fd00::/64`; a bare address is a range of one. Throws RangeError. */
function rangeFrom(text: string): AddressRange {
  const isIpv6 = text.includes(':');
  const range = parseCidr(text.includes('/') ? text : `${text}/${isIpv6 ? 128 : 32}`);
  if (!range) throw new RangeError(`"${text}" is not a range of addresses`);
  const value = range.address.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  const size = 1n << BigInt(range.address.length * 8 - range.prefixLength);
  return { first: value - (value % size), size, isIpv6 };
}

export function overlaps(a: string, b: string): boolean {
  const [one, two] = [rangeFrom(a), rangeFrom(b)];
  return one.isIpv6 === two.isIpv6 && one.first < two.first + two.size && two.first < one.first + one.size;
}

/** The address `offset` places into the range. */
export function addressIn(range: string, offset: number | bigint): string {
  const { first, isIpv6 } = rangeFrom(range);
  const hex = (first + BigInt(offset)).toString(16).padStart(isIpv6 ? 32 : 8, '0');
  return formatIp(Uint8Array.from(Buffer.from(hex, 'hex')));
}

/** As ip(8) and nft(8) call the family of an address or a range. */
export const familyWord = (address: string): 'ip' | 'ip6' => (address.includes(':') ? 'ip6' : 'ip');

/** An address as a range of one. */
export const hostRange = (address: string): string => `${address}/${address.includes(':') ? 128 : 32}`;
