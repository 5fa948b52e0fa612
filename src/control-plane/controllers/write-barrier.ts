/**
 * Read-your-writes: a key is not reconciled again before the caches have seen what its last step wrote. So a step may trust
 * its caches about its own doing, and needs no bookkeeping of what it expects.
 */
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject, ObjectKey, ResourceVersion } from '#api/machinery/object.ts';
import type { Clock, Timer } from '#base/clock.ts';
import type { Informer } from '#client/informer.ts';
import { isAtLeast } from '#client/object-cache.ts';

/** Behind this a remote cache that does not move no longer holds up work. The metric says how often that was. */
const LONGEST_WAIT_MS = 5_000;

type Seen = () => boolean;

export class WriteBarrier {
  readonly #clock: Clock;
  readonly #informerOf: (kind: Kind) => Informer<KubeObject> | undefined;
  readonly #unseen = new Map<string, Seen[]>();
  readonly #parked = new Map<string, { timer: Timer; resume: () => void }>();
  /** How often a wait ended without its write having been seen. */
  timeouts = 0;

  /** `informerOf` is undefined for kinds that the controller does not read: their writes need no waiting for. */
  constructor(clock: Clock, informerOf: (kind: Kind) => Informer<KubeObject> | undefined) {
    this.#clock = clock;
    this.#informerOf = informerOf;
  }

  /** `before` is the version that was written over: an answer with the same version was a no-op. */
  wrote(key: string, kind: Kind, resourceVersion: ResourceVersion, before?: ResourceVersion): void {
    const informer = this.#informerOf(kind);
    if (!informer || resourceVersion === before) return;
    this.#expect(key, () => isAtLeast(informer.resourceVersion, resourceVersion));
  }

  deleted(key: string, kind: Kind, object: { key: ObjectKey; uid: string }): void {
    const informer = this.#informerOf(kind);
    if (!informer) return;
    this.#expect(key, () => {
      const cached = informer.get(object.key);
      return !cached || cached.metadata.uid !== object.uid || cached.metadata.deletionTimestamp !== undefined;
    });
  }

  /** True when the key may be reconciled now; else `resume` is called once it may. */
  isClear(key: string, resume: () => void): boolean {
    const left = (this.#unseen.get(key) ?? []).filter((seen) => !seen());
    if (left.length === 0) {
      this.#unseen.delete(key);
      return true;
    }
    this.#unseen.set(key, left);
    if (!this.#parked.has(key)) this.#park(key, resume);
    return false;
  }

  /** To be called when a cache has come further. */
  progressed(): void {
    for (const [key, { timer, resume }] of this.#parked) {
      if (!(this.#unseen.get(key) ?? []).every((seen) => seen())) continue;
      timer.cancel();
      this.#parked.delete(key);
      resume();
    }
  }

  stop(): void {
    for (const { timer } of this.#parked.values()) timer.cancel();
    this.#parked.clear();
  }

  #expect(key: string, seen: Seen): void {
    const unseen = this.#unseen.get(key);
    if (unseen) unseen.push(seen);
    else this.#unseen.set(key, [seen]);
  }

  #park(key: string, resume: () => void): void {
    const timer = this.#clock.timer(LONGEST_WAIT_MS, () => {
      this.timeouts++;
      this.#parked.delete(key);
      this.#unseen.delete(key);
      resume();
    });
    this.#parked.set(key, { timer, resume });
  }
}
