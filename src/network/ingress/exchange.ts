/**
 * One request that a backend is asked, over HTTP/1.1. It is itself what undici tells of the answer: no promise, no stream and no
 * copy stands between the two connections.
 */
import { type ServerResponse, STATUS_CODES } from 'node:http';
import { type Client, type Dispatcher, errors } from 'undici';
import type { Timer } from '#base/clock.ts';
import { answerHeaders, type BackendRequest, backendRequest } from './backend-request.ts';
import type { Endpoint } from './backends.ts';
import { MOST_TRIES } from './choose-upstream.ts';
import type { ExchangeParts } from './exchange-parts.ts';
import { asObject, responseHeaders, valuesOf } from './headers.ts';
import { sendMirrors, sendToTarget } from './mirrors.ts';
import { refusal } from './own-answers.ts';
import { BodyTooLarge, hasBody, RequestBody, SILENT_CLIENT_MS } from './request-body.ts';
import { answer, breakOff, type TrafficContext } from './traffic.ts';
import { isUnreached } from './unreachable-endpoints.ts';
import type { Connections } from './upstreams.ts';

/** May be asked twice without harm. Source: RFC 9110, section 9.2.2. */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);
export const isIdempotent = (method: string): boolean => IDEMPOTENT.has(method);

const SMALL_BYTES = 16 * 1024;

export class Exchange implements Dispatcher.DispatchHandler {
  readonly #parts: ExchangeParts;
  readonly #context: TrafficContext;
  readonly #body: RequestBody | undefined;
  #asked: BackendRequest | undefined;
  #tries = 0;
  #failedTries = 0;
  #endpoint: Endpoint | undefined;
  #connections: Connections | undefined;
  #client: Client | undefined;
  #abort: ((reason?: Error) => void) | undefined;
  #timers: Timer[] | undefined;
  #isLate = false;
  /** The client is gone, or has its answer. */
  #isOver = false;
  #status = 0;
  #bytes = 0;
  /** Of the answer's body, where the backend said it. */
  #left = -1;

  constructor(parts: ExchangeParts, context: TrafficContext) {
    this.#parts = parts;
    this.#context = context;
    this.#body = hasBody(parts.request) ? bodyOf(parts, context, () => this.#late()) : undefined;
  }

  begin(): void {
    const { response, admission, choice } = this.#parts;
    const { requestTimeoutMs } = admission.route.options;
    response.once('close', () => this.#closed());
    if (choice.isNowhere || choice.endpoints.length === 0) {
      answer(response, refusal(choice.isNowhere ? 500 : 503));
      return;
    }
    this.#asked = backendRequest(this.#parts);
    this.#sendCopies(this.#asked);
    if (requestTimeoutMs) this.#lateAfter(requestTimeoutMs);
    this.#try(this.#asked);
  }

  #sendCopies(asked: BackendRequest): void {
    const { admission, choice, arrival } = this.#parts;
    const { options, filters } = admission.route;
    const own = choice.backend?.filters;
    if (!options.mirror && !filters?.mirrors && !own?.mirrors) return;
    const copy = { method: arrival.method, ...asked, body: this.#body };
    sendMirrors([...(filters?.mirrors ?? []), ...(own?.mirrors ?? [])], copy, { options, ...this.#context });
    if (options.mirror) sendToTarget(options.mirror, copy, { arrival, options, ...this.#context });
  }

  #try({ path, headers }: BackendRequest): void {
    const { arrival, admission, choice } = this.#parts;
    const { options } = admission.route;
    const endpoint = choice.endpoints[this.#tries] as Endpoint;
    this.#tries++;
    this.#endpoint = endpoint;
    this.#connections = this.#context.upstreams.connectionsTo(endpoint, options);
    this.#client = this.#connections.take();
    if (options.tryTimeoutMs) this.#lateAfter(options.tryTimeoutMs);
    this.#client.dispatch(
      {
        method: arrival.method as Dispatcher.HttpMethod,
        path,
        headers,
        body: (this.#body as Dispatcher.DispatchOptions['body']) ?? null,
        headersTimeout: options.readTimeoutMs,
        bodyTimeout: options.readTimeoutMs,
      },
      this,
    );
  }

  #lateAfter(ms: number): void {
    this.#timers ??= [];
    this.#timers.push(this.#context.clock.timer(ms, () => this.#late()));
  }

  #late(): void {
    this.#isLate = true;
    this.#abort?.();
  }

  // What undici tells.

  onConnect(abort: (reason?: Error) => void): void {
    this.#abort = abort;
    if (this.#isOver || this.#isLate) abort();
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void): boolean {
    if (status < 200) return true; // nobody asked for it: `expect` is answered here
    this.#context.upstreams.unreachable.answered(this.#endpoint as Endpoint);
    const { response, request } = this.#parts;
    const headers = answerHeaders(responseHeaders(raw), this.#endpoint as Endpoint, this.#parts);
    this.#status = status;
    const length = request.method === 'HEAD' ? undefined : valuesOf(headers, 'content-length')[0];
    this.#left = length === undefined ? -1 : Number(length);
    this.#resume = resume;
    if (request.httpVersionMajor > 1) (response as ServerResponse).writeHead(status, asObject(headers));
    else (response as ServerResponse).writeHead(status, STATUS_CODES[status] ?? '', headers);
    return true;
  }
  #resume: () => void = () => undefined;

  /** The last piece, where the length is known, ends the answer: so that a small answer is one write. */
  onData(chunk: Buffer): boolean {
    const { response, request } = this.#parts;
    const isHttp2 = request.httpVersionMajor > 1;
    this.#bytes += chunk.length;
    if (chunk.length === this.#left) {
      this.#left = 0;
      // As text it goes out in one piece with the head; as bytes the kernel is given two.
      if (chunk.length <= SMALL_BYTES && !isHttp2) (response as ServerResponse).end(chunk.toString('latin1'), 'latin1');
      else response.end(chunk);
      return true;
    }
    if (this.#left > 0) this.#left -= chunk.length;
    const goesOn = (response as ServerResponse).write(chunk);
    if (!goesOn) this.#waitForClient();
    return goesOn;
  }

  #waitForClient(): void {
    const { response } = this.#parts;
    const waiting = this.#context.clock.timer(SILENT_CLIENT_MS, () => breakOff(response));
    const over = () => {
      waiting.cancel();
      response.off('drain', over);
      response.off('close', over);
      this.#resume();
    };
    response.on('drain', over);
    response.on('close', over);
  }

  onComplete(): void {
    this.#giveBack();
    this.#parts.response.end();
  }

  onError(error: Error): void {
    this.#giveBack();
    if (this.#isOver) return;
    this.#failedTries++;
    const { upstreams, clock } = this.#context;
    if (isUnreached(error)) upstreams.unreachable.failed(this.#endpoint as Endpoint, clock.monotonicMs());
    const { response } = this.#parts;
    if (response.headersSent) breakOff(response);
    else if (this.#asked && !this.#isLate && this.#mayTryAgain(error)) this.#try(this.#asked);
    else {
      this.#status = this.#isLate ? 504 : statusOf(error);
      answer(response, refusal(this.#status));
    }
  }

  /** Not reached at all: any request. Lost on the way: only what may be asked twice. */
  #mayTryAgain(error: Error): boolean {
    const { choice, arrival } = this.#parts;
    if (this.#body?.isBegun || this.#tries >= Math.min(choice.endpoints.length, MOST_TRIES)) return false;
    const { code } = error as { code?: string };
    if (isUnreached(error)) return true;
    return isIdempotent(arrival.method) && (error instanceof errors.SocketError || code === 'ECONNRESET');
  }

  #giveBack(): void {
    if (this.#client) this.#connections?.giveBack(this.#client);
    this.#client = undefined;
  }

  #closed(): void {
    this.#isOver = true;
    for (const timer of this.#timers ?? []) timer.cancel();
    if (this.#client) this.#abort?.();
    const { response } = this.#parts;
    const status = response.writableFinished || this.#status ? response.statusCode : 499;
    this.#parts.ended(status, this.#bytes, this.#failedTries);
  }
}

const bodyOf = (
  { request, response, admission }: ExchangeParts,
  { clock }: TrafficContext,
  onStuck: () => void,
): RequestBody =>
  new RequestBody(request, {
    sendTimeoutMs: admission.route.options.sendTimeoutMs,
    onStuck,
    mostBytes: admission.route.options.mostBodyBytes,
    clock,
    onSilence: () => breakOff(response),
  });

function statusOf(error: Error): number {
  if (error instanceof BodyTooLarge) return 413;
  const isLate = error instanceof errors.HeadersTimeoutError || error instanceof errors.ConnectTimeoutError;
  return isLate ? 504 : 502;
}
