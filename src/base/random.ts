/** Randomness as an argument: seeded in tests, from the system's entropy in a composition root. Never for keys or secrets. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
}

/** A whole number in [0, below). */
export const wholeBelow = (random: Random, below: number): number => Math.floor(random.next() * below);

// Upstream's alphabet for generated names: no vowels, no look-alikes (apimachinery, util/rand).
const NAME_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

/** `length` characters as Kubernetes puts them behind a generateName. */
export const randomSuffix = (random: Random, length = 5): string =>
  Array.from({ length }, () => NAME_ALPHABET[wholeBelow(random, NAME_ALPHABET.length)]).join('');

/** A version 4 UUID (RFC 9562). */
export function randomUuid(random: Random): string {
  const [a, b, c, d] = [hex32(random), hex32(random), hex32(random), hex32(random)];
  const variant = '89ab'[wholeBelow(random, 4)];
  return `${a}-${b.slice(0, 4)}-4${b.slice(5)}-${variant}${c.slice(1, 4)}-${c.slice(4)}${d}`;
}

/** By bytes: every object that is made has four of these, and a number of 32 bits is printed as a fraction would be. */
function hex32(random: Random): string {
  const value = wholeBelow(random, 2 ** 32);
  return HEX[value >>> 24]! + HEX[(value >>> 16) & 0xff]! + HEX[(value >>> 8) & 0xff]! + HEX[value & 0xff]!;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** The same sequence for the same seed (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return {
    next() {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
    },
  };
}
