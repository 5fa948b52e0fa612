/** A configuration file that may be changed while the server runs. */
import { type StatsListener, unwatchFile, watchFile } from 'node:fs';
import type { Log } from '#base/log.ts';
import { readNamedFile } from './api-server-flags.ts';

export interface WatchedFileOptions {
  path: string;
  what: string;
  /** What it held when it was read first. */
  text: string;
  /** Takes a new content. What it throws is logged: what was before goes on. */
  reload(text: string): void | Promise<void>;
  log: Log;
  intervalMs?: number;
}

const INTERVAL_MS = 5_000;

/** Returns what ends it. */
export function watchConfiguration(options: WatchedFileOptions): () => void {
  const { path, what, reload, log, intervalMs = INTERVAL_MS } = options;
  let last = options.text;
  let isReloading = false;
  const look = async () => {
    if (isReloading) return;
    isReloading = true;
    try {
      const text = readNamedFile(path, what);
      if (text === last) return;
      last = text;
      await reload(text);
      log.info('a configuration file was read again', { what });
    } catch (error) {
      log.error('a configuration file cannot be used; what was before stays', {
        what,
        error: (error as Error).message,
      });
    } finally {
      isReloading = false;
    }
  };
  const listener: StatsListener = () => void look();
  watchFile(path, { persistent: false, interval: intervalMs }, listener);
  return () => unwatchFile(path, listener);
}
