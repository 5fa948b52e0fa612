/**
 * Keeps the logs of a cluster's processes short. Programs hold them open to append to, and most cannot be told to open another:
 * what is in one is copied beside it, in place of what was copied before, and it begins again empty.
 */
import { chmod, copyFile, readdir, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';

export interface ShortLogsOptions {
  /** Of all logs, which end in `.log`; folders in it too. */
  folder: string;
  clock: Clock;
  log: Log;
  signal?: AbortSignal;
  /** Default: 10 MiB. With the copy a log takes at most twice that, and what is written in a minute. */
  maxBytes?: number;
  copy?: (from: string, to: string) => Promise<void>;
}

const MAX_BYTES = 10 * 1024 * 1024;
const LOOK_EVERY_MS = 60_000;

/** Where the older part of a log is, once it was too long. */
export const olderLog = (path: string): string => `${path}.1`;

/** Resolves when the signal is given. */
export async function keepLogsShort(options: ShortLogsOptions): Promise<void> {
  const { clock, log, signal } = options;
  while (!signal?.aborted) {
    await shortenLogs(options).catch((error: unknown) =>
      log.warn('a log cannot be shortened', { error: String(error) }),
    );
    await sleep(clock, LOOK_EVERY_MS, signal).catch(() => undefined); // aborted: the loop ends
  }
}

/** One look. Throws the first of what went wrong, when it is done. */
export async function shortenLogs({
  folder,
  maxBytes = MAX_BYTES,
  copy = copyFile,
}: Pick<ShortLogsOptions, 'folder' | 'maxBytes' | 'copy'>): Promise<void> {
  const failures: unknown[] = [];
  for (const name of await readdir(folder, { recursive: true })) {
    if (!name.endsWith('.log')) continue;
    const path = join(folder, name);
    const { size } = await stat(path).catch(() => ({ size: 0 })); // it went with its node
    if (size >= maxBytes) await begunAgain(path, copy).catch((error) => failures.push(error));
  }
  if (failures.length > 0) throw failures[0];
}

async function begunAgain(path: string, copy: NonNullable<ShortLogsOptions['copy']>): Promise<void> {
  const older = olderLog(path);
  await rm(older, { force: true }); // first: the disk may have no room for a third part
  try {
    await copy(path, older);
    await chmod(older, 0o600);
  } catch (error) {
    await rm(older, { force: true });
    // Rather no older part than a disk that stays full.
    if (!['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
  await truncate(path);
}
