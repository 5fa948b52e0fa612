/**
 * Copies of requests over HTTP/2 for other backends, as they come: a call of gRPC may go on for hours, and its answers begin before
 * all of it is said. Nobody waits for the copies' answers. Source: Gateway API reference, GRPCRouteFilter.
 */
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2';
import type { Timer } from '#base/clock.ts';
import type { Request } from './arrival.ts';
import { at, type Endpoint } from './backends.ts';
import { chosenOf, type MirrorContext, MOST_COPIES, MOST_MIRRORED_BYTES } from './mirrors.ts';
import type { Mirror } from './route-filters.ts';

/** With what a backend is asked. */
type Asked = (isSecure: boolean) => OutgoingHttpHeaders;

export class CallCopies {
  readonly #copies: CallCopy[] = [];

  constructor(mirrors: readonly Mirror[], asked: Asked, context: MirrorContext) {
    for (const { backend } of chosenOf(mirrors, context)) {
      const [endpoint] = context.upstreams.next(backend, 1);
      if (endpoint && (underWay.get(at(endpoint)) ?? 0) < MOST_COPIES)
        this.#copies.push(new CallCopy(endpoint, asked, context));
    }
  }

  /** To be called before its body flows. */
  follow(request: Request): void {
    if (this.#copies.length === 0) return;
    request.on('data', (piece: Buffer) => {
      for (const copy of this.#copies) copy.write(piece);
    });
    request.once('end', () => {
      for (const copy of this.#copies) copy.end();
    });
  }

  /** What its client did not say to the end ends with it. */
  callEnded(): void {
    for (const copy of this.#copies) copy.callEnded();
  }
}

/** By `ADDRESS:PORT`: endpoints are told anew with each change of a backend. */
const underWay = new Map<string, number>();

function count(endpoint: string, by: 1 | -1): void {
  const now = (underWay.get(endpoint) ?? 0) + by;
  if (now > 0) underWay.set(endpoint, now);
  else underWay.delete(endpoint);
}

class CallCopy {
  readonly #endpoint: string;
  readonly #asked: Asked;
  readonly #context: MirrorContext;
  /** Before it is known where to. */
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #stream: ClientHttp2Stream | undefined;
  readonly #breakingOff = new AbortController();
  #isWhole = false;
  #isOver = false;
  #late: Timer | undefined;

  constructor(endpoint: Endpoint, asked: Asked, context: MirrorContext) {
    this.#endpoint = at(endpoint);
    this.#asked = asked;
    this.#context = context;
    count(this.#endpoint, 1);
    context.upstreams.http2.reach(endpoint, context.options, (session) => this.#reached(session));
  }

  write(piece: Buffer): void {
    if (this.#isOver) return;
    // Who takes that little would take the memory of this process.
    if (this.#hold(piece) > MOST_MIRRORED_BYTES) this.#leave();
  }

  /** @returns how many bytes of the call are not sent yet. */
  #hold(piece: Buffer): number {
    if (this.#stream) {
      this.#stream.write(piece);
      return this.#stream.writableLength;
    }
    this.#waiting.push(piece);
    this.#waitingBytes += piece.length;
    return this.#waitingBytes;
  }

  end(): void {
    if (this.#isOver) return;
    const { clock, options } = this.#context;
    this.#isWhole = true;
    this.#stream?.end();
    this.#late = clock.timer(options.readTimeoutMs, () => this.#leave());
  }

  callEnded(): void {
    if (!this.#isWhole) this.#leave();
  }

  #reached(session: ClientHttp2Session | undefined): void {
    if (this.#isOver) return;
    try {
      this.#stream = session?.request(this.#asked(session.encrypted ?? false), { signal: this.#breakingOff.signal });
    } catch {
      // what cannot be sent on is told to the client of the call itself
    }
    if (this.#stream) this.#send(this.#stream);
    else this.#leave();
  }

  #send(stream: ClientHttp2Stream): void {
    stream.on('error', () => undefined); // its end tells
    stream.once('close', () => this.#leave());
    stream.resume();
    for (const piece of this.#waiting.splice(0)) stream.write(piece);
    if (this.#isWhole) stream.end();
  }

  #leave(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#late?.cancel();
    this.#waiting = [];
    this.#breakingOff.abort();
    count(this.#endpoint, -1);
  }
}
