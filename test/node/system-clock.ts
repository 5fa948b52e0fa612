import type { Clock } from '#base/clock.ts';

/** Real time, for tests of what runs in real time: containers. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  timer(afterMs, due) {
    const timer = setTimeout(due, afterMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
