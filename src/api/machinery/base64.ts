/** Base64 as Go's encoding/base64 StdEncoding has it: padded, line ends ignored when reading. Source: RFC 4648, section 4. */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const VALUES = new Uint8Array(128).fill(255);
for (let value = 0; value < 64; value++) VALUES[ALPHABET.charCodeAt(value)] = value;

const PADDING = 61; // '='
const valueAt = (text: string, at: number): number => VALUES[text.charCodeAt(at)] ?? 255;

export function toBase64(bytes: Uint8Array): string {
  let text = '';
  let at = 0;
  for (; at + 2 < bytes.length; at += 3) {
    const bits = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
    text += ALPHABET[bits >> 18]! + ALPHABET[(bits >> 12) & 63]! + ALPHABET[(bits >> 6) & 63]! + ALPHABET[bits & 63]!;
  }
  if (at === bytes.length) return text;
  const bits = (bytes[at]! << 16) | ((bytes[at + 1] ?? 0) << 8);
  const third = at + 1 < bytes.length ? ALPHABET[(bits >> 6) & 63]! : '=';
  return `${text}${ALPHABET[bits >> 18]}${ALPHABET[(bits >> 12) & 63]}${third}=`;
}

/** Of the text's UTF-8. */
export const encodeBase64Text = (text: string): string => toBase64(new TextEncoder().encode(text));

/** The bytes, or, when the text is not base64, the place of the first wrong character. */
export function fromBase64(text: string): Uint8Array | { wrongAt: number } {
  const wrongAt = firstWrong(text);
  if (wrongAt !== undefined) return { wrongAt };
  const clean = withoutLineEnds(text);
  const padding = clean.endsWith('==') ? 2 : clean.endsWith('=') ? 1 : 0;
  const bytes = new Uint8Array((clean.length / 4) * 3 - padding);
  let to = 0;
  for (let at = 0; at < clean.length; at += 4) {
    const bits =
      (valueAt(clean, at) << 18) |
      (valueAt(clean, at + 1) << 12) |
      ((valueAt(clean, at + 2) & 63) << 6) |
      (valueAt(clean, at + 3) & 63);
    bytes[to++] = bits >> 16;
    if (to < bytes.length) bytes[to++] = (bits >> 8) & 255;
    if (to < bytes.length) bytes[to++] = bits & 255;
  }
  return bytes;
}

export const withoutLineEnds = (text: string): string => (/[\r\n]/.test(text) ? text.replace(/[\r\n]/g, '') : text);

/** Where Go's decoder would stop; undefined for good base64. */
export function firstWrong(text: string): number | undefined {
  let inGroup = 0;
  let padded = 0;
  let at = 0;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 10 || code === 13) continue;
    if (code === PADDING) {
      if (inGroup < 2) return at;
      padded++;
      if (inGroup + padded > 4) return at;
    } else if (padded > 0 || valueAt(text, at) === 255) return at;
    else inGroup = inGroup === 4 ? 1 : inGroup + 1;
  }
  return padded === 0 ? (inGroup % 4 === 0 ? undefined : at) : inGroup + padded === 4 ? undefined : at;
}
