/**
 * From what the metrics ask for to what is set: within the limits, not too fast, not to and fro. What was asked for and what
 * was done lately is remembered here. Source: "Horizontal Pod Autoscaling", configurable scaling behavior.
 */
import type { HorizontalPodAutoscalerBehavior, HPAScalingRules } from '#api/generated/schema.ts';
import { MOST_REPLICAS } from './replica-calculation.ts';

const DEFAULT_DOWN_WINDOW_SECONDS = 300;
/** Without a behaviour: at most double, or to four. */
const UP_FACTOR = 2;
const UP_MINIMUM = 4;

export interface Wish {
  current: number;
  /** What the metrics ask for. */
  desired: number;
  min: number;
  max: number;
  behavior?: HorizontalPodAutoscalerBehavior | undefined;
}

export interface Said {
  reason: string;
  message: string;
}

export interface Decision {
  replicas: number;
  ableToScale: Said;
  scalingLimited: Said & { isLimited: boolean };
}

interface Recommendation {
  replicas: number;
  atMs: number;
}
interface ScaleEvent {
  /** Without a sign. */
  change: number;
  atMs: number;
}

const READY: Said = { reason: 'ReadyForNewScale', message: 'recommended size matches current size' };
const stabilized = (direction: 'Up' | 'Down'): Said =>
  direction === 'Up'
    ? {
        reason: 'ScaleUpStabilized',
        message: 'recent recommendations were lower than current one, applying the lowest recent recommendation',
      }
    : {
        reason: 'ScaleDownStabilized',
        message: 'recent recommendations were higher than current one, applying the highest recent recommendation',
      };
const TOO_MANY: Said = {
  reason: 'TooManyReplicas',
  message: 'the desired replica count is more than the maximum replica count',
};
const TOO_FEW: Said = {
  reason: 'TooFewReplicas',
  message: 'the desired replica count is less than the minimum replica count',
};
const TOO_FAST_UP: Said = {
  reason: 'ScaleUpLimit',
  message: 'the desired replica count is increasing faster than the maximum scale rate',
};
const TOO_FAST_DOWN: Said = {
  reason: 'ScaleDownLimit',
  message: 'the desired replica count is decreasing faster than the maximum scale rate',
};
const WITHIN_RANGE: Said = {
  reason: 'DesiredWithinRange',
  message: 'the desired count is within the acceptable range',
};

/** Of one autoscaler. */
export class Recommendations {
  #recommended: Recommendation[];
  #ups: ScaleEvent[] = [];
  #downs: ScaleEvent[] = [];

  /** The size that is met first counts as recommended. */
  constructor(current: number, nowMs: number) {
    this.#recommended = [{ replicas: current, atMs: nowMs }];
  }

  decide(wish: Wish, nowMs: number): Decision {
    const { desired, behavior } = wish;
    const steady = behavior ? this.#steadyBy(behavior, wish, nowMs) : this.#steady(desired, nowMs);
    this.#recommended.push({ replicas: desired, atMs: nowMs });
    const isUp = behavior !== undefined && desired >= wish.current;
    const limited = behavior ? this.#limitedBy(behavior, { ...wish, desired: steady }, nowMs) : limit(wish, steady);
    return {
      replicas: limited.replicas,
      ableToScale: steady === desired ? READY : stabilized(isUp ? 'Up' : 'Down'),
      scalingLimited: { ...limited.said, isLimited: limited.replicas !== steady },
    };
  }

  /** Only what a behaviour asks for is kept. */
  scaled({ from, to, behavior }: { from: number; to: number; behavior: Wish['behavior'] }, nowMs: number): void {
    if (!behavior) return;
    const rules = to > from ? behavior.scaleUp : behavior.scaleDown;
    const longestMs = Math.max(0, ...(rules?.policies ?? []).map(({ periodSeconds }) => periodSeconds * 1000));
    const event = { change: Math.abs(to - from), atMs: nowMs };
    const kept = (events: ScaleEvent[]) => [...events.filter(({ atMs }) => atMs >= nowMs - longestMs), event];
    if (to > from) this.#ups = kept(this.#ups);
    else this.#downs = kept(this.#downs);
  }

  /** The highest of late; what is older than the window is forgotten. */
  #steady(desired: number, nowMs: number): number {
    this.#recommended = this.#recommended.filter(({ atMs }) => atMs >= nowMs - DEFAULT_DOWN_WINDOW_SECONDS * 1000);
    return Math.max(desired, ...this.#recommended.map(({ replicas }) => replicas));
  }

  /** Between the lowest and the highest of their windows, as near to the current size as that allows. */
  #steadyBy(behavior: HorizontalPodAutoscalerBehavior, { desired, current }: Wish, nowMs: number): number {
    const upAfterMs = nowMs - (behavior.scaleUp?.stabilizationWindowSeconds ?? 0) * 1000;
    const downSeconds = behavior.scaleDown?.stabilizationWindowSeconds ?? DEFAULT_DOWN_WINDOW_SECONDS;
    const downAfterMs = nowMs - downSeconds * 1000;
    const since = (afterMs: number) =>
      this.#recommended.filter(({ atMs }) => atMs > afterMs).map(({ replicas }) => replicas);
    const lowest = Math.min(desired, ...since(upAfterMs));
    const highest = Math.max(desired, ...since(downAfterMs));
    this.#recommended = this.#recommended.filter(({ atMs }) => atMs >= Math.min(upAfterMs, downAfterMs));
    return Math.min(Math.max(current, lowest), highest);
  }

  #limitedBy(behavior: HorizontalPodAutoscalerBehavior, wish: Wish, nowMs: number): { replicas: number; said: Said } {
    const { current, desired, min, max } = wish;
    const atStart = (periodSeconds: number) => {
      const afterMs = nowMs - periodSeconds * 1000;
      return current - changesSince(this.#ups, afterMs) + changesSince(this.#downs, afterMs);
    };
    if (desired > current && behavior.scaleUp) {
      const rate = Math.max(current, rateLimit('up', behavior.scaleUp, { current, atStart }));
      const most = Math.min(max, rate);
      if (desired > most) return { replicas: most, said: max > rate ? TOO_FAST_UP : TOO_MANY };
    }
    if (desired < current && behavior.scaleDown) {
      const rate = Math.min(current, rateLimit('down', behavior.scaleDown, { current, atStart }));
      const least = Math.max(min, rate);
      if (desired < least) return { replicas: least, said: min < rate ? TOO_FAST_DOWN : TOO_FEW };
    }
    return { replicas: desired, said: WITHIN_RANGE };
  }
}

const changesSince = (events: readonly ScaleEvent[], afterMs: number): number =>
  events.reduce((sum, { change, atMs }) => (atMs > afterMs ? sum + change : sum), 0);

function limit({ current, min, max }: Wish, desired: number): { replicas: number; said: Said } {
  const rate = Math.max(UP_FACTOR * current, UP_MINIMUM);
  const most = Math.min(max, rate);
  if (desired < min) return { replicas: min, said: TOO_FEW };
  if (desired > most) return { replicas: most, said: max > rate ? TOO_FAST_UP : TOO_MANY };
  return { replicas: desired, said: WITHIN_RANGE };
}

interface Pace {
  current: number;
  /** The size so many seconds ago. */
  atStart(periodSeconds: number): number;
}

/** How far the policies let it go now. */
function rateLimit(direction: 'up' | 'down', rules: HPAScalingRules, { current, atStart }: Pace): number {
  if (rules.selectPolicy === 'Disabled') return current;
  const sign = direction === 'up' ? 1 : -1;
  const limits = rules.policies.map(({ type, value, periodSeconds }) => {
    const start = atStart(periodSeconds);
    if (type === 'Pods') return start + sign * value;
    const share = start * (1 + (sign * value) / 100);
    return Math.min(MOST_REPLICAS, direction === 'up' ? Math.ceil(share) : Math.trunc(share));
  });
  const takesHigher = (rules.selectPolicy === 'Min') === (direction === 'down');
  return takesHigher ? Math.max(...limits) : Math.min(...limits);
}
