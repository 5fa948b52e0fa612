/** The machine's own time, for tests with a server of somebody else's: that one answers when it does. */
import type { Clock } from '#base/clock.ts';

export const machineClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  timer(afterMs, due) {
    const timer = setTimeout(due, afterMs).unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
