/**
 * Bounds how many states keep their parsed form beside their bytes. What was just written is mostly not read again, so it is
 * kept for a moment only, unless it is read in that moment's second half; what had to be parsed is kept oldest first, with a
 * second chance for what was read meanwhile: nearly as good as least recently used, and reading costs one assignment.
 */
interface Droppable {
  used: boolean;
  dropParsed(): void;
}

/** Writes after which nobody who took part in one still looks at its object: its answer, its watchers. */
const MOMENT = 128;

export class ParsedForms {
  readonly #limit: number;
  /** In the order they were added, all three. */
  readonly #written = new Set<Droppable>();
  readonly #watched = new Set<Droppable>();
  readonly #kept = new Set<Droppable>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Its form is what was written. */
  written(state: Droppable): void {
    this.#written.add(state);
    const [first] = this.#written;
    if (this.#written.size <= MOMENT || !first) return;
    this.#written.delete(first);
    first.used = false;
    this.#watched.add(first);
    this.#watchOne();
  }

  /** Its form was parsed, because somebody reads it. */
  kept(state: Droppable): void {
    this.#kept.add(state);
    while (this.#kept.size > this.#limit) this.#dropOne();
  }

  /** The state is no longer current: it is not for us to keep it alive. */
  forget(state: Droppable): void {
    if (!this.#kept.delete(state) && !this.#watched.delete(state)) this.#written.delete(state);
  }

  forgetAll(): void {
    for (const states of [this.#written, this.#watched, this.#kept]) states.clear();
  }

  #watchOne(): void {
    const [first] = this.#watched;
    if (this.#watched.size <= MOMENT || !first) return;
    this.#watched.delete(first);
    if (first.used) this.kept(first);
    else first.dropParsed();
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
