/**
 * The store on disk: one LMDB file with three tables. `latest`: key → newest state. `log`: revision and ordinal → what that
 * change replaced. `meta`: format version, revision, compacted revisions.
 */
import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import type { Backend, Loaded, LogPage, LogRecord } from './backend.ts';
import type { OnFailure } from './commit-queue.ts';
import { lockDirectory } from './directory-lock.ts';
import { EmbeddedStorage } from './embedded-storage.ts';
import { DataDirectoryRefused, StorageFailed } from './errors.ts';
import { decodeRecord, decodeStored, encodeRecord, encodeStored } from './record-codec.ts';
import type { EventBatch, Revision, Storage, Stored } from './storage.ts';

/** What this version reads and writes. */
export const FORMAT_VERSION = 1;
/** How a directory of the version before is brought to the one named: none is older than 1 yet. */
const MIGRATIONS: Readonly<Record<number, (tables: Tables) => Promise<void>>> = {};

export interface LmdbOptions {
  /** Made with mode 0700 when it is missing. */
  directory: string;
  /**
   * The disk has failed or is full. What was acknowledged is safe, nothing more is accepted; the process should say so and end,
   * and start again when there is room.
   */
  onFailure?: OnFailure;
}

/** @throws DataDirectoryRefused: in use, of a newer format, or not a store. */
export async function openLmdbStorage({ directory, onFailure }: LmdbOptions): Promise<Storage> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const unlock = lockDirectory(directory);
  try {
    const tables = openTables(directory);
    await checkFormat(tables, directory);
    return new EmbeddedStorage(new LmdbBackend(tables, { path: storeIn(directory), unlock }), onFailure);
  } catch (error) {
    unlock();
    throw error;
  }
}

type LogKey = [revision: Revision, ordinal: number];

interface Tables {
  root: RootDatabase<Buffer, string>;
  latest: Database<Buffer, string>;
  log: Database<Buffer, LogKey>;
  meta: Database<unknown, string>;
}

const storeIn = (directory: string): string => join(directory, 'store.mdb');

function openTables(directory: string): Tables {
  const path = storeIn(directory);
  const root = open<Buffer, string>({ path, noSubdir: true, maxDbs: 4, encoding: 'binary', cache: false });
  for (const file of [path, `${path}-lock`]) if (existsSync(file)) chmodSync(file, 0o600);
  return {
    root,
    latest: root.openDB<Buffer, string>('latest', { encoding: 'binary', cache: false }),
    log: root.openDB<Buffer, LogKey>('log', { encoding: 'binary', cache: false }),
    meta: root.openDB<unknown, string>('meta', { encoding: 'json', cache: false }),
  };
}

async function checkFormat(tables: Tables, directory: string): Promise<void> {
  const { root, meta, latest } = tables;
  const format = meta.get('format');
  if (format === FORMAT_VERSION) return;
  const refuse = async (why: string) => {
    await root.close();
    return new DataDirectoryRefused(`the data directory ${directory} ${why}`);
  };
  if (format === undefined) {
    if (latest.getKeysCount({ limit: 1 }) > 0)
      throw await refuse('holds no store of this program; name another directory');
    await root.batch(() => void meta.put('format', FORMAT_VERSION));
    await root.flushed;
    return;
  }
  if (typeof format !== 'number' || format > FORMAT_VERSION) {
    throw await refuse(
      `has format ${format}, this version reads up to ${FORMAT_VERSION}; start the newer version that wrote it, or name another directory`,
    );
  }
  for (let version = format + 1; version <= FORMAT_VERSION; version++) {
    const migrate = MIGRATIONS[version];
    if (!migrate)
      throw await refuse(`has format ${format}, which this version no longer reads; start an older version first`);
    await migrate(tables);
  }
}

const ignore = (): void => undefined;

const CHUNK = 1000; // log records dropped in one transaction: about 2 ms, so that commits in between do not wait long

class LmdbBackend implements Backend {
  readonly #tables: Tables;
  readonly #path: string;
  readonly #unlock: () => void;
  #failed = false;

  constructor(tables: Tables, { path, unlock }: { path: string; unlock: () => void }) {
    this.#tables = tables;
    this.#path = path;
    this.#unlock = unlock;
  }

  load(): Loaded {
    const { meta, latest } = this.#tables;
    const floors = (meta.get('floors') ?? {}) as Record<string, Revision>;
    return {
      revision: (meta.get('revision') as Revision | undefined) ?? 1,
      items: latest.getRange({ snapshot: false }).map(({ key, value }) => decodeStored(key, value)) as Iterable<Stored>,
      floors: new Map(Object.entries(floors)),
    };
  }

  write(batch: EventBatch): Promise<void> {
    return this.#unlessFailed(() => this.#put(batch));
  }

  /** After a failure the library may wait for ever for what it could not write. */
  async #unlessFailed(act: () => Promise<void>): Promise<void> {
    if (this.#failed) throw new StorageFailed('the disk has failed before');
    try {
      await act();
    } catch (error) {
      throw await this.#causeOf(error);
    }
  }

  /** The library has promises of its own for it, which nobody else would ever look at: of the turn's writes, and of the cause. */
  #causeOf(error: unknown): unknown {
    this.#failed = true;
    this.#tables.root.committed.then(ignore, ignore);
    const { commitError } = error as { commitError?: Promise<never> };
    return commitError ? commitError.catch((cause: unknown) => cause) : error;
  }

  async #put({ events, revision }: EventBatch): Promise<void> {
    const { root, latest, log, meta } = this.#tables;
    let ordinal = 0;
    const committed = root.batch(() => {
      // What these return never fails: the batch does, as a whole.
      for (const event of events) {
        void (event.now ? latest.put(event.key, encodeStored(event.now)) : latest.remove(event.key));
        void log.put([event.revision, ordinal++], encodeRecord(event));
      }
      void meta.put('revision', revision);
    });
    // Asked for now: once another batch has begun, `flushed` is about that one.
    const flushed = new Promise((resolve, reject) => root.flushed.then(resolve, reject));
    await Promise.all([committed, flushed]); // the first alone says only that it is visible
  }

  records(prefix: string, above: Revision, limit: number): LogPage {
    const records: LogRecord[] = [];
    let seen = 0;
    let last = above;
    for (const { key, value } of this.#tables.log.getRange({ start: [above + 1, 0] })) {
      const [revision] = key;
      if (seen >= limit && revision > last) return { records, next: last };
      const record = decodeRecord(revision, value, prefix);
      if (record) records.push(record);
      last = revision;
      seen++;
    }
    return { records, next: undefined };
  }

  forget(prefix: string, floor: Revision): Promise<void> {
    return this.#unlessFailed(() => this.#forget(prefix, floor));
  }

  async #forget(prefix: string, floor: Revision): Promise<void> {
    const { root, meta } = this.#tables;
    const floors = (meta.get('floors') ?? {}) as Record<string, Revision>;
    const from = floors[prefix] ?? 0;
    // The floor first: were it lost, a later reader would take a log with holes for a whole one.
    await root.batch(() => void meta.put('floors', { ...floors, [prefix]: floor }));
    let start: LogKey | undefined = [from + 1, 0];
    while (start) start = await this.#forgetChunk(prefix, start, [floor + 1, 0]);
    await root.flushed;
  }

  /** Of the file, whose pages are used again and never given back. */
  async sizeBytes(): Promise<number> {
    return (await stat(this.#path)).size;
  }

  async close(): Promise<void> {
    if (!this.#failed) await this.#tables.root.close();
    this.#unlock();
  }

  /** @returns where to go on; undefined at the end. */
  async #forgetChunk(prefix: string, start: LogKey, end: LogKey): Promise<LogKey | undefined> {
    const { root, log } = this.#tables;
    const chunk = [...log.getRange({ start, end, limit: CHUNK })];
    const gone = chunk.filter(({ key, value }) => decodeRecord(key[0], value, prefix)).map(({ key }) => key);
    await root.batch(() => {
      for (const key of gone) void log.remove(key);
    });
    const last = chunk.at(-1)?.key;
    return last && chunk.length === CHUNK ? [last[0], last[1] + 1] : undefined;
  }
}
