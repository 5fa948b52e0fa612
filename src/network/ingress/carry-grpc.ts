/** A request for a backend that speaks HTTP/2 and nothing else, as gRPC does: both directions flow at the same time, and what comes after the body is passed on. Source: gRPC over HTTP/2. */
import type { ServerResponse } from 'node:http';
import { type ClientHttp2Session, constants, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';
import type { Timer } from '#base/clock.ts';
import { answerHeaders, backendRequest } from './backend-request.ts';
import type { Endpoint } from './backends.ts';
import { CallCopies } from './call-copies.ts';
import { MOST_TRIES } from './choose-upstream.ts';
import type { ExchangeParts } from './exchange-parts.ts';
import { asObject, type FlatHeaders, passedOn } from './headers.ts';
import { refusal } from './own-answers.ts';
import { answer, breakOff, type TrafficContext } from './traffic.ts';

export function carryGrpc(parts: ExchangeParts, context: TrafficContext): void {
  new GrpcCall(parts, context).begin();
}

class GrpcCall {
  readonly #parts: ExchangeParts;
  readonly #context: TrafficContext;
  readonly #timers: Timer[] = [];
  /** Says CANCEL and nothing else: a stream that is closed says first that all was said, and half a call would pass for a whole one. */
  readonly #breakingOff = new AbortController();
  #copies: CallCopies | undefined;
  #tries = 0;
  #failedTries = 0;
  #bytes = 0;
  #isLate = false;

  constructor(parts: ExchangeParts, context: TrafficContext) {
    this.#parts = parts;
    this.#context = context;
  }

  begin(): void {
    const { response, choice, admission } = this.#parts;
    response.once('close', () => this.#closed());
    if (choice.isNowhere || choice.endpoints.length === 0) {
      answer(response, refusal(choice.isNowhere ? 500 : 503));
      return;
    }
    const { requestTimeoutMs } = admission.route.options;
    if (requestTimeoutMs) this.#lateAfter(requestTimeoutMs);
    this.#try();
  }

  #try(): void {
    const { response, choice, admission } = this.#parts;
    const { options } = admission.route;
    const endpoint = this.#tries < MOST_TRIES ? choice.endpoints[this.#tries] : undefined;
    if (!endpoint) {
      answer(response, refusal(502));
      return;
    }
    this.#tries++;
    this.#context.upstreams.http2.reach(endpoint, options, (session) => {
      this.#told(endpoint, session !== undefined);
      if (response.destroyed || response.writableEnded) return;
      if (session) this.#safely(() => this.#send(session, endpoint));
      else {
        this.#failedTries++;
        this.#try();
      }
    });
  }

  #told(endpoint: Endpoint, isReached: boolean): void {
    const { upstreams, clock } = this.#context;
    if (!isReached) upstreams.unreachable.failed(endpoint, clock.monotonicMs());
    else upstreams.unreachable.answered(endpoint);
  }

  #send(session: ClientHttp2Session, endpoint: Endpoint): void {
    const { request, response, admission } = this.#parts;
    const { readTimeoutMs, tryTimeoutMs } = admission.route.options;
    const stream = session.request(this.#asked(session.encrypted ?? false), { signal: this.#breakingOff.signal });
    if (tryTimeoutMs) this.#lateAfter(tryTimeoutMs);
    stream.setTimeout(readTimeoutMs, () => this.#late());
    stream.once('response', (headers) => this.#safely(() => this.#answered(headers, endpoint)));
    stream.on('data', (part: Buffer) => {
      this.#bytes += part.length;
    });
    stream.on('trailers', (trailers) =>
      this.#safely(() => (response as ServerResponse).addTrailers(passedOn(trailers))),
    );
    stream.on('error', () => undefined); // its end tells
    stream.once('close', () => this.#ended(stream.rstCode));
    this.#sendCopies();
    request.pipe(stream);
    stream.pipe(response as NodeJS.WritableStream);
  }

  #sendCopies(): void {
    const { request, admission, choice } = this.#parts;
    const { options, filters } = admission.route;
    const mirrors = [...(filters?.mirrors ?? []), ...(choice.backend?.filters?.mirrors ?? [])];
    if (mirrors.length === 0) return;
    this.#copies = new CallCopies(mirrors, (isSecure) => this.#asked(isSecure), { options, ...this.#context });
    this.#copies.follow(request);
  }

  #asked(isSecure: boolean): OutgoingHttpHeaders {
    const { path, headers } = backendRequest(this.#parts);
    return pseudo(headers, { method: this.#parts.arrival.method, path, isSecure });
  }

  #answered(
    { ':status': status = 502, ...received }: IncomingHttpHeaders & { ':status'?: number },
    endpoint: Endpoint,
  ): void {
    const flat: FlatHeaders = Object.entries(passedOn(received)).flatMap(([name, values]) =>
      [values].flat().flatMap((value) => [name, value]),
    );
    const headers = answerHeaders(flat, endpoint, this.#parts);
    (this.#parts.response as ServerResponse).writeHead(Number(status), asObject(headers));
  }

  /** Whatever a backend or a client says that cannot be passed on ends this call, and nothing else. */
  #safely(step: () => void): void {
    try {
      step();
    } catch {
      this.#fail(502);
    }
  }

  #fail(status: number): void {
    const { response } = this.#parts;
    this.#breakingOff.abort();
    if (response.destroyed || response.writableEnded) return;
    if (response.headersSent) breakOff(response);
    else answer(response, refusal(status));
  }

  #lateAfter(ms: number): void {
    this.#timers.push(this.#context.clock.timer(ms, () => this.#late()));
  }

  #late(): void {
    this.#isLate = true;
    this.#fail(504);
  }

  #ended(rstCode: number): void {
    const { response } = this.#parts;
    if (rstCode !== constants.NGHTTP2_NO_ERROR || !response.headersSent) this.#fail(502);
  }

  #closed(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#breakingOff.abort();
    this.#copies?.callEnded();
    const { response, ended } = this.#parts;
    const isAnswered = response.headersSent || this.#isLate;
    ended(isAnswered ? response.statusCode : 499, this.#bytes, this.#failedTries);
  }
}

interface Target {
  method: string;
  path: string;
  isSecure: boolean;
}

function pseudo(headers: FlatHeaders, { method, path, isSecure }: Target): OutgoingHttpHeaders {
  const { host, ...others } = asObject(headers);
  return {
    ':method': method,
    ':path': path,
    ':scheme': isSecure ? 'https' : 'http',
    ':authority': String(host),
    ...others,
    te: 'trailers', // without it a gRPC server takes the client for one that cannot read them
  };
}
