/** The newest changes under one prefix, as many as fit, without a gap: for watchers that resume and listings of the past. */
import type { Revision } from '#control-plane/storage/storage.ts';
import type { Change } from './cache-event.ts';
import type { CachedState } from './cached-state.ts';

const PER_CHANGE = 300; // bytes of memory besides the object's own, about

export class RecentChanges {
  readonly #budget: number;
  #changes: Change[] = [];
  #first = 0;
  #bytes = 0;
  #pins = 0;
  /** Every change above this revision is here. */
  floor: Revision;

  constructor(budget: number, floor: Revision) {
    this.#budget = budget;
    this.floor = floor;
  }

  push(change: Change): void {
    this.#changes.push(change);
    this.#bytes += sizeOf(change);
    if (this.#pins === 0) this.#trim();
  }

  /** Nothing is dropped until the returned function is called. */
  pin(): () => void {
    this.#pins++;
    return () => {
      this.#pins--;
    };
  }

  /** Puts what happened between `floor` and the present floor in front. */
  prepend(changes: readonly Change[], floor: Revision): void {
    this.#changes = [...changes, ...this.#changes.slice(this.#first)];
    this.#first = 0;
    for (const change of changes) this.#bytes += sizeOf(change);
    this.floor = floor;
  }

  /** In order. Only for revisions from `floor` on. */
  *since(revision: Revision): Generator<Change, void, undefined> {
    for (let index = this.#indexAbove(revision); index < this.#changes.length; index++) yield this.#changes[index]!;
  }

  /** What stood at `revision` where something has changed since; undefined: nothing stood there. */
  replacedSince(revision: Revision): Map<string, CachedState | undefined> {
    const replaced = new Map<string, CachedState | undefined>();
    for (const { key, before } of this.since(revision)) if (!replaced.has(key)) replaced.set(key, before);
    return replaced;
  }

  #trim(): void {
    while (this.#bytes > this.#budget && this.#first < this.#changes.length - 1) {
      const dropped = this.#changes[this.#first++]!;
      this.#bytes -= sizeOf(dropped);
      this.floor = dropped.revision;
    }
    if (this.#first <= this.#changes.length / 2) return;
    this.#changes = this.#changes.slice(this.#first);
    this.#first = 0;
  }

  #indexAbove(revision: Revision): number {
    let low = this.#first;
    let high = this.#changes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#changes[middle]!.revision <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Bytes, parsed form and frame. What stood there before is mostly what the change before has put, so it is not counted again. */
const sizeOf = ({ now }: Change): number => PER_CHANGE + 3 * (now?.size ?? 0);
