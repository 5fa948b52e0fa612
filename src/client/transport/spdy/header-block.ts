/** Names and values of a SPDY/3 stream, compressed: one zlib stream for each direction of a connection, flushed per block. */

import type { Transform } from 'node:stream';
import { constants, createInflate, type Zlib } from 'node:zlib';
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

/** CM 8 with a window of 32 KiB, no dictionary. */
const ZLIB_HEAD = Buffer.from([0x78, 0x01]);
const STORED_BLOCK_BYTES = 0xffff;

/**
 * Packs without making smaller: a handful of short headers is not worth the memory of a compressor, nor the way to another
 * thread and back for each of them, which a command that begins would wait for. Source: RFC 1950; RFC 1951, 3.2.4.
 */
export class BlockPacker {
  #hasBegun = false;

  pack(block: Buffer): Buffer {
    const parts: Buffer[] = this.#hasBegun ? [] : [ZLIB_HEAD];
    this.#hasBegun = true;
    for (let at = 0; at < block.length; at += STORED_BLOCK_BYTES)
      parts.push(...stored(block.subarray(at, at + STORED_BLOCK_BYTES)));
    parts.push(...stored(Buffer.alloc(0))); // as after a flush: the reader hands out what it has
    return Buffer.concat(parts);
  }
}

function stored(bytes: Buffer): Buffer[] {
  const head = Buffer.alloc(5);
  head.writeUInt16LE(bytes.length, 1);
  head.writeUInt16LE(~bytes.length & 0xffff, 3);
  return [head, bytes];
}

/** Blocks must be given in the order in which they stand on the wire; answers come in that order. */
export class BlockUnpacker {
  readonly #zlib: Transform & Zlib;
  #queue: Promise<unknown> = Promise.resolve();
  #chunks: Buffer[] = [];
  #size = 0;
  #failure: Error | undefined;

  constructor() {
    this.#zlib = createInflate({ dictionary: spdyDictionary, flush: constants.Z_SYNC_FLUSH });
    this.#zlib.on('data', (chunk: Buffer) => {
      this.#size += chunk.length;
      if (this.#size <= MAX_BLOCK_BYTES) this.#chunks.push(chunk);
      else this.#zlib.destroy(new BadHeaderBlock('a header block is too large')); // a frame may unpack to a thousand times its size
    });
    this.#zlib.on('error', (error: Error) => {
      this.#failure ??= new BadHeaderBlock(error.message);
    });
  }

  /** @throws BadHeaderBlock; the unpacker is of no use then */
  unpack(block: Buffer): Promise<Buffer> {
    const result = this.#queue.then(() => this.#unpackOne(block));
    this.#queue = result.catch(() => undefined); // told to the caller of this one; the next fails by itself
    return result;
  }

  close(): void {
    this.#zlib.close();
  }

  #unpackOne(block: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.#failure) {
        reject(this.#failure);
        return;
      }
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
