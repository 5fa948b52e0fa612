/**
 * Read-your-writes: a key is not reconciled again before the caches have seen what its last step wrote, however long that
 * takes. So a step may trust its caches about its own doing, and needs no bookkeeping of what it expects.
 * Source: KEP-5647, stale controller consistency.
 */
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject, ObjectKey, ResourceVersion } from '#api/machinery/object.ts';
import type { Clock, Timer } from '#base/clock.ts';
import type { Informer } from '#client/informer.ts';
import { isAtLeast } from '#client/object-cache.ts';

/** A wait longer than this is counted. */
const LONG_WAIT_MS = 5_000;

/** A write, and the cache that has to come that far. */
interface Expected {
  informer: Informer<KubeObject>;
  isSeen(): boolean;
}

/** A key that waits. Only for so long are caches asked to tell how far they come. */
interface Parked {
  timer: Timer;
  stops: readonly (() => void)[];
}

interface BarrierOptions {
  clock: Clock;
  /** undefined for kinds that the controller does not read: their writes need no waiting for. */
  informerOf(kind: Kind): Informer<KubeObject> | undefined;
  /** For who makes nothing: a long wait ends unseen, so that a kind that is no longer served holds up nothing. */
  endsLongWaits?: boolean;
}

export class WriteBarrier {
  readonly #options: BarrierOptions;
  readonly #unseen = new Map<string, Expected[]>();
  readonly #parked = new Map<string, Parked>();
  /** How many waits were long ones. */
  longWaits = 0;

  constructor(options: BarrierOptions) {
    this.#options = options;
  }

  /** `before` is the version that was written over: an answer with the same version was a no-op. */
  wrote(key: string, kind: Kind, resourceVersion: ResourceVersion, before?: ResourceVersion): void {
    const informer = this.#options.informerOf(kind);
    if (!informer || resourceVersion === before) return;
    this.#expect(key, { informer, isSeen: () => isAtLeast(informer.resourceVersion, resourceVersion) });
  }

  deleted(key: string, kind: Kind, object: { key: ObjectKey; uid: string }): void {
    const informer = this.#options.informerOf(kind);
    if (!informer) return;
    const isSeen = () => {
      const cached = informer.get(object.key);
      return !cached || cached.metadata.uid !== object.uid || cached.metadata.deletionTimestamp !== undefined;
    };
    this.#expect(key, { informer, isSeen });
  }

  /** It has written something since it was clear last. */
  expects(key: string): boolean {
    return this.#unseen.has(key);
  }

  /** True when the key may be reconciled now; else `resume` is called once it may. */
  isClear(key: string, resume: () => void): boolean {
    const expected = this.#unseen.get(key);
    if (!expected) return true;
    const left = expected.filter(({ isSeen }) => !isSeen());
    if (left.length === 0) {
      this.#unseen.delete(key);
      this.#unpark(key);
      return true;
    }
    this.#unseen.set(key, left);
    if (!this.#parked.has(key)) this.#park(key, left, resume);
    return false;
  }

  stop(): void {
    for (const key of [...this.#parked.keys()]) this.#unpark(key);
  }

  #expect(key: string, expected: Expected): void {
    const unseen = this.#unseen.get(key);
    if (unseen) unseen.push(expected);
    else this.#unseen.set(key, [expected]);
  }

  /** Nothing is written for a key that waits: what is expected of it stays as it is. */
  #park(key: string, expected: readonly Expected[], resume: () => void): void {
    const timer = this.#options.clock.timer(LONG_WAIT_MS, () => {
      this.longWaits++;
      if (!this.#options.endsLongWaits) return;
      this.#unpark(key);
      this.#unseen.delete(key);
      resume();
    });
    const look = () => {
      if (!expected.every(({ isSeen }) => isSeen())) return;
      this.#unpark(key);
      resume();
    };
    const informers = new Set(expected.map(({ informer }) => informer));
    this.#parked.set(key, { timer, stops: [...informers].map((informer) => informer.onProgress(look)) });
  }

  #unpark(key: string): void {
    const parked = this.#parked.get(key);
    if (!parked) return;
    this.#parked.delete(key);
    parked.timer.cancel();
    for (const stop of parked.stops) stop();
  }
}
