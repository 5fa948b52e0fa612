/**
 * Work that others go before: a few at a time are under way, so that it goes on as fast as what it waits for lets it, and one
 * at a time as long as that takes long. What has waited long enough begins whatever is under way, and so does the first of too
 * many.
 */
import type { Clock, Timer } from './clock.ts';
import type { Signal } from './plain-signal.ts';

export interface PacedWorkOptions {
  clock: Clock;
  atOnce: number;
  /** What took longer has met others who want the same. */
  quickMs: number;
  longestWaitMs: number;
  mostWaiting: number;
  /** Once it aborts nothing waits any more: everything begins, to see that it is too late. */
  signal?: Signal;
}

interface Waiting {
  sinceMs: number;
  begin(): void;
}

export class PacedWork {
  readonly #options: PacedWorkOptions;
  readonly #waiting: Waiting[] = [];
  #underWay = 0;
  /** What ended last was. */
  #isQuick = true;
  /** As long as something waits: when the first of it has waited long enough, or earlier. */
  #timer: Timer | undefined;

  constructor(options: PacedWorkOptions) {
    this.#options = options;
    options.signal?.addEventListener('abort', () => this.#beginDue(), { once: true });
  }

  get underWay(): number {
    return this.#underWay;
  }

  /** Begins in the order of the calls. Settles as `act` does. */
  run<T>(act: () => Promise<T>): Promise<T> {
    const { clock, quickMs } = this.#options;
    return new Promise((resolve, reject) => {
      const begin = () => {
        this.#underWay++;
        const beganMs = clock.monotonicMs();
        const after = <V>(settle: (value: V) => void) => {
          return (value: V) => {
            this.#underWay--;
            this.#isQuick = clock.monotonicMs() - beganMs <= quickMs;
            this.#beginDue();
            settle(value);
          };
        };
        act().then(after(resolve), after(reject));
      };
      this.#waiting.push({ sinceMs: clock.monotonicMs(), begin });
      this.#beginDue();
    });
  }

  #beginDue(): void {
    while (this.#isNextDue()) this.#waiting.shift()?.begin();
    const [first] = this.#waiting;
    if (first) this.#timer ??= this.#timerFor(first);
    else this.#cancelTimer();
  }

  #isNextDue(): boolean {
    const { clock, atOnce, longestWaitMs, mostWaiting, signal } = this.#options;
    const [first] = this.#waiting;
    if (!first) return false;
    const most = this.#isQuick ? atOnce : 1;
    if (signal?.aborted || this.#underWay < most || this.#waiting.length > mostWaiting) return true;
    return clock.monotonicMs() - first.sinceMs >= longestWaitMs;
  }

  #timerFor({ sinceMs }: Waiting): Timer {
    const { clock, longestWaitMs } = this.#options;
    return clock.timer(sinceMs + longestWaitMs - clock.monotonicMs(), () => {
      this.#timer = undefined;
      this.#beginDue();
    });
  }

  #cancelTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
