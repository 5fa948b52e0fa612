/** A binary heap: the least item first; any item can be taken out. */
export class Heap<T extends object> {
  readonly #compare: (a: T, b: T) => number;
  readonly #items: T[] = [];
  readonly #places = new Map<T, number>();

  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare;
  }

  get size(): number {
    return this.#items.length;
  }

  get first(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    if (this.#places.has(item)) return;
    this.#items.push(item);
    this.#places.set(item, this.#items.length - 1);
    this.#up(this.#items.length - 1);
  }

  pop(): T | undefined {
    const first = this.#items[0];
    if (first) this.remove(first);
    return first;
  }

  /** False when it is not there. */
  remove(item: T): boolean {
    const place = this.#places.get(item);
    if (place === undefined) return false;
    const last = this.#items.pop() as T;
    this.#places.delete(item);
    if (last !== item) {
      this.#items[place] = last;
      this.#places.set(last, place);
      this.#up(place);
      this.#down(this.#places.get(last) ?? place);
    }
    return true;
  }

  /** The item at `from` goes up until the one above is not greater; those on its way move down into the gap. */
  #up(from: number): void {
    const item = this.#items[from] as T;
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = this.#items[parent] as T;
      if (this.#compare(item, above) >= 0) break;
      this.#put(above, place);
      place = parent;
    }
    if (place !== from) this.#put(item, place);
  }

  #down(from: number): void {
    const item = this.#items[from] as T;
    let place = from;
    for (;;) {
      const child = this.#lesserChild(place);
      if (child === undefined || this.#compare(item, this.#items[child] as T) <= 0) break;
      this.#put(this.#items[child] as T, place);
      place = child;
    }
    if (place !== from) this.#put(item, place);
  }

  #lesserChild(place: number): number | undefined {
    const left = 2 * place + 1;
    if (left >= this.#items.length) return undefined;
    const right = left + 1;
    return right < this.#items.length && this.#compare(this.#items[right] as T, this.#items[left] as T) < 0
      ? right
      : left;
  }

  #put(item: T, place: number): void {
    this.#items[place] = item;
    this.#places.set(item, place);
  }
}
