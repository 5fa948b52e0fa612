/** Makes readers wait until a revision has arrived. */

import { StatusError } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import type { Revision } from '#control-plane/storage/storage.ts';

interface Waiter {
  revision: Revision;
  resolve(): void;
  reject(error: unknown): void;
}

export class RevisionBarrier {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #waiters = new Set<Waiter>();
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
  until(revision: Revision, signal?: AbortSignal): Promise<void> {
    if (this.#reached >= revision) return Promise.resolve();
    return new Promise<void>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const done = (settle: () => void) => {
        timer.cancel();
        signal?.removeEventListener('abort', aborted);
        this.#waiters.delete(waiter);
        settle();
      };
      const aborted = () => done(() => reject(signal?.reason));
      const waiter: Waiter = { revision, resolve: () => done(resolve), reject: (error) => done(() => reject(error)) };
      const timer = this.#clock.timer(this.#timeoutMs, () => waiter.reject(tooLarge(revision, this.#reached)));
      this.#waiters.add(waiter);
      signal?.addEventListener('abort', aborted, { once: true });
    });
  }

  rejectAll(error: unknown): void {
    for (const waiter of this.#waiters) waiter.reject(error);
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
