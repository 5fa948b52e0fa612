/**
 * Forgets history beyond its retention: what nobody is owed any more. Of several rules that cover a key the strictest counts. Time is counted from when this process has started: after a restart
 * things are kept a little longer, never shorter.
 */
import { type Clock, sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { RevisionTimes } from './revision-times.ts';
import type { Revision, Storage } from './storage.ts';

export interface Retention {
  /** '' for everything. */
  prefix: string;
  /** How long history is kept; Infinity: for ever. */
  historyMs: number;
  /** At most this many revisions of history, however young. */
  historyRevisions?: number;
}

/**
 * Seven minutes: continue tokens end with the history, and clients of upstream, where they last for five, wait ten for that at
 * most. Leases and Events change all the time, and nobody resumes their watches from long ago.
 */
export const DEFAULT_RETENTION: readonly Retention[] = [
  { prefix: '', historyMs: 420_000, historyRevisions: 500_000 },
  { prefix: '/registry/leases/', historyMs: 300_000 },
  { prefix: '/registry/events/', historyMs: 300_000 },
];

const INTERVAL_MS = 60_000;

export interface CompactionOptions {
  storage: Storage;
  clock: Clock;
  log: Log;
  retention?: readonly Retention[];
  signal: AbortSignal;
}

/** Looks once a minute until `signal` aborts. */
export async function runCompaction(options: CompactionOptions): Promise<void> {
  const { storage, clock, log, signal, retention = DEFAULT_RETENTION } = options;
  const times = new RevisionTimes(clock);
  while (!signal.aborted) {
    try {
      times.note(await storage.currentRevision());
      for (const rule of retention) await apply(rule, storage, times);
    } catch (error) {
      if (!signal.aborted) log.warn('history was not compacted', { error: String(error) });
    }
    await sleep(clock, INTERVAL_MS, signal).catch(() => undefined); // ends early only when it has to stop
  }
}

async function apply(rule: Retention, storage: Storage, times: RevisionTimes): Promise<void> {
  const floor = await floorOf(rule, storage, times);
  if (floor > 0) await storage.compact(rule.prefix, floor);
}

async function floorOf(rule: Retention, storage: Storage, times: RevisionTimes): Promise<Revision> {
  const byCount = (await storage.currentRevision()) - (rule.historyRevisions ?? Infinity);
  return Math.max(times.ago(rule.historyMs) ?? 0, byCount, 0);
}
