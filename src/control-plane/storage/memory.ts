/** The store that forgets everything when its process ends: for tests and throw-away clusters. */
import type { Backend, LogPage, LogRecord } from './backend.ts';
import { EmbeddedStorage } from './embedded-storage.ts';
import type { EventBatch, Revision, Stored } from './storage.ts';

/** All that a store holds at one moment, with its history: others can begin there. Never changed. */
export interface MemoryImage {
  revision: Revision;
  items: readonly Stored[];
  log: readonly LogRecord[];
}

const EMPTY: MemoryImage = { revision: 1, items: [], log: [] };

/** Starts at revision 1, empty, unless it is to start as another one stood. */
export const openMemoryStorage = (from: MemoryImage = EMPTY): MemoryStorage =>
  new MemoryStorage(new MemoryBackend(from));

export class MemoryStorage extends EmbeddedStorage {
  readonly defers = true;
  readonly #backend: MemoryBackend;

  constructor(backend: MemoryBackend) {
    super(backend);
    this.#backend = backend;
  }

  /** For a store of which nothing was compacted, when no write is under way. */
  async image(): Promise<MemoryImage> {
    const { items, revision } = await this.range({ prefix: '' });
    return { revision, items, log: this.#backend.log };
  }
}

class MemoryBackend implements Backend {
  readonly #from: MemoryImage;
  #log: LogRecord[];

  constructor(from: MemoryImage) {
    this.#from = from;
    this.#log = [...from.log];
  }

  get log(): readonly LogRecord[] {
    return [...this.#log];
  }

  load() {
    const { revision, items } = this.#from;
    return { revision, items, floors: new Map<string, Revision>() };
  }

  write({ events }: EventBatch): void {
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
