/** Writes the little of DER (ITU-T X.690) that a certificate needs: a tag, a length, the bytes. Read by `#api/certificates`. */

const element = (tag: number, content: Uint8Array): Buffer => {
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const size = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  if (length > 0xffff) throw new RangeError(`${length} bytes are more than a certificate may hold`);
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
};

export const sequence = (...items: Uint8Array[]): Buffer => element(0x30, Buffer.concat(items));
export const set = (...items: Uint8Array[]): Buffer => element(0x31, Buffer.concat(items));
export const octetString = (content: Uint8Array): Buffer => element(0x04, content);
export const utf8String = (text: string): Buffer => element(0x0c, Buffer.from(text, 'utf8'));
export const boolean = (value: boolean): Buffer => element(0x01, Buffer.from([value ? 0xff : 0]));
export const bitString = (content: Uint8Array, unusedBits = 0): Buffer =>
  element(0x03, Buffer.concat([Buffer.from([unusedBits]), content]));

/** A number that is not negative, its highest byte first. */
export function unsignedInteger(bytes: Uint8Array): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const significant = first < 0 ? Uint8Array.of(0) : bytes.subarray(first);
  const needsZero = (significant[0] ?? 0) >= 0x80;
  return element(0x02, needsZero ? Buffer.concat([Uint8Array.of(0), significant]) : significant);
}

/** Context-specific: `[number]` around whole elements, or in place of an element's own tag. */
export const explicit = (number: number, ...items: Uint8Array[]): Buffer =>
  element(0xa0 | number, Buffer.concat(items));
export const implicit = (number: number, content: Uint8Array): Buffer => element(0x80 | number, content);

export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return element(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(value: number): number[] {
  const bytes = [value & 0x7f];
  for (let left = value >>> 7; left > 0; left >>>= 7) bytes.unshift((left & 0x7f) | 0x80);
  return bytes;
}

/** RFC 5280: two digits for the year until 2049, four from then on. Whole seconds. */
export function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/\.\d+/, '').replaceAll(/[-:T]/g, '');
  return ms < Date.UTC(2050) ? element(0x17, Buffer.from(digits.slice(2))) : element(0x18, Buffer.from(digits));
}
