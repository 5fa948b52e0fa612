/**
 * A list of pods that never changes, and of which a longer one can be made without copying it: both share their beginning. One
 * node may hold tens of thousands.
 */
import type { Pod } from '#api/core/v1/pod.ts';

export class PodList {
  /** The first `length` are this list's; what follows belongs to one that was made from it. */
  readonly #shared: Pod[];
  readonly length: number;
  #array: readonly Pod[] | undefined;

  private constructor(shared: Pod[], length = shared.length) {
    this.#shared = shared;
    this.length = length;
  }

  static readonly empty = new PodList([]);

  toArray(): readonly Pod[] {
    this.#array ??= this.#shared.slice(0, this.length);
    return this.#array;
  }

  with(pod: Pod): PodList {
    const isLast = this.#shared.length === this.length && this.length > 0;
    const shared = isLast ? this.#shared : this.#shared.slice(0, this.length);
    shared.push(pod);
    return new PodList(shared);
  }

  without(pod: Pod): PodList {
    return new PodList(this.toArray().filter((each) => each !== pod));
  }

  /**
   * `isAlike`: nobody who has this list, or one that shares its beginning, minds to find `now` there in place of `before`. Those
   * that came last are the most likely ones.
   */
  withReplaced(before: Pod, now: Pod, { isAlike }: { isAlike: boolean }): PodList {
    const at = this.#shared.lastIndexOf(before, this.length - 1);
    if (at < 0) return this;
    const shared = isAlike ? this.#shared : this.#shared.slice(0, this.length);
    shared[at] = now;
    return new PodList(shared, this.length);
  }
}
