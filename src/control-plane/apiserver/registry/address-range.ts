/** A range of addresses to hand out from: which are usable, and in which order to try them. Pure. */
import { formatIp, parseCidr, parseIp, rangeContains } from '#api/machinery/ip.ts';
import type { Random } from '#base/random.ts';

export type IpFamily = 'IPv4' | 'IPv6';

export interface AddressRange {
  cidr: string;
  family: IpFamily;
  /** Whether it can be given out. */
  contains(ip: string): boolean;
  /** Whether it lies in the range at all. */
  encloses(ip: string): boolean;
  /** The `index`th usable address, from 0. */
  at(index: bigint): string;
  /** How many are usable: neither network nor broadcast address. */
  size: bigint;
}

/** Behind the part that people choose from by hand, so that chosen and given addresses seldom meet. KEP-3070. */
const STATIC_BAND = { min: 16n, max: 256n, divisor: 16n };

/** Throws Error when the text is no range. */
export function addressRange(cidr: string): AddressRange {
  const range = parseCidr(cidr);
  if (!range) throw new Error(`${cidr} is not an address range`);
  const bits = BigInt(range.address.length * 8 - range.prefixLength);
  const all = 1n << bits;
  const base = (toNumber(range.address) >> bits) << bits;
  const family = range.address.length === 4 ? 'IPv4' : 'IPv6';
  return {
    cidr,
    family,
    size: family === 'IPv4' ? all - 2n : all - 1n,
    contains: (ip) => isUsable(range, base, all, ip),
    encloses: (ip) => rangeContains(range, parseIp(ip) ?? new Uint8Array()),
    at: (index) => formatIp(toBytes(base + 1n + index, range.address.length)),
  };
}

function isUsable(range: NonNullable<ReturnType<typeof parseCidr>>, base: bigint, all: bigint, ip: string): boolean {
  const bytes = parseIp(ip);
  if (!bytes || !rangeContains(range, bytes)) return false;
  const number = toNumber(bytes);
  return number !== base && !(bytes.length === 4 && number === base + all - 1n);
}

/**
 * Indices to try: from a random place in the upper band round to its end, then the lower band. Ends when all were
 * given.
 */
export function* candidates(size: bigint, random: Random): Generator<bigint> {
  const band = clamp(size / STATIC_BAND.divisor, STATIC_BAND.min, STATIC_BAND.max);
  const lower = size > band * 2n ? band : 0n;
  yield* fromRandomPlace(lower, size, random);
  if (lower > 0n) yield* fromRandomPlace(0n, lower, random);
}

function* fromRandomPlace(from: bigint, to: bigint, random: Random): Generator<bigint> {
  const count = to - from;
  const reachable = count < 1n << 52n ? Number(count) : 2 ** 52;
  const start = BigInt(Math.floor(random.next() * reachable));
  for (let i = 0n; i < count; i++) yield from + ((start + i) % count);
}

const clamp = (value: bigint, min: bigint, max: bigint): bigint => (value < min ? min : value > max ? max : value);

const toNumber = (bytes: Uint8Array): bigint => bytes.reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);

const toBytes = (number: bigint, length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => Number((number >> BigInt(8 * (length - 1 - i))) & 0xffn));
