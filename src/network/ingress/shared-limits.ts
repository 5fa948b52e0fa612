/**
 * Limits that hold over all processes of a node's Ingress, as those of nginx over its workers: the process that started them
 * keeps the account. Each asks only for what it would allow itself, so that a flood does not reach the account.
 */
import type { Clock } from '#base/clock.ts';
import { type Begun, type Limited, type Limits, RateLimits } from './rate-limits.ts';

/** To the account. */
export interface LimitQuestion {
  id: number;
  /** Absent: the request has ended. */
  limited?: Limited;
}

export interface LimitAnswer {
  id: number;
  passes: boolean;
}

/** After this one decides alone: a busy account must not stop traffic. */
const ANSWER_WITHIN_MS = 1_000;

/** Of a process that carries traffic. */
export class SharedLimits implements Limits {
  readonly #clock: Clock;
  readonly #own: RateLimits;
  readonly #ask: (question: LimitQuestion) => void;
  readonly #isAlone: () => boolean;
  readonly #waiting = new Map<number, (passes: boolean) => void>();
  #lastId = 0;

  /** @param isAlone nobody would answer: it decides at once. */
  constructor(clock: Clock, ask: (question: LimitQuestion) => void, isAlone = () => false) {
    this.#clock = clock;
    this.#ask = ask;
    this.#isAlone = isAlone;
    this.#own = new RateLimits(() => clock.monotonicMs());
  }

  begin(limited: Limited): Begun | Promise<Begun> {
    const endedHere = this.#own.begin(limited);
    if (!endedHere || this.#isAlone()) return endedHere;
    const id = ++this.#lastId;
    const over = () => {
      endedHere();
      if (limited.mostConnections > 0) this.#ask({ id });
    };
    return new Promise((resolve) => {
      const decided = (passes: boolean) => {
        late.cancel();
        this.#waiting.delete(id);
        if (!passes) endedHere();
        resolve(passes ? over : undefined);
      };
      const late = this.#clock.timer(ANSWER_WITHIN_MS, () => decided(true));
      this.#waiting.set(id, decided);
      this.#ask({ id, limited });
    });
  }

  answered({ id, passes }: LimitAnswer): void {
    this.#waiting.get(id)?.(passes);
  }
}

/** The account of all of them. */
export class LimitAccount<Asker> {
  readonly #limits: RateLimits;
  readonly #underWay = new Map<Asker, Map<number, () => void>>();

  constructor(clock: Clock) {
    this.#limits = new RateLimits(() => clock.monotonicMs());
  }

  /** undefined: nobody waits for an answer. */
  hear(asker: Asker, { id, limited }: LimitQuestion): LimitAnswer | undefined {
    if (!limited) {
      this.#underWay.get(asker)?.get(id)?.();
      this.#underWay.get(asker)?.delete(id);
      return undefined;
    }
    const ended = this.#limits.begin(limited);
    if (ended && limited.mostConnections > 0) {
      const own = this.#underWay.get(asker) ?? new Map<number, () => void>();
      this.#underWay.set(asker, own.set(id, ended));
    }
    return { id, passes: ended !== undefined };
  }

  /** What it had under way ended with it. */
  gone(asker: Asker): void {
    for (const ended of this.#underWay.get(asker)?.values() ?? []) ended();
    this.#underWay.delete(asker);
  }
}
