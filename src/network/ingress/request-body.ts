/** The body of a request on its way to a backend: passed on as it comes, counted, and known to have been begun or not. */
import type { Request } from './arrival.ts';

export class BodyTooLarge extends Error {
  readonly code = 'BodyTooLarge';
}

export interface RequestBody {
  /** Begun, it cannot be sent to another backend. */
  readonly isBegun: boolean;
  /** Fails with BodyTooLarge once more than `most` bytes came. */
  [Symbol.asyncIterator](): AsyncIterator<Buffer>;
}

/** undefined where there is none. @param most bytes; 0: any. */
export function bodyOf(request: Request, most: number): RequestBody | undefined {
  if (!hasBody(request)) return undefined;
  let isBegun = false;
  async function* chunks(): AsyncGenerator<Buffer> {
    isBegun = true;
    let bytes = 0;
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (most > 0 && bytes > most) throw new BodyTooLarge();
      yield chunk;
    }
  }
  return {
    get isBegun() {
      return isBegun;
    },
    [Symbol.asyncIterator]: chunks,
  };
}

function hasBody(request: Request): boolean {
  if ('stream' in request) return !(request.stream as { endAfterHeaders?: boolean }).endAfterHeaders;
  const length = request.headers['content-length'];
  return request.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}
