/** IPv4 ranges as numbers: just enough to plan addresses. */
export interface AddressRange {
  first: number;
  bits: number;
}

/** `172.30.0.0/24`; a bare address is a range of one. */
export function parseRange(text: string): AddressRange {
  const [address = '', bits = '32'] = text.split('/');
  const octets = address.split('.').map(Number);
  if (octets.length !== 4 || octets.some((octet) => !(octet >= 0 && octet <= 255))) {
    throw new RangeError(`"${text}" is not an IPv4 range`);
  }
  const size = 2 ** (32 - Number(bits));
  const value = octets.reduce((sum, octet) => sum * 256 + octet, 0);
  return { first: value - (value % size), bits: Number(bits) };
}

export function overlaps(a: string, b: string): boolean {
  const [one, two] = [parseRange(a), parseRange(b)];
  return one.first < two.first + 2 ** (32 - two.bits) && two.first < one.first + 2 ** (32 - one.bits);
}

/** The address `offset` places into the range. */
export function addressIn(range: string, offset: number): string {
  const { first } = parseRange(range);
  const value = first + offset;
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}
