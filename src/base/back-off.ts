/** How long to wait before trying again: longer after every failure, and never in step with everybody else. */
import type { Random } from './random.ts';

export interface BackOffOptions {
  firstMs: number;
  mostMs: number;
  factor?: number;
  /** Adds up to this share of the delay at random: 1 doubles it at most. */
  jitter?: number;
}

/** One sequence of delays. */
export class BackOff {
  readonly #options: Required<BackOffOptions>;
  readonly #random: Random;
  #failures = 0;

  constructor(random: Random, { firstMs, mostMs, factor = 2, jitter = 0 }: BackOffOptions) {
    this.#options = { firstMs, mostMs, factor, jitter };
    this.#random = random;
  }

  get failures(): number {
    return this.#failures;
  }

  nextMs(): number {
    const { firstMs, mostMs, factor, jitter } = this.#options;
    const plain = Math.min(mostMs, firstMs * factor ** this.#failures);
    this.#failures++;
    return plain * (1 + jitter * this.#random.next());
  }

  reset(): void {
    this.#failures = 0;
  }
}

/** A sequence of delays for each key. Keys that were forgotten take no room. */
export class KeyedBackOff {
  readonly #random: Random;
  readonly #options: BackOffOptions;
  readonly #byKey = new Map<string, BackOff>();

  constructor(random: Random, options: BackOffOptions) {
    this.#random = random;
    this.#options = options;
  }

  nextMs(key: string): number {
    let backOff = this.#byKey.get(key);
    if (!backOff) {
      backOff = new BackOff(this.#random, this.#options);
      this.#byKey.set(key, backOff);
    }
    return backOff.nextMs();
  }

  failures(key: string): number {
    return this.#byKey.get(key)?.failures ?? 0;
  }

  forget(key: string): void {
    this.#byKey.delete(key);
  }
}
