/** Through which every request of a test cluster's clients goes: it counts what is under way, and lets faults happen. */
import type { Clock } from '#base/clock.ts';
import { type Followable, type Following, follow } from '#base/followable.ts';
import type { Soon } from '#base/soon.ts';
import type { UserInfo, WatchEvent } from '#client/transport.ts';
import type { IncomingRequest, Pipeline } from '#control-plane/apiserver/pipeline.ts';
import { type RequestInfo, requestInfoOf } from '#control-plane/apiserver/request-info.ts';
import type { OpenedWatch } from '#control-plane/apiserver/verbs/watch.ts';
import type { Faults, FollowedWatch } from './faults.ts';

export class Gate {
  /** What transports are to use in place of the API server's own. */
  readonly pipeline: Pipeline;
  #open = 0;

  /** `edgeClock` tells the time to what is near a socket. */
  constructor(inner: Pipeline, { faults, edgeClock }: { faults: Faults; edgeClock: Clock }) {
    const guarded = <T>(info: () => RequestInfo, user: UserInfo, request: () => Soon<T>) =>
      this.#counted(faults.isQuiet ? request : () => faults.around(info(), user, request));
    const openWatch = async (info: () => RequestInfo, user: UserInfo, open: () => ReturnType<Pipeline['watch']>) => {
      const { opened, watch, over } = await faults.openWatch(info, user, open);
      if ('events' in opened) return { events: untilDropped<WatchEvent>(opened.events, watch, over) };
      const { kind, batches } = opened;
      return { kind, batches: untilDropped(batches, watch, over) };
    };
    const own = {
      services: { ...inner.services, clock: edgeClock },
      handle: (request: IncomingRequest) =>
        guarded(
          () => requestInfoOf(request.method, request.path),
          request.user,
          () => inner.handle(request),
        ),
      dispatch: (...args: Parameters<Pipeline['dispatch']>) =>
        guarded(
          () => args[0],
          args[1].user,
          () => inner.dispatch(...args),
        ),
      watch: (request: IncomingRequest) =>
        openWatch(
          () => requestInfoOf(request.method, request.path),
          request.user,
          () => inner.watch(request),
        ),
      openWatch: (...[info, request]: Parameters<Pipeline['openWatch']>) =>
        openWatch(
          () => info,
          request.user,
          () => inner.openWatch(info, request),
        ) as Promise<OpenedWatch>,
    };
    this.pipeline = Object.assign(Object.create(inner) as Pipeline, own);
  }

  /** Requests under way; watches are not. */
  get open(): number {
    return this.#open;
  }

  async #counted<T>(request: () => Soon<T>): Promise<T> {
    this.#open++;
    try {
      return await request();
    } finally {
      this.#open--;
    }
  }
}

/** As `items`, until the watch is dropped; then it ends, or with the error that the test has thought of. */
const untilDropped = <T>(items: Followable<T>, watch: FollowedWatch, over: () => void): Followable<T> => ({
  follow: (take) =>
    followUntilDropped(
      follow(items, (item) => watch.dropped || take(item)),
      watch,
      over,
    ),
  [Symbol.asyncIterator]: () => new DroppableItems(items[Symbol.asyncIterator](), watch, over),
});

/** Does not wait for `inner` to give way. */
function followUntilDropped(inner: Following, watch: FollowedWatch, over: () => void): Following {
  const ended = new Promise<void>((resolve, reject) => {
    watch.onDrop = () => {
      const { reason } = watch.dropped!;
      if (reason) reject(reason);
      else resolve();
      inner.stop();
    };
    inner.ended.then(resolve, reject);
    if (watch.dropped) watch.onDrop();
  });
  return { ended: ended.finally(over), stop: inner.stop };
}

/** Does not wait for `inner` to give way, which may be waiting for something that never comes. */
class DroppableItems<T> implements AsyncIterator<T> {
  readonly #inner: AsyncIterator<T>;
  readonly #watch: FollowedWatch;
  readonly #over: () => void;
  #settle: (() => void) | undefined;

  constructor(inner: AsyncIterator<T>, watch: FollowedWatch, over: () => void) {
    this.#inner = inner;
    this.#watch = watch;
    this.#over = over;
    watch.onDrop = () => {
      this.#settle?.();
      void inner.return?.();
    };
    if (watch.dropped) watch.onDrop();
  }

  next(): Promise<IteratorResult<T>> {
    return new Promise((resolve, reject) => {
      const drop = () => {
        const { reason } = this.#watch.dropped!;
        if (reason) reject(reason);
        else resolve({ done: true, value: undefined });
      };
      if (this.#watch.dropped) return drop();
      this.#settle = drop;
      this.#inner.next().then(
        (result) => {
          if (result.done) this.#over();
          resolve(result);
        },
        (error: unknown) => {
          this.#over();
          reject(error);
        },
      );
    });
  }

  async return(): Promise<IteratorResult<T>> {
    this.#over();
    return (await this.#inner.return?.()) ?? { done: true, value: undefined };
  }
}
