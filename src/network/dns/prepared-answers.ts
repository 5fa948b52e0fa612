/**
 * Answers as bytes, by the bytes of the question behind its number: who asks again what somebody has asked before costs one
 * look-up and one copy. An answer is dropped with the first change of its name; nothing is ever served that the zone would not say.
 */

/** Beyond that all are dropped: names that nobody has are endless. */
const MOST = 16_384;
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
    if (this.#byQuery.size >= MOST) {
      this.#byQuery.clear();
      this.#queriesOf.clear();
    }
    const query = message.toString('latin1', 2);
    if (this.#byQuery.has(query)) return;
    this.#byQuery.set(query, { turns, next: 0 });
    const queries = this.#queriesOf.get(name);
    if (queries) queries.push(query);
    else this.#queriesOf.set(name, [query]);
  }

  forget(name: string): void {
    for (const query of this.#queriesOf.get(name) ?? []) this.#byQuery.delete(query);
    this.#queriesOf.delete(name);
  }
}

/** A copy of an answer for the question that has this number. */
export function numbered(answer: Buffer, { 0: high = 0, 1: low = 0 }: Buffer): Buffer {
  const copy = Buffer.allocUnsafe(answer.length);
  answer.copy(copy);
  copy[0] = high;
  copy[1] = low;
  return copy;
}
