/** Reads DER (ITU-T X.690) that a stranger has sent: every length is checked, and nothing is read twice as deep as asked. */

export interface Element {
  tag: number;
  /** Without tag and length. */
  content: Uint8Array;
  /** All of it. */
  whole: Uint8Array;
}

/** What was read is not what the structure demands. */
export class MalformedDer extends Error {}

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  sequence: 0x30,
  set: 0x31,
  utcTime: 0x17,
  generalizedTime: 0x18,
} as const;

/** Context-specific `[number]`; `constructed` around whole elements. */
export const contextTag = (number: number, constructed = true): number => (constructed ? 0xa0 : 0x80) | number;

/** The one element that the bytes are. Throws MalformedDer when something is left over. */
export function elementOf(bytes: Uint8Array): Element {
  const { element, end } = readAt(bytes, 0);
  if (end !== bytes.length) throw new MalformedDer('asn1: syntax error: trailing data');
  return element;
}

/** The elements that the bytes begin with, one after the other. */
export function elementsIn(bytes: Uint8Array): Element[] {
  const elements: Element[] = [];
  for (let at = 0; at < bytes.length; ) {
    const { element, end } = readAt(bytes, at);
    elements.push(element);
    at = end;
  }
  return elements;
}

/** The parts of a constructed element of this tag. */
export function partsOf(element: Element | undefined, tag: number = TAG.sequence): Element[] {
  return elementsIn(contentOf(element, tag));
}

export function contentOf(element: Element | undefined, tag: number): Uint8Array {
  if (!element) throw new MalformedDer('asn1: syntax error: sequence truncated');
  if (element.tag !== tag) throw new MalformedDer("asn1: structure error: tags don't match");
  return element.content;
}

const MAX_LENGTH_BYTES = 4;

function readAt(bytes: Uint8Array, at: number): { element: Element; end: number } {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined) throw new MalformedDer('asn1: syntax error: data truncated');
  if ((tag & 0x1f) === 0x1f) throw new MalformedDer('asn1: structure error: unsupported tag');
  const { start, length } = lengthAt(bytes, at + 1, first);
  const end = start + length;
  if (end > bytes.length) throw new MalformedDer('asn1: syntax error: data truncated');
  return { element: { tag, content: bytes.subarray(start, end), whole: bytes.subarray(at, end) }, end };
}

function lengthAt(bytes: Uint8Array, at: number, first: number): { start: number; length: number } {
  if (first < 0x80) return { start: at + 1, length: first };
  const count = first & 0x7f;
  if (count === 0) throw new MalformedDer('asn1: syntax error: indefinite length found (not DER)');
  if (count > MAX_LENGTH_BYTES) throw new MalformedDer('asn1: structure error: length too large');
  let length = 0;
  for (let i = 1; i <= count; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) throw new MalformedDer('asn1: syntax error: truncated tag or length');
    length = length * 256 + byte;
  }
  if (length < 0x80) throw new MalformedDer('asn1: structure error: non-minimal length');
  return { start: at + 1 + count, length };
}

/** `1.2.840.10045.2.1` */
export function objectIdentifierIn(element: Element | undefined): string {
  const content = contentOf(element, TAG.objectIdentifier);
  const numbers: number[] = [];
  let value = 0;
  for (const byte of content) {
    value = value * 128 + (byte & 0x7f);
    if (value > 2 ** 31) throw new MalformedDer('asn1: structure error: base 128 integer too large');
    if (byte & 0x80) continue;
    numbers.push(value);
    value = 0;
  }
  const [first = 0, ...rest] = numbers;
  const head = first < 80 ? [Math.floor(first / 40), first % 40] : [2, first - 80];
  return [...head, ...rest].join('.');
}

/** The bits of a bit string that fills whole bytes. */
export function wholeBitsIn(element: Element | undefined): Uint8Array {
  const content = contentOf(element, TAG.bitString);
  if (content[0] !== 0) throw new MalformedDer('asn1: syntax error: invalid padding bits in BIT STRING');
  return content.subarray(1);
}

const STRING = { utf8: 0x0c, numeric: 0x12, printable: 0x13, t61: 0x14, ia5: 0x16, visible: 0x1a, bmp: 0x1e } as const;

/**
 * The text of a string, however it is encoded. Throws MalformedDer for what is none, and for encodings that certificates
 * do not use: others might read such a name otherwise, and it decides what somebody may do.
 */
export function textIn({ tag, content }: Element): string {
  switch (tag) {
    case STRING.utf8:
      return wellFormed(content);
    case STRING.numeric:
    case STRING.printable:
    case STRING.ia5:
    case STRING.visible:
      if (content.some((byte) => byte > 0x7f)) throw new MalformedDer('x509: invalid PrintableString');
      return wellFormed(content);
    case STRING.t61: // read as Latin-1, as everybody does
      return String.fromCharCode(...content);
    case STRING.bmp:
      return bmpText(content);
    default:
      throw new MalformedDer(`x509: unsupported string type: ${tag}`);
  }
}

function wellFormed(content: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content);
  } catch {
    throw new MalformedDer('x509: invalid UTF-8 string');
  }
}

/** Two bytes a character, perhaps with a zero at the end; no surrogates. */
function bmpText(content: Uint8Array): string {
  if (content.length % 2 !== 0) throw new MalformedDer('x509: invalid BMPString');
  let text = '';
  for (let i = 0; i < content.length; i += 2) {
    const code = (content[i] ?? 0) * 256 + (content[i + 1] ?? 0);
    if (code >= 0xd800 && code <= 0xdfff) throw new MalformedDer('x509: invalid BMPString');
    text += String.fromCharCode(code);
  }
  return text.endsWith('\0') ? text.slice(0, -1) : text;
}

/** ms since the epoch. RFC 5280, 4.1.2.5: years of two digits are 1950 to 2049. */
export function timeIn(element: Element | undefined): number {
  const isShort = element?.tag === TAG.utcTime;
  const text = new TextDecoder().decode(contentOf(element, isShort ? TAG.utcTime : TAG.generalizedTime));
  const [, year = '', month, day, hour, minute, second] =
    /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/.exec(text) ?? [];
  const whole = isShort ? `${Number(year) < 50 ? '20' : '19'}${year}` : year;
  const ms = Date.parse(`${whole}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(ms)) throw new MalformedDer('x509: malformed UTCTime');
  return ms;
}
