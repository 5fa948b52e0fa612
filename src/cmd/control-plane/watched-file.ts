/** A configuration file that may be changed while the server runs. */
import type { Log } from '#base/log.ts';
import { readNamedFile } from './api-server-flags.ts';

export interface WatchedFileOptions {
  path: string;
  what: string;
  /** What it held when it was read first. */
  text: string;
  /** Takes a new content. What it throws is logged: what was before goes on, and the new one is tried again. */
  reload(text: string): void | Promise<void>;
  log: Log;
  intervalMs?: number;
}

const INTERVAL_MS = 5_000;

/**
 * Returns what ends it. The file is read each time: its times say too little of one that is changed right after it was
 * read, or that is a link into a volume.
 */
export function watchConfiguration(options: WatchedFileOptions): () => void {
  const { path, what, reload, log, intervalMs = INTERVAL_MS } = options;
  let last = options.text;
  let tried = last;
  let isReloading = false;
  let told: string | undefined;
  const look = async () => {
    if (isReloading) return;
    isReloading = true;
    try {
      const text = readNamedFile(path, what);
      if (text === last) return;
      if (text !== tried) told = undefined;
      tried = text;
      await reload(text);
      last = text;
      told = undefined;
      log.info('a configuration file was read again', { what });
    } catch (error) {
      const { message } = error as Error;
      if (message !== told)
        log.error('a configuration file cannot be used; what was before stays', { what, error: message });
      told = message;
    } finally {
      isReloading = false;
    }
  };
  const timer = setInterval(() => void look(), intervalMs);
  timer.unref();
  return () => clearInterval(timer);
}
