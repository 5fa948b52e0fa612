/** Names and values of a SPDY/3 stream, compressed: one zlib stream for each direction of a connection, flushed per block. */
import { constants, createDeflate, createInflate, type Zlib } from 'node:zlib';
import type { Transform } from 'node:stream';
import { spdyDictionary } from './dictionary.ts';

export type Headers = ReadonlyMap<string, string>;

/** Streams of exec and port-forward have a handful of short headers. */
const MAX_BLOCK_BYTES = 64 * 1024;
const MAX_PAIRS = 256;

export class BadHeaderBlock extends Error {}

export function encodeHeaders(headers: Headers): Buffer {
  const parts: Buffer[] = [lengthOf(headers.size)];
  for (const [name, value] of headers)
    for (const text of [name.toLowerCase(), value]) {
      const bytes = Buffer.from(text, 'utf8');
      parts.push(lengthOf(bytes.length), bytes);
    }
  return Buffer.concat(parts);
}

const lengthOf = (length: number): Buffer => {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(length);
  return buffer;
};

/** @throws BadHeaderBlock */
export function decodeHeaders(block: Buffer): Headers {
  let at = 0;
  const number = (): number => {
    if (at + 4 > block.length) throw new BadHeaderBlock('a header block ends too early');
    at += 4;
    return block.readUInt32BE(at - 4);
  };
  const text = (): string => {
    const length = number();
    if (at + length > block.length) throw new BadHeaderBlock('a header block ends too early');
    at += length;
    return block.toString('utf8', at - length, at);
  };
  const count = number();
  if (count > MAX_PAIRS) throw new BadHeaderBlock('a header block has too many headers');
  const headers = new Map<string, string>();
  for (let pair = 0; pair < count; pair++) headers.set(text(), text());
  return headers;
}

/** Blocks must be given in the order in which they stand on the wire; answers come in that order. */
export class BlockCodec {
  readonly #zlib: Transform & Zlib;
  #queue: Promise<unknown> = Promise.resolve();
  #chunks: Buffer[] = [];
  #size = 0;
  #failure: Error | undefined;

  constructor(direction: 'compress' | 'decompress') {
    const options = { dictionary: spdyDictionary, flush: constants.Z_SYNC_FLUSH };
    this.#zlib = direction === 'compress' ? createDeflate(options) : createInflate(options);
    this.#zlib.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#size += chunk.length;
      if (this.#size > MAX_BLOCK_BYTES) this.#failure ??= new BadHeaderBlock('a header block is too large');
    });
    this.#zlib.on('error', (error: Error) => {
      this.#failure ??= new BadHeaderBlock(error.message);
    });
  }

  /** @throws BadHeaderBlock; the codec is of no use then */
  convert(block: Buffer): Promise<Buffer> {
    const result = this.#queue.then(() => this.#convertOne(block));
    this.#queue = result.catch(() => undefined); // told to the caller of this one; the next fails by itself
    return result;
  }

  close(): void {
    this.#zlib.close();
  }

  #convertOne(block: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const failed = (error: Error) => reject(new BadHeaderBlock(error.message));
      this.#zlib.once('error', failed);
      this.#zlib.write(block, () => {
        this.#zlib.flush(constants.Z_SYNC_FLUSH, () => {
          this.#zlib.off('error', failed);
          const output = Buffer.concat(this.#chunks);
          this.#chunks = [];
          this.#size = 0;
          if (this.#failure) reject(this.#failure);
          else resolve(output);
        });
      });
    });
  }
}
