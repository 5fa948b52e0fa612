/** The frames of SPDY/3.1, between bytes and values. Source: SPDY/3.1 draft, 2.2 and 2.6. */

export type Frame =
  | { type: 'data'; streamId: number; isLast: boolean; data: Buffer }
  /** `block` is compressed. */
  | { type: 'syn-stream'; streamId: number; isLast: boolean; block: Buffer }
  | { type: 'syn-reply'; streamId: number; isLast: boolean; block: Buffer }
  | { type: 'headers'; streamId: number; isLast: boolean; block: Buffer }
  | { type: 'rst-stream'; streamId: number; status: number }
  | { type: 'ping'; id: number }
  | { type: 'goaway'; lastStreamId: number; status: number }
  | { type: 'window-update'; streamId: number; delta: number }
  /** One that may be left unread: settings, credential, or a later one. */
  | { type: 'other'; code: number };

export class BadFrame extends Error {}

const VERSION = 3;
const CODES = { 'syn-stream': 1, 'syn-reply': 2, 'rst-stream': 3, ping: 6, goaway: 7, headers: 8, 'window-update': 9 };
const LAST = 0x01;
const HEADER_BYTES = 8;
/** Far above what any peer sends (they cut data at 64 KiB or less); the format would allow 16 MiB. */
const MAX_FRAME_BYTES = 1024 * 1024;
/** How much of a write goes into one frame. */
export const MAX_DATA_BYTES = 32 * 1024;

export function encodeFrame(frame: Exclude<Frame, { type: 'other' }>): Buffer {
  if (frame.type === 'data') return dataFrame(frame);
  const flags = 'isLast' in frame && frame.isLast ? LAST : 0;
  return controlFrame(CODES[frame.type], flags, payloadOf(frame));
}

function dataFrame({ streamId, isLast, data }: { streamId: number; isLast: boolean; data: Buffer }): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32BE(streamId & 0x7fffffff, 0);
  header.writeUInt32BE(data.length, 4);
  header[4] = isLast ? LAST : 0;
  return Buffer.concat([header, data]);
}

function controlFrame(code: number, flags: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(0x8000 | VERSION, 0);
  header.writeUInt16BE(code, 2);
  header.writeUInt32BE(payload.length, 4);
  header[4] = flags;
  return Buffer.concat([header, payload]);
}

function payloadOf(frame: Exclude<Frame, { type: 'other' } | { type: 'data' }>): Buffer {
  switch (frame.type) {
    case 'syn-stream': // associated stream 0, priority 0, slot 0
      return Buffer.concat([numbers(frame.streamId, 0), Buffer.alloc(2), frame.block]);
    case 'syn-reply':
    case 'headers':
      return Buffer.concat([numbers(frame.streamId), frame.block]);
    case 'rst-stream':
      return numbers(frame.streamId, frame.status);
    case 'ping':
      return numbers(frame.id);
    case 'goaway':
      return numbers(frame.lastStreamId, frame.status);
    case 'window-update':
      return numbers(frame.streamId, frame.delta);
  }
}

function numbers(...values: number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) buffer.writeUInt32BE(value >>> 0, index * 4);
  return buffer;
}

/** Cuts a stream of bytes into frames. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  /** All frames that are complete now. @throws BadFrame */
  push(chunk: Buffer): Frame[] {
    this.#rest = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    const frames: Frame[] = [];
    let at = 0;
    while (this.#rest.length - at >= HEADER_BYTES) {
      const length = this.#rest.readUInt32BE(at + 4) & 0xffffff;
      if (length > MAX_FRAME_BYTES) throw new BadFrame('a frame is too large');
      const end = at + HEADER_BYTES + length;
      if (end > this.#rest.length) break;
      frames.push(decodeFrame(this.#rest.subarray(at, end)));
      at = end;
    }
    this.#rest = this.#rest.subarray(at);
    return frames;
  }
}

function decodeFrame(frame: Buffer): Frame {
  const isLast = ((frame[4] ?? 0) & LAST) !== 0;
  const payload = frame.subarray(HEADER_BYTES);
  if (((frame[0] ?? 0) & 0x80) === 0) return { type: 'data', streamId: frame.readUInt32BE(0), isLast, data: payload };
  if ((frame.readUInt16BE(0) & 0x7fff) !== VERSION) throw new BadFrame('this is not SPDY/3');
  const code = frame.readUInt16BE(2);
  const number = (at: number): number => {
    if (payload.length < at + 4) throw new BadFrame('a frame is too short');
    return payload.readUInt32BE(at) & 0x7fffffff;
  };
  switch (code) {
    case CODES['syn-stream']:
      return { type: 'syn-stream', streamId: number(0), isLast, block: payload.subarray(10) };
    case CODES['syn-reply']:
      return { type: 'syn-reply', streamId: number(0), isLast, block: payload.subarray(4) };
    case CODES.headers:
      return { type: 'headers', streamId: number(0), isLast, block: payload.subarray(4) };
    case CODES['rst-stream']:
      return { type: 'rst-stream', streamId: number(0), status: number(4) };
    case CODES.ping:
      return { type: 'ping', id: number(0) };
    case CODES.goaway:
      return { type: 'goaway', lastStreamId: number(0), status: number(4) };
    case CODES['window-update']:
      return { type: 'window-update', streamId: number(0), delta: number(4) };
    default:
      return { type: 'other', code };
  }
}
