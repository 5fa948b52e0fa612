/** The clock and the dice of a running process. Only composition roots make them. */
import { randomBytes } from 'node:crypto';
import type { Clock } from '#base/clock.ts';
import type { Random } from '#base/random.ts';

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  timer(afterMs, due) {
    // Beyond 2^31 - 1 ms Node.js would fire at once.
    const timer = setTimeout(due, Math.min(afterMs, 0x7fffffff)).unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

export const systemRandom: Random = {
  next: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
};
