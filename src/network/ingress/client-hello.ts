/** The name that a client asks for in the first bytes of a TLS connection, without taking part in it. Source: RFC 8446, section 4.1.2; RFC 6066, section 3. */

/** Larger greetings are not looked into. */
export const MOST_HELLO_BYTES = 16 * 1024 + 5;
const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;

export type Greeting =
  | { is: 'incomplete' }
  /** No TLS, or no name: undefined. */
  | { is: 'whole'; servername: string | undefined };

export function greetingOf(bytes: Buffer): Greeting {
  if (bytes.length < 5) return bytes.length > 0 && bytes[0] !== HANDSHAKE ? NAMELESS : INCOMPLETE;
  if (bytes[0] !== HANDSHAKE) return NAMELESS;
  const length = bytes.readUInt16BE(3);
  if (bytes.length < 5 + length) return bytes.length >= MOST_HELLO_BYTES ? NAMELESS : INCOMPLETE;
  try {
    return { is: 'whole', servername: nameIn(new Reader(bytes.subarray(5, 5 + length))) };
  } catch (error) {
    if (error instanceof RangeError) return NAMELESS; // cut short, or in several records
    throw error;
  }
}

const INCOMPLETE: Greeting = { is: 'incomplete' };
const NAMELESS: Greeting = { is: 'whole', servername: undefined };

function nameIn(hello: Reader): string | undefined {
  if (hello.number(1) !== CLIENT_HELLO) return undefined;
  hello.skip(3 + 2 + 32); // length, version, random
  hello.skip(hello.number(1)); // session
  hello.skip(hello.number(2)); // cipher suites
  hello.skip(hello.number(1)); // compression
  const extensions = hello.part(hello.number(2));
  while (extensions.left > 0) {
    const type = extensions.number(2);
    const extension = extensions.part(extensions.number(2));
    if (type !== SERVER_NAME) continue;
    const names = extension.part(extension.number(2));
    return names.number(1) === 0 ? names.text(names.number(2)).toLowerCase() : undefined;
  }
  return undefined;
}

/** Throws RangeError at the end. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  number(size: number): number {
    const value = this.#bytes.readUIntBE(this.#at, size);
    this.#at += size;
    return value;
  }

  skip(size: number): void {
    if (size > this.left) throw new RangeError();
    this.#at += size;
  }

  part(size: number): Reader {
    const from = this.#at;
    this.skip(size);
    return new Reader(this.#bytes.subarray(from, from + size));
  }

  text(size: number): string {
    const from = this.#at;
    this.skip(size);
    return this.#bytes.toString('latin1', from, from + size);
  }
}
