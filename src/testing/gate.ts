/** Through which every request of a test cluster's clients goes: it counts what is under way, and lets faults happen. */
import type { Clock } from '#base/clock.ts';
import type { Soon } from '#base/soon.ts';
import { Unreachable, type UserInfo, type WatchEvent } from '#client/transport.ts';
import type { IncomingRequest, Pipeline } from '#control-plane/apiserver/pipeline.ts';
import { type RequestInfo, requestInfoOf } from '#control-plane/apiserver/request-info.ts';
import type { OpenedWatch } from '#control-plane/apiserver/verbs/watch.ts';
import type { Faults } from './faults.ts';

export class Gate {
  /** What transports are to use in place of the API server's own. */
  readonly pipeline: Pipeline;
  #open = 0;

  /** `edgeClock` tells the time to what is near a socket. */
  constructor(inner: Pipeline, { faults, edgeClock }: { faults: Faults; edgeClock: Clock }) {
    const guarded = <T>(info: () => RequestInfo, user: UserInfo, request: () => Soon<T>) =>
      this.#counted(faults.isQuiet ? request : () => faults.around(info(), user, request));
    const openWatch = async (
      info: RequestInfo,
      request: IncomingRequest,
      open: (request: IncomingRequest) => ReturnType<Pipeline['watch']>,
    ) => {
      const { user, signal } = request;
      const { opened, cut, over } = await faults.openWatch({ info, user, signal }, (signal) =>
        open({ ...request, signal }),
      );
      if ('events' in opened) return { events: until(opened.events as AsyncIterable<WatchEvent>, cut, over) };
      const { kind, batches } = opened;
      return { kind, batches: until(batches, cut, over) };
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
        openWatch(requestInfoOf(request.method, request.path), request, (opening) => inner.watch(opening)),
      openWatch: (...[info, request]: Parameters<Pipeline['openWatch']>) =>
        openWatch(info, request, (opening) => inner.openWatch(info, opening)) as Promise<OpenedWatch>,
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

/** As `items`; when the signal aborted with a reason of the test's, that is thrown at the end. */
const until = <T>(items: AsyncIterable<T>, cut: AbortSignal, over: () => void): AsyncIterable<T> => ({
  [Symbol.asyncIterator]() {
    const inner = items[Symbol.asyncIterator]();
    const passed = (result: IteratorResult<T>) => {
      if (!result.done) return result;
      over();
      if (cut.aborted && (cut.reason instanceof Unreachable || (cut.reason as Error).name === 'StatusError'))
        throw cut.reason;
      return result;
    };
    const failed = (error: unknown) => {
      over();
      throw error;
    };
    return {
      next: () => inner.next().then(passed, failed),
      async return() {
        over();
        return (await inner.return?.()) ?? { done: true, value: undefined };
      },
    };
  },
});
