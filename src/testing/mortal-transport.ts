/**
 * The connection of a component that may die at any moment: from then on nothing goes out and no answer comes in, as when its
 * process has been killed. What the server has received by then it does.
 */
import type { Followable } from '#base/followable.ts';
import type { Signal } from '#base/plain-signal.ts';
import type { ApiReply, ApiRequest, Transport, WatchEvent } from '#client/transport.ts';

export class MortalTransport implements Transport {
  readonly streamsLists: boolean;
  readonly #inner: Transport;
  readonly #death: Signal;

  constructor(inner: Transport, death: Signal) {
    this.streamsLists = inner.streamsLists ?? false;
    this.#inner = inner;
    this.#death = death;
  }

  async request(request: ApiRequest): Promise<ApiReply> {
    if (this.#death.aborted) return never();
    try {
      const reply = await this.#inner.request(request);
      return this.#death.aborted ? never() : reply;
    } catch (error) {
      if (this.#death.aborted) return never();
      throw error;
    }
  }

  /** Its informers end it by their own signal. */
  watch(request: { path: string; signal: Signal }): Followable<WatchEvent> {
    return this.#inner.watch(request);
  }
}

/** Whoever waits for it no longer exists. */
const never = (): Promise<never> => new Promise(() => undefined);
