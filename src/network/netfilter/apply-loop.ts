/**
 * Brings what the API says into the kernel, change by change: what is marked while a transaction runs goes together in the
 * next one. After a failure the next transaction starts from nothing, so that it cannot build on a wrong belief.
 */
import type { Clock } from '#base/clock.ts';
import { sleep } from '#base/clock.ts';
import { deferred } from '#base/deferred.ts';
import type { Log } from '#base/log.ts';

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 10_000;

export interface ApplyLoopOptions {
  clock: Clock;
  log: Log;
  signal: AbortSignal;
  /** Makes the kernel agree about what was marked since the last call; with nothing marked on the first call. */
  apply(marked: ReadonlySet<string>): Promise<void>;
  /** What the kernel holds is not known any more. */
  forget(): void;
}

export class ApplyLoop {
  /** Resolves when the first transaction took effect. */
  readonly ready: Promise<void>;
  readonly #options: ApplyLoopOptions;
  readonly #isReady = deferred();
  #marked = new Set<string>();
  #wake: () => void = () => undefined;

  constructor(options: ApplyLoopOptions) {
    this.#options = options;
    this.ready = this.#isReady.promise;
  }

  mark(...keys: string[]): void {
    for (const key of keys) this.#marked.add(key);
    this.#wake();
  }

  /** Until the signal aborts and the transaction under way has ended. */
  async run(): Promise<void> {
    const { signal } = this.#options;
    signal.addEventListener('abort', () => this.#wake(), { once: true });
    let isFirst = true;
    for (let retryMs = FIRST_RETRY_MS; !signal.aborted; ) {
      if (this.#marked.size === 0 && !isFirst) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      const isDone = await this.#once(retryMs);
      retryMs = isDone ? FIRST_RETRY_MS : Math.min(retryMs * 2, LONGEST_RETRY_MS);
      if (isDone) isFirst = false;
    }
  }

  async #once(retryMs: number): Promise<boolean> {
    const { clock, log, signal, apply, forget } = this.#options;
    const marked = this.#marked;
    this.#marked = new Set();
    try {
      await apply(marked);
      this.#isReady.resolve();
      return true;
    } catch (error) {
      log.error('nftables refused the rules; building them anew', { error: String(error), retryMs });
      forget();
      this.mark(...marked);
      await sleep(clock, retryMs, signal);
      return false;
    }
  }
}
