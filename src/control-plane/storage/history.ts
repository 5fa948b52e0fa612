/**
 * The past of an embedded store. The log holds what each change replaced, so the past is the present with the changes taken
 * back: a reader of an old revision pays for what happened since, and a writer pays for nothing but the line in the log.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Backend, LogRecord } from './backend.ts';
import type { Floors } from './floors.ts';
import type { Revision, Stored, StoreEvent } from './storage.ts';
import type { VisibleState } from './visible-state.ts';

const PAGE = 2000; // lines of the log between two turns of the event loop: a few milliseconds

export interface HistoryParts {
  backend: Pick<Backend, 'records'>;
  visible: VisibleState;
  floors: Floors;
}

export class History {
  readonly #backend: Pick<Backend, 'records'>;
  readonly #visible: VisibleState;
  readonly #floors: Floors;

  constructor({ backend, visible, floors }: HistoryParts) {
    this.#backend = backend;
    this.#visible = visible;
    this.#floors = floors;
  }

  /**
   * What stood at `revision` at the keys under `prefix` that have changed since (undefined: nothing stood there), handed to
   * `use` in the same turn in which the visible state is the one that these changes lead to. Throws Compacted.
   */
  async takenBack<T>(
    prefix: string,
    revision: Revision,
    use: (replaced: ReadonlyMap<string, Stored | undefined>) => T,
  ): Promise<T> {
    return this.#since(prefix, revision, (records) => {
      const replaced = new Map<string, Stored | undefined>();
      for (const { key, before } of records) if (!replaced.has(key)) replaced.set(key, before);
      return use(replaced);
    });
  }

  /** All events under `prefix` above `revision` and up to `upTo`, which must be visible, in order. Throws Compacted. */
  async events(prefix: string, revision: Revision, upTo: Revision): Promise<StoreEvent[]> {
    return this.#since(prefix, revision, (records) => {
      // What a change put is what the next change of that key replaced, or what is there now: so from the end to the start.
      const later = new Map<string, Stored | undefined>();
      const events: StoreEvent[] = [];
      for (const { key, before, revision: at } of records.reverse()) {
        const now = later.has(key) ? later.get(key) : this.#visible.get(key);
        if (at <= upTo) events.push({ key, revision: at, now, before });
        later.set(key, before);
      }
      return events.reverse();
    });
  }

  async #since<T>(prefix: string, revision: Revision, use: (records: LogRecord[]) => T): Promise<T> {
    const found: LogRecord[] = [];
    for (let above = revision; ; ) {
      // Asked again for each page: what is compacted meanwhile leaves holes in those to come.
      this.#floors.refuseBelow(prefix, revision);
      const { records, next } = this.#backend.records(prefix, above, PAGE);
      const { revision: visible } = this.#visible;
      for (const record of records) if (record.revision <= visible) found.push(record);
      // What is behind is not visible yet, and would be by the next turn, in which this page is not looked at again.
      if (next === undefined || next >= visible) return use(found);
      above = next;
      await nextTurn();
    }
  }
}
