/**
 * What an embedded store asks of the place where it keeps its bytes: write a batch, load it again. Everything that is
 * decided (order, comparisons, history, watches) is decided above it and is the same for every backend.
 */
import type { Soon } from '#base/soon.ts';
import type { EventBatch, Revision, Stored } from './storage.ts';

/** One line of the log: what stood at `key` before the change that `revision` made. */
export interface LogRecord {
  revision: Revision;
  key: string;
  before: Stored | undefined;
}

/** A part of the log. */
export interface LogPage {
  /** Those of keys under the prefix. */
  records: LogRecord[];
  /** Where the next part begins; undefined: this was the end. */
  next: Revision | undefined;
}

export interface Loaded {
  revision: Revision;
  items: Iterable<Stored>;
  /** Prefix → its compacted revision. */
  floors: ReadonlyMap<string, Revision>;
}

export interface Backend {
  load(): Loaded;
  /** Over when all of the batch is durable; then nothing of it may be lost. Never called again before that. */
  write(batch: EventBatch): Soon<void>;
  /**
   * What was logged above `above`, oldest first: whole revisions, until about `limit` lines were looked at. May hold what is not
   * durable yet.
   */
  records(prefix: string, above: Revision, limit: number): LogPage;
  /** Drops what was logged for keys under `prefix` up to `floor`, and remembers the floor. */
  forget(prefix: string, floor: Revision): Promise<void>;
  /** On disk. */
  sizeBytes?(): Promise<number>;
  close(): Promise<void>;
}
