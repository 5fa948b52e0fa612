/** What builds on this machine keep for the next ones, and how it stays bounded while several of them run. */
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isQuantity, quantityValue } from '#api/machinery/quantity.ts';
import type { Clock } from '#base/clock.ts';
import { BlobStore } from '#node/images/blob-store.ts';
import { pruneBlobs, type Pruned } from '#node/images/prune-blobs.ts';
import { cacheFolder } from '#node/machine/cluster-dir.ts';
import { withFileLock } from '#node/machine/file-lock.ts';
import { isAlive, type ProcessRecord, recordOf } from '#node/machine/process-record.ts';
import { type CliContext, UserError } from './context.ts';

/** What a build leaves behind at most. */
const MOST_BYTES = 10 * 2 ** 30;
/** Processes that use the store for a moment do not say so. */
const JUST_USED_MS = 600_000;
/** Whoever removes gigabytes may need a while. */
const LOCK_MS = 300_000;

export class ImageCache {
  readonly #folder: string;
  readonly #clock: Clock;

  constructor(folder: string, clock: Clock) {
    this.#folder = folder;
    this.#clock = clock;
  }

  /** Nothing that `act` uses is removed by others meanwhile. */
  async use<T>(act: (store: BlobStore) => Promise<T>, keepBytes = MOST_BYTES): Promise<T> {
    const users = join(this.#folder, 'users');
    const user = join(users, randomUUID());
    await this.#locked(async () => {
      await mkdir(users, { recursive: true, mode: 0o700 });
      await writeFile(user, JSON.stringify(recordOf(process.pid)), { mode: 0o600 });
    });
    const made = await act(new BlobStore(this.#folder, this.#clock)).catch(async (error: unknown) => {
      await Promise.allSettled([this.#ended(user, keepBytes)]); // what comes of it must not hide why the build has failed
      throw error;
    });
    await this.#ended(user, keepBytes);
    return made;
  }

  async #ended(user: string, keepBytes: number): Promise<void> {
    await rm(user, { force: true });
    await this.prune({ keepBytes, justUsedMs: JUST_USED_MS });
  }

  /** Users begin under the same lock: one that has begun is seen, and one that has not finds what is left. */
  prune({ keepBytes, justUsedMs }: { keepBytes: number; justUsedMs: number }): Promise<Pruned> {
    return this.#locked(async () => {
      const inUseSinceMs = await oldestUserMs(join(this.#folder, 'users'));
      const usedSinceMs = Math.min(inUseSinceMs, this.#clock.now() - justUsedMs);
      return pruneBlobs(this.#folder, { keepBytes, usedSinceMs });
    });
  }

  #locked<T>(act: () => Promise<T>): Promise<T> {
    return withFileLock({ path: join(this.#folder, 'lock'), clock: this.#clock, timeoutMs: LOCK_MS }, act);
  }
}

const cacheOf = ({ env, clock }: CliContext): ImageCache => new ImageCache(join(cacheFolder(env), 'images'), clock);

export const withImageCache = <T>(context: CliContext, act: (store: BlobStore) => Promise<T>): Promise<T> =>
  cacheOf(context).use(act);

export async function pruneImages(context: CliContext, keepStorage: string): Promise<void> {
  if (!isQuantity(keepStorage) || quantityValue(keepStorage) < 0)
    throw new UserError(`--keep-storage "${keepStorage}" is not a size such as 5Gi.`);
  const keepBytes = quantityValue(keepStorage);
  const { removedBytes, keptBytes } = await cacheOf(context).prune({ keepBytes, justUsedMs: 0 });
  context.note(`Removed ${mebibytes(removedBytes)}; ${mebibytes(keptBytes)} stay.`);
}

/** Infinity: there is none. What the dead have left is removed. */
async function oldestUserMs(folder: string): Promise<number> {
  let oldest = Number.POSITIVE_INFINITY;
  for (const name of await readdir(folder).catch(none)) {
    const path = join(folder, name);
    const text = await readFile(path, 'utf8').catch(() => undefined); // its user has ended meanwhile
    if (text === undefined) continue;
    if (isAlive(recordIn(text))) oldest = Math.min(oldest, (await stat(path)).mtimeMs);
    else await rm(path, { force: true });
  }
  return oldest;
}

/** undefined: its writer was killed in the middle. Nobody is in the middle now, for that takes the lock. */
function recordIn(text: string): ProcessRecord | undefined {
  try {
    return JSON.parse(text) as ProcessRecord;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const none = (error: NodeJS.ErrnoException): string[] => {
  if (error.code !== 'ENOENT') throw error;
  return [];
};

const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;
