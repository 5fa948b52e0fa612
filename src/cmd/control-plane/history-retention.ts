/** Forgets old history, by prefix: what changes all the time is kept for a short while, the rest for longer. */
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Revision, Storage } from '#control-plane/storage/storage.ts';

export interface RetentionRule {
  prefix: string;
  keepMs: number;
}

const MINUTE_MS = 60_000;

export const DEFAULT_RETENTION: readonly RetentionRule[] = [
  { prefix: '/registry/leases/', keepMs: MINUTE_MS },
  { prefix: '/registry/events/', keepMs: 5 * MINUTE_MS },
  { prefix: '/registry/', keepMs: 30 * MINUTE_MS },
];

export interface RetentionOptions {
  storage: Storage;
  rules?: readonly RetentionRule[];
  clock: Clock;
  log: Log;
  signal: AbortSignal;
  everyMs?: number;
}

interface Mark {
  atMs: number;
  revision: Revision;
}

/** Notes the revision from time to time, and compacts each prefix up to the note that is old enough. Ends with the signal. */
export function keepHistoryShort(options: RetentionOptions): void {
  const { clock, log, signal, everyMs = MINUTE_MS } = options;
  let marks: Mark[] = [];
  const turn = () => {
    if (signal.aborted) return;
    forget(options, marks).then(
      (kept) => {
        marks = kept;
      },
      (error: unknown) => {
        if (!signal.aborted) log.warn('history could not be compacted', { error });
      },
    );
    timer = clock.timer(everyMs, turn);
  };
  let timer = clock.timer(everyMs, turn);
  signal.addEventListener('abort', () => timer.cancel(), { once: true });
}

async function forget(options: RetentionOptions, marks: readonly Mark[]): Promise<Mark[]> {
  const { storage, clock, rules = DEFAULT_RETENTION } = options;
  const nowMs = clock.monotonicMs();
  const all = [...marks, { atMs: nowMs, revision: await storage.currentRevision() }];
  for (const { prefix, keepMs } of rules) {
    const last = all.findLast(({ atMs }) => atMs <= nowMs - keepMs);
    if (last) await storage.compact(prefix, last.revision);
  }
  const longestMs = Math.max(...rules.map(({ keepMs }) => keepMs));
  const oldest = all.findLastIndex(({ atMs }) => atMs <= nowMs - longestMs);
  return all.slice(Math.max(0, oldest));
}
