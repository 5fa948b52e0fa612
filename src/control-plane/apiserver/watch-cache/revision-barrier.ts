/** Makes readers wait until a revision has arrived. */

import { StatusError } from '#api/machinery/status.ts';
import type { Clock, Timer } from '#base/clock.ts';
import type { Signal } from '#base/plain-signal.ts';
import type { Revision } from '#control-plane/storage/storage.ts';

interface Waiter {
  revision: Revision;
  deadlineMs: number;
  resolve(): void;
  reject(error: unknown): void;
}

export class RevisionBarrier {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  /** In the order of their deadlines: all may wait equally long. */
  readonly #waiters = new Set<Waiter>();
  /** One for all: most waiters go within a millisecond, and a timer costs more than the rest of waiting. */
  #timer: Timer | undefined;
  #reached: Revision = 0;

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  get reached(): Revision {
    return this.#reached;
  }

  reach(revision: Revision): void {
    this.#reached = revision;
    for (const waiter of this.#waiters) if (waiter.revision <= revision) waiter.resolve();
  }

  /** @throws StatusError Timeout, cause ResourceVersionTooLarge; the reason of `signal` */
  until(revision: Revision, signal?: Signal): Promise<void> {
    if (this.#reached >= revision) return Promise.resolve();
    return new Promise<void>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const done = (settle: () => void) => {
        signal?.removeEventListener('abort', aborted);
        this.#waiters.delete(waiter);
        settle();
      };
      const aborted = () => done(() => reject(signal?.reason));
      const deadlineMs = this.#clock.monotonicMs() + this.#timeoutMs;
      const waiter: Waiter = {
        revision,
        deadlineMs,
        resolve: () => done(resolve),
        reject: (error) => done(() => reject(error)),
      };
      this.#waiters.add(waiter);
      this.#timer ??= this.#clock.timer(this.#timeoutMs, () => this.#expire());
      signal?.addEventListener('abort', aborted, { once: true });
    });
  }

  rejectAll(error: unknown): void {
    this.#timer?.cancel();
    for (const waiter of this.#waiters) waiter.reject(error);
  }

  /** Goes on as long as somebody waits. */
  #expire(): void {
    this.#timer = undefined;
    const nowMs = this.#clock.monotonicMs();
    for (const waiter of this.#waiters) {
      if (waiter.deadlineMs > nowMs) {
        this.#timer = this.#clock.timer(waiter.deadlineMs - nowMs, () => this.#expire());
        return;
      }
      waiter.reject(tooLarge(waiter.revision, this.#reached));
    }
  }
}

/** The text and cause by which clients know that they must ask again. Source: apiserver, storage/errors.go. */
const tooLarge = (revision: Revision, current: Revision): StatusError =>
  new StatusError('Timeout', `Timeout: Too large resource version: ${revision}, current: ${current}`, {
    details: {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    },
  });
