/** PEM (RFC 7468), as Go's encoding/pem reads it. */
import { fromBase64, toBase64 } from '#api/machinery/base64.ts';

export interface PemBlock {
  type: string;
  headers: readonly string[];
  bytes: Uint8Array;
}

const BLOCK = /-----BEGIN ([^\r\n]*?)-----[ \t]*\r?\n([\s\S]*?)-----END ([^\r\n]*?)-----/g;

/** In order; what stands between and what is no base64 is passed over. */
export function pemBlocksIn(text: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  for (const [, type = '', body = '', end] of text.matchAll(BLOCK)) {
    if (type !== end) continue;
    const lines = body.split(/\r?\n/);
    const headers = lines.filter((line) => line.includes(':'));
    const bytes = fromBase64(
      lines
        .filter((line) => !line.includes(':'))
        .join('')
        .replace(/[ \t]/g, ''),
    );
    if (bytes instanceof Uint8Array) blocks.push({ type, headers, bytes });
  }
  return blocks;
}

export const pemOf = (type: string, bytes: Uint8Array): string =>
  `-----BEGIN ${type}-----\n${(toBase64(bytes).match(/.{1,64}/g) ?? []).join('\n')}\n-----END ${type}-----\n`;
