/**
 * Brings what the API says into the kernel, change by change: what is marked while a transaction runs goes together in the
 * next one. After a failure the next transaction starts from nothing, so that it cannot build on a wrong belief.
 */
import type { Clock } from '#base/clock.ts';
import { sleep } from '#base/clock.ts';
import { deferred } from '#base/deferred.ts';
import type { Log } from '#base/log.ts';
import type { Difference } from './table-contents.ts';

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 10_000;
/** Other programs may flush all rules, e.g. a firewall that is loaded anew. `RuleWatch` tells most of it at once. */
const LOOK_EVERY_MS = 10_000;
/** A look at everything costs about as much as building it. */
const WHOLE_LOOK_EVERY_MS = 600_000;
/** One that was overtaken by a change is tried again. */
const WHOLE_LOOK_AGAIN_MS = 60_000;
const MOST_PARTS_TOLD = 10;
/** Another program may change rules beside these a thousand times a second. */
const BETWEEN_LOOKS_MS = 250;

export interface ApplyLoopOptions {
  clock: Clock;
  log: Log;
  signal: AbortSignal;
  /** Makes the kernel agree about what was marked since the last call; with nothing marked on the first call. */
  apply(marked: ReadonlySet<string>): Promise<void>;
  /** What the kernel holds is not known any more. */
  forget(): void;
  /** Whether what was applied still is in force: neither removed nor flushed. */
  isInForce(): Promise<boolean>;
  /**
   * Where not all of it is, to the last element. Asked seldom, and only when nothing is marked. Once the signal aborts nobody waits
   * for the answer.
   */
  differences(signal: AbortSignal): Promise<readonly Difference[]>;
}

export class ApplyLoop {
  /** Resolves when the first transaction took effect. */
  readonly ready: Promise<void>;
  readonly #options: ApplyLoopOptions;
  readonly #isReady = deferred();
  #marked = new Set<string>();
  #isLookDue = false;
  #isLookTooSoon = false;
  #nextLookMs: number;
  #nextWholeLookMs: number;
  #isBuiltAnew = false;
  /** Parts that this machine's programs list otherwise than they were written; those of which the value is true, as empty. */
  #unlike = new Map<string, boolean>();
  #wake: () => void = () => undefined;

  constructor(options: ApplyLoopOptions) {
    this.#options = options;
    this.ready = this.#isReady.promise;
    const nowMs = options.clock.monotonicMs();
    this.#nextLookMs = nowMs + LOOK_EVERY_MS;
    this.#nextWholeLookMs = nowMs + WHOLE_LOOK_EVERY_MS;
  }

  mark(...keys: string[]): void {
    for (const key of keys) this.#marked.add(key);
    this.#wake();
  }

  /**
   * Somebody may have taken the rules away: looks whether they still are in force, once nothing else is to be done. At once, or
   * some time after the look before.
   */
  look(): void {
    this.#isLookDue = true;
    if (!this.#isLookTooSoon) this.#wake();
  }

  /** Until the signal aborts and the transaction under way has ended. */
  async run(): Promise<void> {
    const { signal } = this.#options;
    signal.addEventListener('abort', () => this.#wake(), { once: true });
    let isDue = true;
    for (let retryMs = FIRST_RETRY_MS; !signal.aborted; ) {
      if (this.#marked.size === 0 && !isDue) {
        const isLate = this.#options.clock.monotonicMs() >= this.#nextLookMs;
        if (!isLate && (!this.#isLookDue || this.#isLookTooSoon)) await this.#wokenOrLate();
        if (this.#marked.size > 0 || signal.aborted) continue;
        this.#isLookDue = false;
        this.#restFromLooks();
        isDue = (await this.#isLost()) || (await this.#isIncomplete());
        continue;
      }
      const isDone = await this.#once(retryMs);
      retryMs = isDone ? FIRST_RETRY_MS : Math.min(retryMs * 2, LONGEST_RETRY_MS);
      isDue = !isDone;
    }
  }

  /** Changes that come all the time put no look off. */
  #wokenOrLate(): Promise<void> {
    return new Promise((resolve) => {
      const { clock } = this.#options;
      const late = clock.timer(Math.max(0, this.#nextLookMs - clock.monotonicMs()), resolve);
      this.#wake = () => {
        late.cancel();
        resolve();
      };
    });
  }

  /** Changes do not wait for a look that takes seconds. */
  #woken(): Promise<'overtaken'> {
    return new Promise((resolve) => {
      this.#wake = () => resolve('overtaken');
    });
  }

  #restFromLooks(): void {
    if (this.#isLookTooSoon) return;
    this.#isLookTooSoon = true;
    this.#options.clock.timer(BETWEEN_LOOKS_MS, () => {
      this.#isLookTooSoon = false;
      if (this.#isLookDue) this.#wake();
    });
  }

  async #isLost(): Promise<boolean> {
    const { isInForce, forget, log, clock } = this.#options;
    this.#nextLookMs = clock.monotonicMs() + LOOK_EVERY_MS;
    if (await isInForce()) return false;
    log.warn('somebody removed the rules; building them anew');
    forget();
    return true;
  }

  /** Somebody may have taken a part of the rules away, or put something among them, which no witness tells. */
  async #isIncomplete(): Promise<boolean> {
    const { differences, forget, log, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    if (this.#marked.size > 0 || nowMs < this.#nextWholeLookMs) return false;
    this.#nextWholeLookMs = nowMs + WHOLE_LOOK_EVERY_MS;
    const overtaking = new AbortController();
    // Who cannot be asked tells nothing: the next change does.
    const found = await Promise.race([differences(overtaking.signal).catch(() => []), this.#woken()]);
    overtaking.abort();
    const wasBuiltAnew = this.#isBuiltAnew;
    this.#isBuiltAnew = false; // what differs later may be somebody's doing
    if (found === 'overtaken') {
      if (!wasBuiltAnew) this.#nextWholeLookMs = nowMs + WHOLE_LOOK_AGAIN_MS;
      return false;
    }
    const missed = found.filter((difference) => !this.#isExpected(difference));
    if (missed.length === 0) return false;
    const parts = missed.slice(0, MOST_PARTS_TOLD).map(({ part }) => part);
    if (wasBuiltAnew) {
      // Some other version of the programs lists them in another way.
      log.warn('what was built anew does not look like it; these parts are missed only when they are empty', { parts });
      this.#unlike = new Map(found.map(({ part, isEmpty }) => [part, isEmpty]));
      return false;
    }
    log.warn('somebody changed a part of the rules; building them anew', { parts });
    this.#isBuiltAnew = true;
    this.#nextLookMs = nowMs; // whether that helped
    this.#nextWholeLookMs = nowMs;
    forget();
    return true;
  }

  #isExpected({ part, isEmpty }: Difference): boolean {
    const wasEmpty = this.#unlike.get(part);
    return wasEmpty !== undefined && (wasEmpty || !isEmpty);
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
      log.error('the rules could not be put in force; building them anew', { error: String(error), retryMs });
      forget();
      this.mark(...marked);
      await sleep(clock, retryMs, signal);
      return false;
    }
  }
}
