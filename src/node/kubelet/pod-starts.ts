/** How long pods take to start: from when this kubelet first sees one until it is known to run. */
import type { Pod } from '#api/generated/schema.ts';
import type { Clock } from '#base/clock.ts';
import { Distribution } from '#base/distribution.ts';

/** As upstream has them, in seconds. */
const BOUNDS = [
  0.5, 1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 45, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1200, 1800, 2700, 3600,
];

export class PodStarts {
  readonly durations = new Distribution(BOUNDS);
  readonly #clock: Clock;
  /** Of pods that do not run yet, in monotonic ms, by uid. */
  readonly #seenAt = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** It is to be worked on. What already ran, for an earlier kubelet, does not start. */
  seen({ metadata, status }: Pod): void {
    if (status?.phase && status.phase !== 'Pending') return;
    this.#seenAt.set(metadata.uid, this.#clock.monotonicMs());
  }

  /** A status of it was made. */
  reported(podUid: string, phase: string | undefined): void {
    const seenAt = this.#seenAt.get(podUid);
    if (seenAt === undefined || phase === 'Pending') return;
    this.#seenAt.delete(podUid);
    if (phase === 'Running') this.durations.observe((this.#clock.monotonicMs() - seenAt) / 1000);
  }

  forget(podUid: string): void {
    this.#seenAt.delete(podUid);
  }
}
