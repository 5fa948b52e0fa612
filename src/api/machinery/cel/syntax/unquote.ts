/** What string and bytes literals stand for. Source: CEL language definition, "String and Bytes Values". */

const SIMPLE: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  '\\': 92,
  "'": 39,
  '"': 34,
  '`': 96,
  '?': 63,
};

const ESCAPE = /\\(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|([\s\S]))/g;

/** The token without prefix and quotes, and whether its escapes are to be left alone. */
function contentOf(token: string): { text: string; isRaw: boolean } {
  const normal = token.replaceAll('\r\n', '\n').replaceAll('\r', '\n');
  const prefix = /^[bBrR]*/.exec(normal)![0];
  const quoted = normal.slice(prefix.length);
  const quotes = quoted.length >= 6 && /^("""|''')/.test(quoted) ? 3 : 1;
  return { text: quoted.slice(quotes, -quotes), isRaw: /r$/i.test(prefix) };
}

export type Unquoted<T> = { value: T; error?: undefined } | { value?: undefined; error: string };

export function unquoteString(token: string): Unquoted<string> {
  const { text, isRaw } = contentOf(token);
  if (isRaw || !text.includes('\\')) return { value: text };
  let isValid = true;
  const value = text.replace(ESCAPE, (_, hex, four, eight, octal, simple) => {
    const code = octal
      ? Number.parseInt(octal, 8)
      : simple
        ? SIMPLE[simple]!
        : Number.parseInt(hex ?? four ?? eight, 16);
    const isPoint = code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
    isValid &&= isPoint;
    return isPoint ? String.fromCodePoint(code) : '';
  });
  return isValid ? { value } : { error: 'invalid unicode code point' };
}

/** Escapes of hexadecimal and octal digits are bytes here; those of code points are not allowed. */
export function unquoteBytes(token: string): Unquoted<Uint8Array> {
  const { text, isRaw } = contentOf(token);
  const encoder = new TextEncoder();
  if (isRaw || !text.includes('\\')) return { value: encoder.encode(text) };
  const bytes: number[] = [];
  let from = 0;
  for (const match of text.matchAll(ESCAPE)) {
    const [whole, hex, four, eight, octal, simple] = match;
    if (four ?? eight) return { error: 'unable to unescape string' };
    bytes.push(...encoder.encode(text.slice(from, match.index)));
    bytes.push(octal ? Number.parseInt(octal, 8) : simple ? SIMPLE[simple]! : Number.parseInt(hex!, 16));
    from = match.index + whole.length;
  }
  bytes.push(...encoder.encode(text.slice(from)));
  return { value: Uint8Array.from(bytes) };
}
