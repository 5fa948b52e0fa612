/**
 * What an AbortSignal says, without being an event target: made and ended for each of thousands of watches, where a signal of
 * the platform costs more than the rest of opening one. An AbortSignal can stand wherever a `Signal` is asked for.
 */
export interface Signal {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** Why, where nobody has said why. */
const ABORTED = new Error('aborted');

/** Ends once. Whoever listens afterwards is told nothing, as with an AbortSignal. */
export class PlainSignal implements Signal {
  #aborted = false;
  #reason: unknown;
  #listeners: (() => void)[] = [];

  get aborted(): boolean {
    return this.#aborted;
  }

  get reason(): unknown {
    return this.#reason;
  }

  addEventListener(_type: 'abort', listener: () => void): void {
    if (!this.#aborted) this.#listeners.push(listener);
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners = this.#listeners.filter((one) => one !== listener);
  }

  /** Throws what the first listener that threw has thrown, when all have been told. */
  abort(reason: unknown = ABORTED): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    const bugs: unknown[] = [];
    for (let listener = this.#listeners.shift(); listener; listener = this.#listeners.shift())
      try {
        listener();
      } catch (error) {
        bugs.push(error);
      }
    if (bugs.length > 0) throw bugs[0];
  }
}

/** Aborts with the first of the two. `release`: it is no longer asked. */
export function firstOf(a: Signal, b: Signal): { signal: Signal; release(): void } {
  const signal = new PlainSignal();
  const both = [a, b].map((one) => ({ one, abort: () => signal.abort(one.reason) }));
  for (const { one, abort } of both)
    if (one.aborted) abort();
    else one.addEventListener('abort', abort, { once: true });
  return {
    signal,
    release() {
      for (const { one, abort } of both) one.removeEventListener('abort', abort);
    },
  };
}
