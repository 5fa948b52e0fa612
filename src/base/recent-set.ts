/** What was added last: of more than so many the first goes. */
export class RecentSet<T> {
  readonly #values = new Set<T>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  add(value: T): void {
    this.#values.delete(value);
    this.#values.add(value);
    if (this.#values.size <= this.#most) return;
    for (const first of this.#values) {
      this.#values.delete(first);
      return;
    }
  }

  has(value: T): boolean {
    return this.#values.has(value);
  }
}
