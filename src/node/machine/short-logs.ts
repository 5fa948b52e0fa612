/**
 * Keeps the logs of a cluster's processes short. Programs hold them open to append to, and most cannot be told to open another:
 * what is in one is copied beside it, in place of what was copied before, and it begins again empty.
 */
import { chmod, copyFile, readdir, stat, truncate } from 'node:fs/promises';
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

/** One look. */
export async function shortenLogs({
  folder,
  maxBytes = MAX_BYTES,
}: Pick<ShortLogsOptions, 'folder' | 'maxBytes'>): Promise<void> {
  for (const name of await readdir(folder, { recursive: true })) {
    if (!name.endsWith('.log')) continue;
    const path = join(folder, name);
    const { size } = await stat(path);
    if (size < maxBytes) continue;
    await copyFile(path, olderLog(path));
    await chmod(olderLog(path), 0o600);
    await truncate(path);
  }
}
