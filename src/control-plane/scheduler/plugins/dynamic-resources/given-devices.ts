/** Devices that claims have been given by the scheduler, and of which the API has not said so yet: they are taken all the same. */
import { type KubeObject, keyOf, type ObjectKey } from '#api/machinery/object.ts';
import { ResourceClaim } from '#api/resource/v1/resource-claim.ts';
import { isAtLeast } from '#client/object-cache.ts';
import type { BindingServices } from '../../define-plugin.ts';

/** Whatever becomes of a claim, nobody waits longer to hear of what was written into it. */
const LONGEST_UNSEEN_MS = 600_000;

interface GivenClaim {
  /** As it will be. */
  claim: ResourceClaim;
  isWritten: boolean;
}

/** One for each scheduler. */
export class GivenDevices {
  readonly #byUid = new Map<string, GivenClaim>();

  has(uid: string): boolean {
    return this.#byUid.has(uid);
  }

  claims(): ResourceClaim[] {
    return [...this.#byUid.values()].map(({ claim }) => claim);
  }

  give(uid: string, claim: ResourceClaim): void {
    this.#byUid.set(uid, { claim, isWritten: false });
  }

  /** Not what a later try has given. */
  takeBack(uid: string, claim: ResourceClaim): void {
    if (this.#byUid.get(uid)?.claim === claim) this.#byUid.delete(uid);
  }

  /** From now on it stands, until the API has said so. */
  written(claim: ResourceClaim): void {
    const { uid } = claim.metadata;
    if (this.#byUid.has(uid)) this.#byUid.set(uid, { claim, isWritten: true });
  }

  /** Of an object of the API: a claim that has lost again what was written into it, and nobody has heard that it had it. */
  isLostUnheard(object: KubeObject): boolean {
    const { metadata } = object;
    const given = this.#byUid.get(metadata.uid);
    if (!given?.isWritten || (object as ResourceClaim).status?.allocation) return false;
    return isAtLeast(metadata.resourceVersion, given.claim.metadata.resourceVersion);
  }
}

/**
 * Until the cache has come as far as what was written, or the time is over. `then` is called before anybody else acts on it.
 * Never rejects.
 */
export function untilSeen(
  written: ResourceClaim,
  { clock, cached }: Pick<BindingServices, 'clock' | 'cached'>,
  then: () => void,
): Promise<void> {
  const claims = cached(ResourceClaim);
  const isSeen = () => claims.get(keyOf(written) as ObjectKey)?.status?.allocation !== undefined;
  /** Also where it has its devices no more, or is gone. */
  const isPassed = () => isAtLeast(claims.resourceVersion, written.metadata.resourceVersion);
  return new Promise((resolve) => {
    const stops: (() => void)[] = [];
    const end = () => {
      for (const stop of stops) stop();
      then();
      resolve();
    };
    if (isSeen() || isPassed()) return end();
    const timer = clock.timer(LONGEST_UNSEEN_MS, end);
    stops.push(
      () => timer.cancel(),
      claims.onChange(() => isSeen() && end()),
      claims.onProgress(() => isPassed() && end()),
    );
  });
}
