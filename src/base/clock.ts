/**
 * Time as an argument. Everything that is not a composition root asks a Clock, so that a test can own time and every
 * race can be a test. The clock of a running process is made in `cmd/`; the test's clock is in `base/manual-clock.ts`.
 */
import type { Signal } from './plain-signal.ts';

export interface Clock {
  /** Wall time in ms since the epoch. May jump. */
  now(): number;
  /** Time in ms since an arbitrary start. Never goes back. */
  monotonicMs(): number;
  /** Calls `due` once, `afterMs` from now, unless cancelled before. A timer does not keep the process alive. */
  timer(afterMs: number, due: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

/** Resolves after `ms`. Rejects with the signal's reason as soon as it aborts. */
export function sleep(clock: Clock, ms: number, signal?: Signal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const aborted = () => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.timer(ms, () => {
      signal?.removeEventListener('abort', aborted);
      resolve();
    });
    signal?.addEventListener('abort', aborted, { once: true });
  });
}
