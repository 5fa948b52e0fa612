/** The transport inside the API server's own process: whole pipeline, frozen objects, no JSON. */
import { internalError, StatusError } from '#api/machinery/status.ts';
import { type Followable, follow } from '#base/followable.ts';
import type { Signal } from '#base/plain-signal.ts';
import {
  type ApiReply,
  type ApiRequest,
  type RequestPipeline,
  type Transport,
  Unreachable,
  type UserInfo,
  type WatchEvent,
} from '../transport.ts';

export class InProcessTransport implements Transport {
  readonly streamsLists = true;
  readonly #pipeline: RequestPipeline;
  readonly #user: UserInfo;

  constructor(pipeline: RequestPipeline, user: UserInfo) {
    this.#pipeline = pipeline;
    this.#user = user;
  }

  async request(request: ApiRequest): Promise<ApiReply> {
    request.signal?.throwIfAborted();
    try {
      // Assigned, not spread: everything on the way of a request reads this object (decision 28).
      return await this.#pipeline.handle(Object.assign({}, request, { user: this.#user }));
    } catch (error) {
      throw asAnswered(error);
    } finally {
      request.signal?.throwIfAborted();
    }
  }

  watch({ path, signal }: { path: string; signal: Signal }): Followable<WatchEvent> {
    const events = this.#pipeline.watch({ user: this.#user, path, signal });
    return {
      [Symbol.asyncIterator]: () => answered(events[Symbol.asyncIterator]()),
      follow(take) {
        const { ended, stop } = follow(events, take);
        return { ended: ended.catch(refused), stop };
      },
    };
  }
}

const refused = (error: unknown): never => {
  throw asAnswered(error);
};

/** Without a generator around it: every change goes through here on its way to each informer. */
const answered = (events: AsyncIterator<WatchEvent>): AsyncIterator<WatchEvent> => ({
  next: () => events.next().then(undefined, refused),
  return: async () => (await events.return?.()) ?? { done: true, value: undefined },
});

/** What is neither is a fault of the server: over a connection it would be a 500, and the client would live on. */
const asAnswered = (error: unknown): unknown =>
  error instanceof StatusError || error instanceof Unreachable
    ? error
    : internalError(error instanceof Error ? error.message : String(error), error);
