/** What admission makes of the objects that configure it: made again when one of them changes, else it costs nothing. */
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { Clock } from '#base/clock.ts';
import type { Informer, Informers } from '#client/informer.ts';
import { type AdmissionRequest, refused } from './define-admission.ts';

/** How long a request waits for an API server that has just started. */
const SYNC_MS = 10_000;

export class Followed<Made> {
  readonly #kinds: readonly Kind[];
  readonly #make: (informers: Informers) => Made;
  #following: readonly Informer<KubeObject>[] | undefined;
  #made: Made | undefined;

  /** `make` is called when the informers of all these kinds have synced. */
  constructor(kinds: readonly Kind[], make: (informers: Informers) => Made) {
    this.#kinds = kinds;
    this.#make = make;
  }

  /**
   * undefined while the objects are not all known yet; then `whenSynced` waits for them, because a request must not slip
   * past those that are stored.
   */
  of(informers: Informers): Made | undefined {
    if (this.#made !== undefined) return this.#made;
    if (this.#follow(informers).every(({ hasSynced }) => hasSynced)) this.#made = this.#make(informers);
    return this.#made;
  }

  /** Throws Forbidden when it takes too long. */
  async whenSynced(
    request: AdmissionRequest,
    { informers, clock }: { informers: Informers; clock: Clock },
  ): Promise<Made> {
    for (const informer of this.#follow(informers))
      if (!(await hasSyncedWithin(informer, SYNC_MS, clock))) throw refused(request, 'not yet ready to handle request');
    return this.of(informers)!;
  }

  #follow(informers: Informers): readonly Informer<KubeObject>[] {
    if (this.#following) return this.#following;
    this.#following = this.#kinds.map((kind) => informers.for(kind));
    for (const informer of this.#following)
      informer.onChange(() => {
        this.#made = undefined;
      });
    return this.#following;
  }
}

/** False when it has not. */
export function hasSyncedWithin(informer: Informer<KubeObject>, ms: number, clock: Clock): Promise<boolean> {
  if (informer.hasSynced) return Promise.resolve(true);
  return new Promise<boolean>((resolve) => {
    const settle = (outcome: boolean) => {
      timer.cancel();
      stop();
      resolve(outcome);
    };
    const timer = clock.timer(ms, () => settle(false));
    const stop = informer.onProgress(() => informer.hasSynced && settle(true));
  });
}
