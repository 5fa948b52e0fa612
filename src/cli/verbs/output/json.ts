/** JSON as Go writes it: keys sorted, four blanks, and what could end a script escaped. Source: encoding/json. */

const HTML: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
};

export const formatJson = (value: unknown): string => `${escapeHtml(JSON.stringify(sorted(value), undefined, 4))}\n`;

/** With keys in the order in which they stand: of what Go has as a struct. */
export const structJson = (value: unknown): string => `${escapeHtml(JSON.stringify(value, undefined, 4))}\n`;

/** On one line, as Go's Marshal and an Encoder write it. */
export const compactJson = (value: unknown): string => escapeHtml(JSON.stringify(sorted(value)));

/** `text` is JSON: outside of strings it has none of these. */
export const escapeHtml = (text: string): string => text.replace(/[<>&\u2028\u2029]/g, (char) => HTML[char] ?? char);

/** Keys in the order of their bytes, at every level. */
export function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  const result: Record<string, unknown> = Object.create(null);
  for (const [key, item] of entries.sort(([a], [b]) => compareBytes(a, b))) result[key] = sorted(item);
  return result;
}

/** By code points, which is the order of UTF-8 bytes. */
function compareBytes(a: string, b: string): number {
  if (a === b) return 0;
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
