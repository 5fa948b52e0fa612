/** The pipeline as components in the same process see it: frozen objects in, frozen objects out, no JSON in between. */
import { apiVersionOf, type Kind } from '#api/machinery/kind.ts';
import type { KubeList, KubeObject } from '#api/machinery/object.ts';
import { badRequest } from '#api/machinery/status.ts';
import { type Followable, type Following, follow, followOpened } from '#base/followable.ts';
import { remembering } from '#base/remembering.ts';
import type { ApiReply, RequestPipeline, WatchEvent } from '#client/transport.ts';
import { newAuditId } from './audit/audit-id.ts';
import type { AuditedRequest } from './audit/audited-request.ts';
import type { IncomingRequest, Pipeline } from './pipeline.ts';
import { formOf } from './registry/caches.ts';
import { requestInfoOf } from './request-info.ts';
import { attachedBody } from './request-body.ts';
import type { Reply } from './resource-call.ts';
import type { OpenedWatch } from './verbs/watch.ts';
import type { CacheEvent, ListPage } from './watch-cache/watch-cache.ts';

export function inProcessPipeline(pipeline: Pipeline): RequestPipeline {
  return {
    async handle(asked): Promise<ApiReply> {
      const { method, path, user, signal } = asked;
      const warnings: string[] = [];
      const body = attachedBody(asked);
      const warn = (text: string) => void warnings.push(text);
      const request: IncomingRequest = { method, path, user, userAgent: agentOf(user.name), warn };
      if (body) request.body = body; // without spreading: this is made for every request
      if (signal) request.signal = signal;
      const audited = auditedFrom(pipeline, request);
      if (!audited) {
        const reply = await pipeline.handle(request);
        return { code: reply.code, object: objectOf(reply), warnings };
      }
      return audited.during(async () => {
        if (body && 'object' in body) audited.sentObject(body.object);
        else if (body) audited.sent(body.bytes, body.contentType);
        const reply = await pipeline.handle({ annotate: audited.annotate, ...request });
        const object = objectOf(reply);
        audited.answered(object);
        return { code: reply.code, object, warnings };
      });
    },

    watch: (request) => ({
      [Symbol.asyncIterator]: () => new InProcessWatch(pipeline, request),
      follow: (take) => followWatch(pipeline, request, take),
    }),
  };
}

type AskedWatch = Parameters<RequestPipeline['watch']>[0] & Pick<IncomingRequest, 'isFollowed'>;
const OVER: IteratorResult<WatchEvent> = { done: true, value: undefined };

/** As its informers follow it. */
function followWatch(pipeline: Pipeline, request: AskedWatch, take: (event: WatchEvent) => void): Following {
  const audited = auditedFrom(pipeline, { method: 'GET', ...request });
  const opening = openedWatch(pipeline, { ...request, isFollowed: true }, audited).then((opened) =>
    'events' in opened ? opened.events : eventsOf(opened),
  );
  const { ended, stop } = followOpened(opening, take);
  return audited ? { ended: ended.finally(() => audited.completed(200)), stop } : { ended, stop };
}

function openedWatch(pipeline: Pipeline, asked: AskedWatch, audited: AuditedRequest | undefined) {
  const annotate = audited && { annotate: audited.annotate };
  const open = () => pipeline.watch({ method: 'GET', ...asked, ...annotate });
  return audited ? audited.opening(open) : open();
}

const eventsOf = ({ kind, batches }: OpenedWatch): Followable<WatchEvent> => ({
  follow(take) {
    let isStopped = false;
    const { ended, stop } = follow(batches, (batch) => {
      for (const event of batch) {
        if (isStopped) return;
        take(eventOf(kind, event));
      }
    });
    return {
      ended,
      stop() {
        isStopped = true;
        stop();
      },
    };
  },
  async *[Symbol.asyncIterator]() {
    for await (const batch of batches) for (const event of batch) yield eventOf(kind, event);
  },
});

/**
 * The events of a watch one by one, by hand: every change goes through here on its way to each informer of the process, and a
 * generator makes three promises of each. As everybody does who uses `for await`, one asks for the next event when one has the
 * last; to end it is possible at any time.
 */
class InProcessWatch implements AsyncIterator<WatchEvent> {
  readonly #pipeline: Pipeline;
  readonly #request: AskedWatch;
  #audited: AuditedRequest | undefined;
  #kind: Kind | undefined;
  /** undefined before it is open. */
  #batches: AsyncIterator<readonly CacheEvent[]> | undefined;
  /** Of a group that another API server serves. */
  #remote: AsyncIterator<WatchEvent> | undefined;
  #batch: readonly CacheEvent[] = [];
  #at = 0;
  #isOver = false;

  constructor(pipeline: Pipeline, request: AskedWatch) {
    this.#pipeline = pipeline;
    this.#request = request;
  }

  next(): Promise<IteratorResult<WatchEvent>> {
    const event = this.#batch[this.#at];
    if (!event || this.#isOver) return this.#more();
    this.#at++;
    try {
      return Promise.resolve({ done: false, value: eventOf(this.#kind!, event) });
    } catch (error) {
      return this.#failed(error);
    }
  }

  async return(): Promise<IteratorResult<WatchEvent>> {
    this.#end();
    await (this.#batches ?? this.#remote)?.return?.();
    return OVER;
  }

  async #more(): Promise<IteratorResult<WatchEvent>> {
    if (this.#isOver) return OVER;
    try {
      if (!this.#batches && !this.#remote) await this.#open();
      if (this.#isOver) return await this.return(); // ended before it was open
      if (this.#remote) return this.#passed(await this.#remote.next());
      for (;;) {
        const { done, value } = await this.#batches!.next();
        if (done) return this.#end();
        const [event] = value;
        if (!event) continue;
        this.#batch = value;
        this.#at = 1;
        return { done: false, value: eventOf(this.#kind!, event) };
      }
    } catch (error) {
      return this.#failed(error);
    }
  }

  async #open(): Promise<void> {
    const audited = auditedFrom(this.#pipeline, { method: 'GET', ...this.#request });
    const opened = await openedWatch(this.#pipeline, this.#request, audited);
    this.#audited = audited;
    if ('events' in opened) this.#remote = opened.events[Symbol.asyncIterator]();
    else {
      this.#kind = opened.kind;
      this.#batches = opened.batches[Symbol.asyncIterator]();
    }
    if (this.#isOver) audited?.completed(200);
  }

  #passed(result: IteratorResult<WatchEvent>): IteratorResult<WatchEvent> {
    return result.done ? this.#end() : result;
  }

  /** Who asked is told, and asks no more: what is behind it is let go here. */
  async #failed(error: unknown): Promise<never> {
    await this.return();
    throw error;
  }

  #end(): IteratorResult<WatchEvent> {
    if (!this.#isOver) this.#audited?.completed(200);
    this.#isOver = true;
    this.#batch = [];
    return OVER;
  }
}

/** Upstream runs all controllers in one program, whatever account each has. */
const agentOf = remembering(
  (user: string) =>
    user.startsWith('system:serviceaccount:kube-system:') ? 'kube-controller-manager' : (user.split(':').pop() ?? user),
  { most: 1_000 },
);

/** From where upstream's components that run beside it come. */
const LOOPBACK = ['::1'];

function auditedFrom({ auditor }: Pipeline, request: IncomingRequest): AuditedRequest | undefined {
  if (!auditor) return undefined;
  const { method, path, user } = request;
  const info = requestInfoOf(method, path);
  const userAgent = agentOf(user.name);
  return auditor.begin({ auditId: newAuditId(), info, uri: path, user, userAgent, sourceIps: LOOPBACK });
}

/** undefined for what is no object: a log, somebody else's bytes. */
export const shownObjectOf = (reply: Reply): unknown =>
  'text' in reply || 'forward' in reply ? undefined : objectOf(reply);

function objectOf(reply: Reply): unknown {
  if ('page' in reply) return listOf(reply.kind, reply.page);
  if ('object' in reply) return reply.object;
  if ('items' in reply) return reply.list;
  throw badRequest('this can be had over HTTP only');
}

function listOf(kind: Kind, { items, revision, continue: token, remainingItemCount }: ListPage): KubeList {
  const form = formOf(kind);
  return {
    kind: kind.listKind,
    apiVersion: apiVersionOf(kind),
    metadata: {
      resourceVersion: String(revision),
      ...(token && { continue: token }),
      ...(remainingItemCount !== undefined && { remainingItemCount }),
    },
    items: items.map((item) => item.object(form)),
  };
}

function eventOf(kind: Kind, event: CacheEvent): WatchEvent {
  if (event.object) return { type: event.type, object: event.object.object(formOf(kind)) };
  const annotations = event.initialEventsEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {};
  const metadata = { resourceVersion: String(event.revision), ...annotations };
  return {
    type: event.type,
    object: { kind: kind.kind, apiVersion: apiVersionOf(kind), metadata } as unknown as KubeObject,
  };
}
