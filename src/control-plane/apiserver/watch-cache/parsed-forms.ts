/**
 * Bounds how many states keep their parsed form beside their bytes. Oldest first, with a second chance for what was read
 * meanwhile: nearly as good as least recently used, and reading costs one assignment.
 */
interface Droppable {
  used: boolean;
  dropParsed(): void;
}

export class ParsedForms {
  readonly #limit: number;
  readonly #kept = new Set<Droppable>(); // in the order they were added

  constructor(limit: number) {
    this.#limit = limit;
  }

  kept(state: Droppable): void {
    this.#kept.add(state);
    while (this.#kept.size > this.#limit) this.#dropOne();
  }

  /** The state is no longer current: it is not for us to keep it alive. */
  forget(state: Droppable): void {
    this.#kept.delete(state);
  }

  forgetAll(): void {
    this.#kept.clear();
  }

  #dropOne(): void {
    const [state] = this.#kept;
    if (!state) return;
    this.#kept.delete(state);
    if (!state.used) {
      state.dropParsed();
      return;
    }
    state.used = false;
    this.#kept.add(state);
  }
}
