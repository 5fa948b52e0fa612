/** How long a Job waits before it replaces pods that failed. Source: kube-controller-manager, backoff_utils. */
import type { Pod } from '#api/generated/schema.ts';
import type { ObjectKey } from '#api/machinery/object.ts';
import { endedAtMs } from './job-pods.ts';
import type { Tally } from './tally.ts';

/** Source: kube-controller-manager, DefaultJobPodFailureBackOff, MaxJobPodFailureBackOff. */
const FIRST_MS = 10_000;
const MOST_MS = 600_000;

/** @returns until the next try, in ms; 0: now */
export function backOffLeftMs(failures: number, lastFailureMs: number, nowMs: number): number {
  if (failures === 0) return 0;
  const delayMs = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 10));
  return Math.max(0, lastFailureMs + delayMs - nowMs);
}

/** Since the last success. */
export interface FailureRecord {
  failures: number;
  lastFailureMs: number;
}
const NOTHING: FailureRecord = { failures: 0, lastFailureMs: 0 };

interface Job {
  key: ObjectKey;
  uid: string;
}

/** Of each Job. Also of pods that are gone by now; a controller that is started anew has forgotten them. */
export class FailureRecords {
  readonly #byKey = new Map<ObjectKey, FailureRecord & Pick<Job, 'uid'>>();

  get size(): number {
    return this.#byKey.size;
  }

  /** With what ended since the last step. One made anew under the name of another begins without failures. */
  after({ key, uid }: Job, { newSucceeded, newFailed }: Pick<Tally, 'newSucceeded' | 'newFailed'>): FailureRecord {
    const last = this.#byKey.get(key);
    const known = last?.uid === uid ? last : NOTHING;
    if (newSucceeded.length + newFailed.length === 0) return known;
    const succeededMs = latest(newSucceeded);
    const recent = newFailed.filter((pod) => newSucceeded.length === 0 || endedAtMs(pod) > succeededMs);
    const before = newSucceeded.length > 0 ? NOTHING : known;
    if (recent.length === 0) return before;
    return { failures: before.failures + recent.length, lastFailureMs: latest(recent) };
  }

  /** Once the status says what it was reckoned from. */
  keep({ key, uid }: Job, { failures, lastFailureMs }: FailureRecord): void {
    if (failures > 0) this.#byKey.set(key, { uid, failures, lastFailureMs });
    else this.#byKey.delete(key);
  }

  /** The Job is over, or gone. */
  forget(key: ObjectKey): void {
    this.#byKey.delete(key);
  }
}

const latest = (pods: readonly Pod[]): number => pods.reduce((ms, pod) => Math.max(ms, endedAtMs(pod)), 0);
