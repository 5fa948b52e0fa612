/**
 * Answers as bytes, by the bytes of the question behind its number: who asks again what somebody has asked before costs one
 * look-up and one copy. An answer is dropped with the first change of its name; nothing is ever served that the zone would not say.
 */

/** Beyond that all are dropped: names that nobody has are endless, and so are the ways to write one. */
const MOST = 16_384;
const MOST_BYTES = 16 << 20;
/** Questions with more behind them, cookies say, are worked out each time. */
const LONGEST_QUERY = 300;
/** An address more often first than the others would be hit harder: they take turns. */
export const MOST_TURNS = 8;

interface Prepared {
  turns: readonly Buffer[];
  next: number;
}

export class PreparedAnswers {
  readonly #byQuery = new Map<string, Prepared>();
  readonly #queriesOf = new Map<string, string[]>();
  #bytes = 0;

  /** A copy that is the caller's, with this question's number. */
  find(message: Buffer): Buffer | undefined {
    const prepared = this.#byQuery.get(message.toString('latin1', 2));
    if (!prepared) return undefined;
    const { turns } = prepared;
    const bytes = turns[prepared.next] as Buffer;
    if (turns.length > 1) prepared.next = (prepared.next + 1) % turns.length;
    return numbered(bytes, message);
  }

  /** `name`: lower case, as the zone calls it in `forget`. */
  keep(message: Buffer, name: string, turns: readonly Buffer[]): void {
    if (message.length > LONGEST_QUERY) return;
    const query = message.toString('latin1', 2);
    if (this.#byQuery.has(query)) return;
    const size = turns.reduce((sum, { length }) => sum + length, query.length);
    if (this.#byQuery.size >= MOST || this.#bytes + size > MOST_BYTES) {
      this.#byQuery.clear();
      this.#queriesOf.clear();
      this.#bytes = 0;
    }
    this.#byQuery.set(query, { turns: turns.map(unpooled), next: 0 });
    this.#bytes += size;
    const queries = this.#queriesOf.get(name);
    if (queries) queries.push(query);
    else this.#queriesOf.set(name, [query]);
  }

  forget(name: string): void {
    for (const query of this.#queriesOf.get(name) ?? []) {
      for (const { length } of this.#byQuery.get(query)?.turns ?? []) this.#bytes -= length;
      if (this.#byQuery.delete(query)) this.#bytes -= query.length;
    }
    this.#queriesOf.delete(name);
  }
}

/** To be kept: a piece of a pool would keep the whole of it. */
export function unpooled(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}

/** A copy of an answer for the question that has this number. */
export function numbered(answer: Buffer, { 0: high = 0, 1: low = 0 }: Buffer): Buffer {
  const copy = Buffer.allocUnsafe(answer.length);
  answer.copy(copy);
  copy[0] = high;
  copy[1] = low;
  return copy;
}
