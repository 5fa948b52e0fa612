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

const DRAW_BYTES = 6; // 48 bits
const POOL_BYTES = 1024 * DRAW_BYTES; // asking the system for each number would cost 7 µs, a UUID's 32 a quarter of a create

const pool = { bytes: Buffer.alloc(0), at: 0 };

export const systemRandom: Random = {
  next() {
    if (pool.at === pool.bytes.length) {
      pool.bytes = randomBytes(POOL_BYTES);
      pool.at = 0;
    }
    const drawn = pool.bytes.readUIntBE(pool.at, DRAW_BYTES);
    pool.at += DRAW_BYTES;
    return drawn / 2 ** 48;
  },
};
