import { endpointStateOf } from '#api/discovery/v1/usable-endpoints.ts';
import type * as schema from '#api/generated/schema.ts';
import type { Log } from '#base/log.ts';
import type { IpFamily } from '#network/netfilter/ip-family.ts';
import { halfOpenFlows, type RunConntrack } from './conntrack.ts';

/**
 * Which endpoints are led to no more, and who waits for them in vain. Forgets beside the rules, as it walks through all that
 * the kernel knows: one call at a time, and what is lost meanwhile goes together.
 */
export class LostEndpoints {
  readonly #family: IpFamily;
  readonly #conntrack: RunConntrack;
  readonly #log: Log;
  readonly #noted = new Set<string>();
  readonly #toForget = new Set<string>();
  #isForgetting = false;

  constructor(family: IpFamily, { conntrack, log }: { conntrack: RunConntrack; log: Log }) {
    this.#family = family;
    this.#conntrack = conntrack;
    this.#log = log;
  }

  note(before: schema.EndpointSlice | undefined, now: schema.EndpointSlice | undefined): void {
    if (before?.addressType.toLowerCase() !== this.#family) return;
    const there = readyIn(now);
    for (const ip of readyIn(before)) if (!there.has(ip)) this.#noted.add(ip);
  }

  /** What was noted up to now, for rules that are about to be written. To be called when they are in force. */
  taken(): () => void {
    const taken = [...this.#noted];
    return () => {
      for (const ip of taken) {
        this.#noted.delete(ip);
        this.#toForget.add(ip);
      }
      if (!this.#isForgetting) void this.#forget();
    };
  }

  async #forget(): Promise<void> {
    this.#isForgetting = true;
    while (this.#toForget.size > 0) {
      const calls = halfOpenFlows([...this.#toForget], this.#family);
      this.#toForget.clear();
      for (const call of calls)
        await this.#conntrack(call).catch((error: unknown) =>
          this.#log.warn('could not forget half-open connections; clients may wait for their time-out', {
            error: String(error),
          }),
        );
    }
    this.#isForgetting = false;
  }
}

const readyIn = (slice: schema.EndpointSlice | undefined): Set<string> =>
  new Set(
    slice?.endpoints?.flatMap(({ addresses, conditions }) => (endpointStateOf(conditions).isReady ? addresses : [])),
  );
