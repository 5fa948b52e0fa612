/**
 * From a request as it comes off the wire to its answer: who asks, what about, the pipeline, and the form of what
 * comes out.
 */
import type { Kind } from '#api/machinery/kind.ts';
import { internalError, noSuchPath, StatusError, tooManyRequests } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { lastly, otherwise, type Soon, soon } from '#base/soon.ts';
import { Unreachable, type UserInfo } from '#client/transport.ts';
import type { RemoteApi } from '../aggregation/remote-api.ts';
import type { Authenticator } from '../authentication/authenticator.ts';
import type { Patience } from '../flow-control/queue-set.ts';
import type { Work } from '../flow-control/work.ts';
import { shownObjectOf } from '../in-process.ts';
import type { IncomingRequest, Pipeline } from '../pipeline.ts';
import { type RequestInfo, type ResourceRequestInfo, requestInfoOf } from '../request-info.ts';
import type { Reply } from '../resource-call.ts';
import type { Forwarder } from '../streaming/forwarder.ts';
import { encoded } from './body-chunks.ts';
import { type Caller, Callers, type Recorded } from './callers.ts';
import type { Exchange } from './exchange.ts';
import type { Lifecycle } from './lifecycle.ts';
import { isLongRunning } from './long-running.ts';
import { isForPeople, negotiate, negotiateStatus, type Wanted } from './negotiation.ts';
import { type NonResourceServices, serveNonResource } from './non-resource-paths.ts';
import { deadlineMissed, sendTooManyRequests, shuttingDown, TOO_MANY_REQUESTS } from './refusals.ts';
import { type Deadline, type RequestDeadlines, requestedTimeoutMs } from './request-deadlines.ts';
import { sendBody, sendReply } from './send-reply.ts';
import { warningHeaders } from './warning-header.ts';
import { sendWatch } from './watch-stream.ts';

export interface RequestHandlerServices extends NonResourceServices {
  pipeline: Pipeline;
  authenticator: Authenticator;
  forwarder: Forwarder;
  deadlines: RequestDeadlines;
  lifecycle: Lifecycle;
  clock: Clock;
  log: Log;
}

/** A request that another API server answers. */
interface Passed {
  exchange: Exchange;
  info: RequestInfo;
  user: UserInfo;
  work: Work | undefined;
}

export interface BegunWatch {
  caughtUp(): void;
  over(): void;
}

export class RequestHandler {
  readonly #services: RequestHandlerServices;
  readonly #callers: Callers;
  readonly #watches = new Set<AbortController>();

  constructor(services: RequestHandlerServices) {
    this.#services = services;
    const { authenticator, pipeline } = services;
    this.#callers = new Callers({
      authenticator,
      authorizer: pipeline.services.authorizer,
      auditor: pipeline.auditor,
      counts: pipeline.accessCounts,
      clock: services.clock,
    });
  }

  /** Never throws. Returns when the answer is out where nothing had to be waited for. */
  serve(exchange: Exchange): Soon<void> {
    const { metrics, clock, deadlines, lifecycle } = this.#services;
    let done: ReturnType<typeof metrics.begin> | undefined;
    let deadline: Deadline | undefined;
    const answer = (): Soon<void> => {
      const info = requestInfoOf(exchange.method, exchange.url); // 400
      done = metrics.begin(info, clock.monotonicMs());
      if (lifecycle.isDraining) {
        exchange.sendElsewhere();
        if (!isProbe(info)) throw shuttingDown();
      }
      if (!isLongRunning(info)) {
        const afterMs = requestedTimeoutMs(info.query); // 400
        deadline = deadlines.begin(afterMs, () => exchange.expire(statusBody(deadlineMissed())));
      }
      return this.#answer(exchange, info);
    };
    const over = (): void => {
      exchange.audited?.completed(exchange.code, exchange);
      deadline?.end();
      done?.(exchange.code, clock.monotonicMs(), exchange);
    };
    const served = lastly(() => otherwise(answer, (error) => this.#refuse(exchange, error)), over);
    exchange.awaited();
    return served;
  }

  /** Who the request is to be carried out as, once that is allowed. Throws Unauthorized, Forbidden. */
  async admitted(recorded: Recorded, info: RequestInfo): Promise<UserInfo> {
    const { user } = await this.#callers.of(recorded, info);
    await this.#services.pipeline.authorize(info, user, recorded.audited?.annotate);
    return user;
  }

  /**
   * A watch that comes by an upgrade takes its turn as any other. Its seat is let go of by `caughtUp`; `over` ends it. Throws
   * TooManyRequests.
   */
  async beginWatch(info: ResourceRequestInfo, user: UserInfo, signal: AbortSignal): Promise<BegunWatch> {
    const { flowControl, deadlines, clock } = this.#services;
    const flow = flowControl.classify(info, user);
    const work = await flowControl.begin(flow, { info, user }, () => ({ limitMs: deadlines.maxMs / 4, signal }));
    if (!work) {
      flow.level.dropped.record(clock.now());
      throw tooManyRequests(TOO_MANY_REQUESTS, flow.level.dropped.retryAfterSeconds);
    }
    const uncount = flowControl.watches.begin(info);
    return {
      caughtUp: () => work.finish(),
      over() {
        work.finish();
        uncount();
      },
    };
  }

  /** Watches end as if their time were over: their clients come back, to this server or to another. */
  endWatches(): void {
    for (const watch of this.#watches) watch.abort();
  }

  async #whileServing(exchange: Exchange, serve: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const watch = new AbortController();
    const gone = () => watch.abort();
    exchange.signal.addEventListener('abort', gone, { once: true });
    this.#watches.add(watch);
    try {
      await serve(watch.signal);
    } finally {
      this.#watches.delete(watch);
      exchange.signal.removeEventListener('abort', gone);
      watch.abort();
    }
  }

  /** Once it has a seat. Source of the order: upstream's DefaultBuildHandlerChain. */
  #answer(exchange: Exchange, info: RequestInfo): Soon<void> {
    return soon(this.#callers.of(exchange, info), (caller) =>
      isLongRunning(info) && info.verb !== 'watch'
        ? this.#answerSeated(exchange, info, caller)
        : this.#answerInTurn(exchange, info, caller),
    ); // 401, 403
  }

  #answerInTurn(exchange: Exchange, info: RequestInfo, caller: Caller): Soon<void> {
    const { user } = caller;
    const { flowControl } = this.#services;
    const flow = flowControl.classify(info, user);
    exchange.tell(flow);
    return soon(
      flowControl.begin(flow, { info, user }, () => this.#patienceFor(exchange, info)),
      (work) => {
        if (work) {
          exchange.queuedMs = work.waitedMs;
          return lastly(
            () => this.#answerSeated(exchange, info, caller, work),
            () => work.finish(),
          );
        }
        if (exchange.signal.aborted) return undefined;
        flow.level.dropped.record(this.#services.clock.now());
        return sendTooManyRequests(exchange, flow.level.dropped.retryAfterSeconds);
      },
    );
  }

  /** A quarter of the time that it has. */
  #patienceFor(exchange: Exchange, info: RequestInfo): Patience {
    const { deadlines } = this.#services;
    const allowedMs = Math.min(requestedTimeoutMs(info.query) ?? deadlines.maxMs, deadlines.maxMs);
    return { limitMs: allowedMs / 4, signal: exchange.signal };
  }

  #answerSeated(exchange: Exchange, info: RequestInfo, caller: Caller, work?: Work): Soon<void> {
    const { pipeline } = this.#services;
    const { user } = caller;
    return soon(pipeline.authorize(info, user, exchange.audited?.annotate), () => {
      const remote = pipeline.aggregation.remoteOf(info);
      if (remote) return this.#answerFrom(remote, { exchange, info, user, work });
      if (!info.isResource) return serveNonResource(exchange, info, this.#services); // 404
      return this.#answerOfResource(exchange, info, caller, work);
    }); // 403
  }

  #answerFrom(remote: RemoteApi, { exchange, info, user, work }: Passed): Promise<void> {
    const { aggregation } = this.#services.pipeline;
    if (!isLongRunning(info)) return aggregation.proxy(remote, { exchange, user, signal: exchange.signal });
    work?.finish(); // whoever has it counts for itself what it costs
    return this.#whileServing(exchange, (signal) => aggregation.proxy(remote, { exchange, user, signal }));
  }

  #answerOfResource(
    exchange: Exchange,
    info: ResourceRequestInfo,
    { user, warnings: known }: Caller,
    work: Work | undefined,
  ): Soon<void> {
    const { audited } = exchange;
    let warnings = known;
    const request: IncomingRequest = {
      method: info.method,
      path: exchange.url,
      user,
      userAgent: exchange.header('user-agent'),
      warn(text) {
        warnings = [...warnings, text];
      },
    };
    if (audited) request.annotate = audited.annotate;
    if (info.method !== 'GET') request.elsewhere = exchange;
    const warn = () => {
      if (warnings.length > 0) exchange.set('warning', warningHeaders(warnings));
    };
    const wanted = this.#wantedBy(exchange, info); // 406
    if (info.verb === 'watch') return this.#answerWatch(exchange, info, { request, wanted, work, warn });
    const reply = lastly(() => this.#dispatched(exchange, info, request), warn); // a refusal carries them too
    return soon(reply, (whole) => {
      if (audited?.recordsResponses) audited.answered(shownObjectOf(whole));
      if ('forward' in whole) return this.#services.forwarder.forward(exchange, whole.forward);
      return sendReply(exchange, whole, { wanted, query: info.query, clock: this.#services.clock });
    });
  }

  #answerWatch(
    exchange: Exchange,
    info: ResourceRequestInfo,
    {
      request,
      wanted,
      work,
      warn,
    }: { request: IncomingRequest; wanted: Wanted; work?: Work | undefined; warn(): void },
  ): Promise<void> {
    const { pipeline, flowControl, clock, log } = this.#services;
    const over = flowControl.watches.begin(info);
    return this.#whileServing(exchange, async (signal) => {
      const opened = await pipeline.openWatch(info, { ...request, signal, caughtUp: () => work?.finish() });
      exchange.audited?.started(200);
      warn();
      return sendWatch(exchange, opened, { wanted, query: info.query, now: () => clock.now(), log, clock });
    }).finally(over);
  }

  #dispatched(exchange: Exchange, info: ResourceRequestInfo, request: IncomingRequest): Soon<Reply> {
    const { pipeline } = this.#services;
    const hasBody = info.method !== 'GET' && info.method !== 'HEAD' && info.subresource !== 'proxy';
    if (!hasBody) return pipeline.dispatch(info, request);
    return exchange.body().then((bytes) => {
      if (!bytes) return pipeline.dispatch(info, request);
      const contentType = exchange.header('content-type');
      exchange.audited?.sent(bytes, contentType);
      return pipeline.dispatch(info, { ...request, body: { bytes, contentType } });
    }); // 413
  }

  #wantedBy(exchange: Exchange, info: ResourceRequestInfo): Wanted {
    const { kinds } = this.#services.pipeline.services;
    const kind = kinds.byResource(info.group, info.version, info.resource);
    if (!kind) throw noSuchPath();
    const isStreamed = FORWARDED.has(info.subresource);
    const wanted = negotiate(isStreamed ? '' : exchange.header('accept'), {
      list: info.verb === 'list' || info.verb === 'deletecollection',
      stream: info.verb === 'watch',
      table: hasTable(kind, info.subresource),
      protobuf: kind.facts !== undefined,
    });
    return wanted.pretty || !isForPeople(info.query, exchange.header('user-agent'))
      ? wanted
      : { ...wanted, pretty: true };
  }

  #wantedOfStatus(exchange: Exchange): Wanted {
    const wanted = negotiateStatus(exchange.header('accept'));
    const [, query = ''] = exchange.url.split('?');
    return isForPeople(new URLSearchParams(query), exchange.header('user-agent'))
      ? { ...wanted, pretty: true }
      : wanted;
  }

  async #refuse(exchange: Exchange, error: unknown): Promise<void> {
    const { log, lifecycle } = this.#services;
    const status = error instanceof StatusError ? error : internalError(messageOf(error), error);
    if (exchange.signal.aborted) return; // the client has gone, and that is what went wrong
    if (error instanceof Unreachable) return exchange.abort(); // a test lets the answer get lost
    if (status === error) exchange.audited?.refused(status.toStatus());
    else exchange.audited?.panicked(error);
    if (status !== error) log.error('a request failed', { path: exchange.url.split('?')[0], error: stackOf(error) });
    if (exchange.begun) return exchange.abort();
    const retry = lifecycle.isDraining ? 1 : status.details?.retryAfterSeconds;
    if (retry) exchange.set('retry-after', String(retry));
    const wanted = this.#wantedOfStatus(exchange);
    try {
      await sendBody(exchange, status.code, encoded(status.toStatus(), wanted));
    } catch (broken) {
      log.warn('an answer could not be sent', { error: messageOf(broken) });
    }
  }
}

const statusBody = (status: StatusError) => ({
  code: status.code,
  type: 'application/json',
  body: Buffer.from(JSON.stringify(status.toStatus())),
});

/** Answered to the last: whoever asks wants to know just that. */
const isProbe = ({ isResource, path }: RequestInfo): boolean =>
  !isResource && /^\/(readyz|livez|healthz)(\/|$)/.test(path);

/** What the other side answers in its own form. */
const FORWARDED = new Set(['log', 'exec', 'attach', 'portforward', 'proxy']);

/** These answer with an object, in rows too. */
const IN_ROWS = new Set(['', 'status', 'scale']);
/** Reviews are no rows. */
const hasTable = (kind: Pick<Kind, 'virtual' | 'verbs'>, subresource: string): boolean =>
  IN_ROWS.has(subresource) && (!kind.virtual || kind.verbs.includes('list'));

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const stackOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));
