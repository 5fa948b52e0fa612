/** The store that forgets everything when its process ends: for tests and throw-away clusters. */
import type { Backend, LogPage, LogRecord } from './backend.ts';
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

  records(prefix: string, above: Revision, limit: number): LogPage {
    const start = firstAbove(this.#log, above);
    const last = this.#log[start + limit - 1];
    const end = last ? firstAbove(this.#log, last.revision) : this.#log.length;
    const records = this.#log.slice(start, end).filter(({ key }) => key.startsWith(prefix));
    return { records, next: end < this.#log.length ? last?.revision : undefined };
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
