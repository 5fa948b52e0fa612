/** The store that forgets everything when its process ends: for tests and throw-away clusters. */
import type { Backend, LogRecord } from './backend.ts';
import { EmbeddedStorage } from './embedded-storage.ts';
import type { EventBatch, Revision, Storage } from './storage.ts';

/** Starts at revision 1, empty. */
export const openMemoryStorage = (): Storage => new EmbeddedStorage(new MemoryBackend());

class MemoryBackend implements Backend {
  #log: LogRecord[] = [];

  load() {
    return { revision: 1, items: [], floors: new Map<string, Revision>() };
  }

  async write({ events }: EventBatch): Promise<void> {
    for (const { revision, key, before } of events) this.#log.push({ revision, key, before });
  }

  *records(prefix: string, above: Revision): Iterable<LogRecord> {
    for (let index = firstAbove(this.#log, above); index < this.#log.length; index++) {
      const record = this.#log[index]!;
      if (record.key.startsWith(prefix)) yield record;
    }
  }

  async forget(prefix: string, floor: Revision): Promise<void> {
    this.#log = this.#log.filter(({ key, revision }) => revision > floor || !key.startsWith(prefix));
  }

  async close(): Promise<void> {
    this.#log = [];
  }
}

function firstAbove(log: readonly LogRecord[], revision: Revision): number {
  let low = 0;
  let high = log.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (log[middle]!.revision <= revision) low = middle + 1;
    else high = middle;
  }
  return low;
}
