/** The body of a request on its way to a backend: passed on as it comes, counted, and known to have been begun or not. */
import type { Request } from './arrival.ts';

export class BodyTooLarge extends Error {
  readonly code = 'BodyTooLarge';
}

export class RequestBody {
  readonly #request: Request;
  readonly #mostBytes: number;
  #copy: { most: number; pieces: Buffer[]; whole: (body: Buffer) => void } | undefined;
  /** Begun, it cannot be sent to another backend. */
  isBegun = false;

  constructor(request: Request, mostBytes: number) {
    this.#request = request;
    this.#mostBytes = mostBytes;
  }

  /** Before it begins. `whole` is called when all of it has passed, unless it was more than `most` bytes. */
  keepCopy(most: number, whole: (body: Buffer) => void): void {
    this.#copy = { most, pieces: [], whole };
  }

  /** Fails with BodyTooLarge once more than what is allowed has come. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    this.isBegun = true;
    let bytes = 0;
    for await (const chunk of this.#request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (this.#mostBytes > 0 && bytes > this.#mostBytes) throw new BodyTooLarge();
      if (this.#copy && bytes > this.#copy.most) this.#copy = undefined;
      this.#copy?.pieces.push(chunk);
      yield chunk;
    }
    this.#copy?.whole(Buffer.concat(this.#copy.pieces));
  }
}

/** undefined where there is none. @param most bytes; 0: any. */
export const bodyOf = (request: Request, most: number): RequestBody | undefined =>
  hasBody(request) ? new RequestBody(request, most) : undefined;

function hasBody(request: Request): boolean {
  if ('stream' in request) return !(request.stream as { endAfterHeaders?: boolean }).endAfterHeaders;
  const length = request.headers['content-length'];
  return request.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}
