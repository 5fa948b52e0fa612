/** `Warning: 299 - "…"` headers. Source: KEP-1693; limits of upstream's filters/warning.go. */

/** All texts of one answer together, and each of them once that is exceeded. */
const MAX_TOTAL = 4096;
const MAX_EACH = 256;

/** Each text once. Bytes of UTF-8 stand as Node's headers want them, one character each. */
export function warningHeaders(texts: readonly string[]): string[] {
  const unique = [...new Set(texts)];
  const total = unique.reduce((sum, text) => sum + text.length, 0);
  const cut = total > MAX_TOTAL ? unique.map((text) => [...text].slice(0, MAX_EACH).join('')) : unique;
  const headers: string[] = [];
  let used = 0;
  for (const text of cut) {
    used += text.length;
    if (used > MAX_TOTAL) break;
    headers.push(`299 - "${Buffer.from(quoted(text), 'utf8').toString('latin1')}"`);
  }
  return headers;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: a header must not hold them
const quoted = (text: string): string => text.replace(/[\u0000-\u001f\u007f]/g, ' ').replace(/[\\"]/g, '\\$&');
