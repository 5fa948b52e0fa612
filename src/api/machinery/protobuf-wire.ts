/** Protocol buffers on the wire: tags, varints, lengths. Source: protobuf.dev, "Encoding". */

export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
export const FIXED32 = 5;

const TWO_32 = 4_294_967_296;

/** Thrown by the reader for bytes that are no message, and caught where decoding begins: never seen by callers. */
export class MalformedMessage extends Error {
  override readonly name = 'MalformedMessage';
}

const SHORT_TEXT = 48; // bytes
const decoder = new TextDecoder('utf-8', { fatal: true });
const encoder = new TextEncoder();

function decoded(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) throw new MalformedMessage('proto: invalid UTF-8');
    throw error;
  }
}

/** Walks over a part of a byte array. Never reads outside of it. */
export class WireReader {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  get done(): boolean {
    return this.at >= this.end;
  }

  /** A signed 64-bit integer. Beyond 2^53 the last digits are lost, as in JSON. */
  varint(): number {
    const first = this.at < this.end ? this.bytes[this.at]! : 0x80;
    if (first < 0x80) {
      this.at++;
      return first;
    }
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.at >= this.end) throw new MalformedMessage('unexpected EOF');
      const byte = this.bytes[this.at++]!;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >> 4;
      } else if (shift < 63) high |= bits << (shift - 32);
      else high |= bits << 31;
      if (byte < 0x80) return high * TWO_32 + (low >>> 0);
    }
    throw new MalformedMessage('proto: integer overflow');
  }

  /** A sub-reader over the next length-delimited part. */
  part(): WireReader {
    const length = this.varint();
    if (length < 0) throw new MalformedMessage('proto: negative length found during unmarshaling');
    if (length > this.end - this.at) throw new MalformedMessage('unexpected EOF');
    const start = this.at;
    this.at += length;
    return new WireReader(this.bytes, start, this.at);
  }

  double(): number {
    if (this.end - this.at < 8) throw new MalformedMessage('unexpected EOF');
    const value = new DataView(this.bytes.buffer, this.bytes.byteOffset + this.at, 8).getFloat64(0, true);
    this.at += 8;
    return value;
  }

  /** All that is left, as UTF-8. Most texts are short and ASCII, for which the platform's decoder is slow to start. */
  text(): string {
    if (this.end - this.at > SHORT_TEXT) return decoded(this.rest());
    let text = '';
    for (let at = this.at; at < this.end; at++) {
      const byte = this.bytes[at]!;
      if (byte > 0x7f) return decoded(this.rest());
      text += String.fromCharCode(byte);
    }
    return text;
  }

  /** All bytes that are left. */
  rest(): Uint8Array {
    return this.bytes.subarray(this.at, this.end);
  }

  skip(wireType: number): void {
    if (wireType === VARINT) this.varint();
    else if (wireType === BYTES) this.part();
    else if (wireType === FIXED64 || wireType === FIXED32) {
      const size = wireType === FIXED64 ? 8 : 4;
      if (this.end - this.at < size) throw new MalformedMessage('unexpected EOF');
      this.at += size;
    } else throw new MalformedMessage(`proto: illegal wireType ${wireType}`);
  }
}

/** A growing byte array. A message inside a message is written first and measured after: no second pass over the object. */
export class WireWriter {
  #bytes = new Uint8Array(512);
  #length = 0;

  varint(value: number): void {
    this.#reserve(10);
    if (value >= 0 && value < 0x80) {
      this.#bytes[this.#length++] = value;
      return;
    }
    let low = value % TWO_32;
    let high = Math.floor(value / TWO_32);
    if (low < 0) low += TWO_32;
    high >>>= 0;
    while (high > 0 || low > 0x7f) {
      this.#bytes[this.#length++] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    this.#bytes[this.#length++] = low;
  }

  tag(number: number, wireType: number): void {
    this.varint((number << 3) | wireType);
  }

  double(value: number): void {
    this.#reserve(8);
    new DataView(this.#bytes.buffer, this.#length, 8).setFloat64(0, value, true);
    this.#length += 8;
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Length-delimited bytes under a field number. */
  bytes(number: number, bytes: Uint8Array): void {
    this.tag(number, BYTES);
    this.varint(bytes.length);
    this.raw(bytes);
  }

  /** A text under a field number. */
  text(number: number, text: string): void {
    if (text.length > SHORT_TEXT || !isAscii(text)) {
      this.bytes(number, encoder.encode(text));
      return;
    }
    this.tag(number, BYTES);
    this.varint(text.length);
    this.#reserve(text.length);
    for (let at = 0; at < text.length; at++) this.#bytes[this.#length++] = text.charCodeAt(at);
  }

  /** What `write` writes, as one length-delimited field. */
  message(number: number, write: () => void): void {
    this.tag(number, BYTES);
    const start = this.#length;
    write();
    const size = this.#length - start;
    const room = size < 0x80 ? 1 : size < 0x4000 ? 2 : size < 0x20_0000 ? 3 : size < 0x1000_0000 ? 4 : 5;
    this.#reserve(room);
    this.#bytes.copyWithin(start + room, start, this.#length);
    this.#length = start;
    this.varint(size);
    this.#length = start + room + size;
  }

  /** A copy of all that was written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x7f) return false;
  return true;
}
