/**
 * The past of an embedded store. The log holds what each change replaced, so the past is the present with the changes taken
 * back: a reader of an old revision pays for what happened since, and a writer pays for nothing but the line in the log.
 */
import type { Backend } from './backend.ts';
import type { Revision, Stored, StoreEvent } from './storage.ts';
import type { VisibleState } from './visible-state.ts';

export class History {
  readonly #backend: Pick<Backend, 'records'>;
  readonly #visible: VisibleState;

  constructor(backend: Pick<Backend, 'records'>, visible: VisibleState) {
    this.#backend = backend;
    this.#visible = visible;
  }

  /** What stood at `revision` at the keys under `prefix` that have changed since; undefined: nothing stood there. */
  replacedSince(prefix: string, revision: Revision): Map<string, Stored | undefined> {
    const replaced = new Map<string, Stored | undefined>();
    for (const { key, before } of this.#backend.records(prefix, revision)) {
      if (!replaced.has(key)) replaced.set(key, before);
    }
    return replaced;
  }

  /** All events under `prefix` above `revision` up to what is visible now, in order. */
  eventsSince(prefix: string, revision: Revision): StoreEvent[] {
    const records = [...this.#backend.records(prefix, revision)];
    // What a change put is what the next change of that key replaced, or what is there now: so from the end to the start.
    const later = new Map<string, Stored | undefined>();
    const events: StoreEvent[] = new Array(records.length);
    for (let index = records.length - 1; index >= 0; index--) {
      const { key, before, revision: at } = records[index]!;
      const now = later.has(key) ? later.get(key) : this.#visible.get(key);
      events[index] = { key, revision: at, now, before };
      later.set(key, before);
    }
    return events;
  }
}
