/** What readers see: the newest durable state of every key, in key order. Moves only by whole batches. */
import { SortedKeys } from './sorted-keys.ts';
import type { EventBatch, Revision, Stored } from './storage.ts';

export class VisibleState {
  readonly #latest = new Map<string, Stored>();
  readonly keys = new SortedKeys();
  revision: Revision;

  constructor(items: Iterable<Stored>, revision: Revision) {
    this.revision = revision;
    for (const item of items) this.#put(item);
  }

  get(key: string): Stored | undefined {
    return this.#latest.get(key);
  }

  apply({ events, revision }: EventBatch): void {
    for (const { key, now } of events) {
      if (now) this.#put(now);
      else if (this.#latest.delete(key)) this.keys.delete(key);
    }
    this.revision = revision;
  }

  #put(item: Stored): void {
    if (!this.#latest.has(item.key)) this.keys.add(item.key);
    this.#latest.set(item.key, item);
  }
}
