/**
 * Keys in order (by UTF-16 code unit; the same as by byte for the ASCII keys of this store). A list of short sorted blocks:
 * changing it costs one small splice, walking it is walking arrays.
 */
const BLOCK = 512;

export class SortedKeys {
  readonly #blocks: string[][] = [[]];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** False when it was there already. */
  add(key: string): boolean {
    const at = this.#blockOf(key);
    const block = this.#blocks[at]!;
    const index = lowerBound(block, key);
    if (block[index] === key) return false;
    block.splice(index, 0, key);
    this.#size++;
    if (block.length > BLOCK) this.#blocks.splice(at + 1, 0, block.splice(BLOCK / 2));
    return true;
  }

  delete(key: string): boolean {
    const at = this.#blockOf(key);
    const block = this.#blocks[at]!;
    const index = lowerBound(block, key);
    if (block[index] !== key) return false;
    block.splice(index, 1);
    this.#size--;
    if (block.length === 0 && this.#blocks.length > 1) this.#blocks.splice(at, 1);
    return true;
  }

  /** Keys under `prefix`, only those behind `after` when it is given. Not to be changed while walking. */
  *under(prefix: string, after?: string): Generator<string, void, undefined> {
    const behind = after !== undefined && after >= prefix;
    const from = behind ? after : prefix;
    for (let at = this.#blockOf(from); at < this.#blocks.length; at++) {
      const block = this.#blocks[at]!;
      for (let index = lowerBound(block, from); index < block.length; index++) {
        const key = block[index]!;
        if (behind && key === after) continue;
        if (!key.startsWith(prefix)) return;
        yield key;
      }
    }
  }

  /** How many `under` would give, without walking them. */
  countUnder(prefix: string, after?: string): number {
    const from = after !== undefined && after >= prefix ? `${after}\0` : prefix;
    return Math.max(0, this.#rank(endOf(prefix)) - this.#rank(from));
  }

  /** How many keys stand before `key`; undefined stands for the end. */
  #rank(key: string | undefined): number {
    if (key === undefined) return this.#size;
    const at = this.#blockOf(key);
    let before = 0;
    for (let index = 0; index < at; index++) before += this.#blocks[index]!.length;
    return before + lowerBound(this.#blocks[at]!, key);
  }

  /** The last block that does not begin behind `key`. */
  #blockOf(key: string): number {
    let low = 0;
    let high = this.#blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#blocks[middle]![0]! <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** The first string behind all that begin with `prefix`; undefined when there is none. */
export function endOf(prefix: string): string | undefined {
  if (prefix === '') return undefined;
  const last = prefix.length - 1;
  return prefix.slice(0, last) + String.fromCharCode(prefix.charCodeAt(last) + 1);
}

function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (keys[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
