/**
 * Each flow is dealt a hand of queues, so that a flow that floods its queues shares all of them with hardly any other.
 * Source: documentation, "API Priority and Fairness"; upstream's util/shufflesharding: the same hash deals the same hand.
 */
import { createHash } from 'node:crypto';

/** The first 8 bytes of a SHA-256 over the name of the schema and what tells its flows apart. */
export function flowHash(schema: string, distinguisher: string): bigint {
  return createHash('sha256').update(schema).update('\0').update(distinguisher).digest().readBigUInt64LE(0);
}

/** `handSize` different numbers below `deckSize`. */
export function dealtHand(hash: bigint, { deckSize, handSize }: { deckSize: number; handSize: number }): number[] {
  const remainders: number[] = [];
  let rest = hash;
  for (let i = 0; i < handSize; i++) {
    const cards = BigInt(deckSize - i);
    remainders.push(Number(rest % cards));
    rest /= cards;
  }
  return remainders.map((remainder, i) => {
    let card = remainder;
    for (let j = i; j > 0; j--) if (card >= remainders[j - 1]!) card++;
    return card;
  });
}

/** More of a hash than there is would make hands uneven. */
const MAX_HASH_BITS = 60;

/** Why no hand can be dealt; undefined: it can. */
export function problemOfDeck({ deckSize, handSize }: { deckSize: number; handSize: number }): string | undefined {
  if (handSize > deckSize) return `handSize ${handSize} is greater than deckSize ${deckSize}`;
  const bits = Math.ceil(Math.log2(deckSize) * handSize);
  if (bits <= MAX_HASH_BITS) return undefined;
  return `required entropy bits of deckSize ${deckSize} and handSize ${handSize} is greater than ${MAX_HASH_BITS}`;
}
