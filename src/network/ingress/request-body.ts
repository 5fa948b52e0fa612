/** The body of a request on its way to a backend: passed on as it comes, counted, and known to have been begun or not. */
import type { Clock, Timer } from '#base/clock.ts';
import type { Request } from './arrival.ts';

/** A client that neither says nor takes anything for so long, where it is waited for, goes. Source: nginx' client_body_timeout, send_timeout. */
export const SILENT_CLIENT_MS = 60_000;

export class BodyTooLarge extends Error {
  readonly code = 'BodyTooLarge';
}

export interface BodyOptions {
  /** 0: any. */
  mostBytes: number;
  clock: Clock;
  /** Called when its client says nothing any more. */
  onSilence(): void;
  /** So long a backend may take nothing of it. */
  sendTimeoutMs: number;
  /** Called when it has not. */
  onStuck(): void;
}

export class RequestBody {
  readonly #request: Request;
  readonly #options: BodyOptions;
  #copy: { most: number; pieces: Buffer[]; whole: (body: Buffer) => void } | undefined;
  /** Begun, it cannot be sent to another backend. */
  isBegun = false;

  constructor(request: Request, options: BodyOptions) {
    this.#request = request;
    this.#options = options;
  }

  /** Before it begins. `whole` is called when all of it has passed, unless it was more than `most` bytes. */
  keepCopy(most: number, whole: (body: Buffer) => void): void {
    this.#copy = { most, pieces: [], whole };
  }

  /** Fails with BodyTooLarge once more than what is allowed has come. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    this.isBegun = true;
    const { mostBytes } = this.#options;
    let bytes = 0;
    let waiting = this.#wait();
    try {
      for await (const chunk of this.#request as AsyncIterable<Buffer>) {
        waiting.cancel();
        bytes += chunk.length;
        if (mostBytes > 0 && bytes > mostBytes) throw new BodyTooLarge();
        if (this.#copy && bytes > this.#copy.most) this.#copy = undefined;
        this.#copy?.pieces.push(chunk);
        waiting = this.#options.clock.timer(this.#options.sendTimeoutMs, this.#options.onStuck);
        yield chunk; // until the backend has room for more
        waiting.cancel();
        waiting = this.#wait();
      }
    } finally {
      waiting.cancel();
    }
    this.#copy?.whole(Buffer.concat(this.#copy.pieces));
  }

  #wait(): Timer {
    const { clock, onSilence } = this.#options;
    return clock.timer(SILENT_CLIENT_MS, onSilence);
  }
}

export function hasBody(request: Request): boolean {
  if ('stream' in request) return !(request.stream as { endAfterHeaders?: boolean }).endAfterHeaders;
  const length = request.headers['content-length'];
  return request.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}
