/** Through which every request of a test cluster's clients goes: it counts what is under way, and lets faults happen. */
import type { Clock } from '#base/clock.ts';
import { type Followable, type Following, follow } from '#base/followable.ts';
import type { Soon } from '#base/soon.ts';
import type { UserInfo, WatchEvent } from '#client/transport.ts';
import { type IncomingRequest, Pipeline } from '#control-plane/apiserver/pipeline.ts';
import { type RequestInfo, requestInfoOf } from '#control-plane/apiserver/request-info.ts';
import type { OpenedWatch } from '#control-plane/apiserver/verbs/watch.ts';
import type { AbsentKinds } from './absent-kinds.ts';
import type { Faults, FollowedWatch } from './faults.ts';

interface GateParts {
  faults: Faults;
  absent: Pick<AbsentKinds, 'informed'>;
  edgeClock: Clock;
}

export class Gate {
  /** What transports are to use in place of the API server's own. */
  readonly pipeline: Pipeline;
  readonly #faults: Faults;
  readonly #absent: Pick<AbsentKinds, 'informed'>;
  #open = 0;

  /** `edgeClock` tells the time to what is near a socket. */
  constructor(inner: Pipeline, { faults, absent, edgeClock }: GateParts) {
    this.#faults = faults;
    this.#absent = absent;
    this.pipeline = new GatedPipeline(inner, this, edgeClock);
  }

  /** Requests under way; watches are not. */
  get open(): number {
    return this.#open;
  }

  /** `info` is asked for only when there are faults. */
  async guarded<T>(info: () => RequestInfo, user: UserInfo, request: () => Soon<T>): Promise<T> {
    this.#open++;
    try {
      const reply = await (this.#faults.isQuiet ? request() : this.#faults.around(info(), user, request));
      const { informed } = this.#absent;
      if (informed) await informed;
      return reply;
    } finally {
      this.#open--;
    }
  }

  async openWatch(
    info: () => RequestInfo,
    user: UserInfo,
    open: () => ReturnType<Pipeline['watch']>,
  ): ReturnType<Pipeline['watch']> {
    const { opened, watch, over } = await this.#faults.openWatch(info, user, open);
    if ('events' in opened) return { events: untilDropped<WatchEvent>(opened.events, watch, over) };
    const { kind, batches } = opened;
    return { kind, batches: untilDropped(batches, watch, over) };
  }
}

/** A class of its own: who makes one object the prototype of another makes it old, with all that it reaches (decision 27). */
class GatedPipeline extends Pipeline {
  readonly #inner: Pipeline;
  readonly #gate: Gate;

  constructor(inner: Pipeline, gate: Gate, edgeClock: Clock) {
    super({ ...inner.services, clock: edgeClock }, inner);
    this.#inner = inner;
    this.#gate = gate;
  }

  override handle(request: IncomingRequest): ReturnType<Pipeline['handle']> {
    const info = () => requestInfoOf(request.method, request.path);
    return this.#gate.guarded(info, request.user, () => this.#inner.handle(request));
  }

  override dispatch(...[info, request]: Parameters<Pipeline['dispatch']>): ReturnType<Pipeline['dispatch']> {
    return this.#gate.guarded(
      () => info,
      request.user,
      () => this.#inner.dispatch(info, request),
    );
  }

  override watch(request: IncomingRequest): ReturnType<Pipeline['watch']> {
    const info = () => requestInfoOf(request.method, request.path);
    return this.#gate.openWatch(info, request.user, () => this.#inner.watch(request));
  }

  override openWatch(...[info, request]: Parameters<Pipeline['openWatch']>): Promise<OpenedWatch> {
    const opening = this.#gate.openWatch(
      () => info,
      request.user,
      () => this.#inner.openWatch(info, request),
    );
    return opening as Promise<OpenedWatch>;
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
    const drop = () => {
      const { reason } = watch.dropped!;
      if (reason) reject(reason);
      else resolve();
      inner.stop();
    };
    watch.onDrop = drop; // not written here: the engine makes it among the old objects then (decision 27)
    inner.ended.then(resolve, reject);
    if (watch.dropped) drop();
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
    const drop = () => {
      this.#settle?.();
      void inner.return?.();
    };
    watch.onDrop = drop;
    if (watch.dropped) drop();
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
