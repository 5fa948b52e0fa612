/** A node whose daemon fails again and again is not tried all the time. Source: kube-controller-manager. */
import { KeyedBackOff } from '#base/back-off.ts';
import type { Random } from '#base/random.ts';

const BACK_OFF = { firstMs: 1_000, mostMs: 15 * 60_000 };

/** When the next try is due, by DaemonSet and node. */
export class FailedPods {
  readonly #dueMs = new Map<string, number>();
  #backOff: KeyedBackOff | undefined;

  /** How long the failed pod stays before it makes room, in ms. */
  waitMs(key: string, { nowMs, random }: { nowMs: number; random: Random }): number {
    const dueMs = this.#dueMs.get(key) ?? 0;
    if (dueMs > nowMs) return dueMs - nowMs;
    this.#backOff ??= new KeyedBackOff(random, BACK_OFF);
    this.#forgetOld(this.#backOff, nowMs);
    this.#dueMs.set(key, nowMs + this.#backOff.nextMs(key));
    return 0;
  }

  /** Long without failure: it begins anew. Those that are gone take no room for ever. */
  #forgetOld(backOff: KeyedBackOff, nowMs: number): void {
    for (const [key, dueMs] of this.#dueMs) {
      if (nowMs - dueMs <= 2 * BACK_OFF.mostMs) continue;
      this.#dueMs.delete(key);
      backOff.forget(key);
    }
  }
}
