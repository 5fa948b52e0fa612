/** PEM (RFC 7468), as Go's encoding/pem reads it. */
import { fromBase64, toBase64 } from '#api/machinery/base64.ts';

export interface PemBlock {
  type: string;
  headers: readonly string[];
  bytes: Uint8Array;
}

const BEGIN = '-----BEGIN ';
const END = '-----END ';
const DASHES = '-----';

/** What stands between two lines. */
interface Begun {
  type: string;
  lines: string[];
}

/**
 * In order; what stands between and what is no base64 is passed over. Each line is looked at once, whatever it is: a stranger may
 * have written it.
 */
export function pemBlocksIn(text: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  let begun: Begun | undefined;
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith(BEGIN)) begun = begunBy(line);
    else if (line.startsWith(END)) {
      const block = begun && typeIn(line, END) === begun.type ? blockOf(begun) : undefined;
      if (block) blocks.push(block);
      begun = undefined;
    } else begun?.lines.push(line);
  }
  return blocks;
}

function begunBy(line: string): Begun | undefined {
  const type = typeIn(line, BEGIN);
  return type === undefined ? undefined : { type, lines: [] };
}

function typeIn(line: string, mark: string): string | undefined {
  const rest = line.slice(mark.length).trimEnd();
  return rest.endsWith(DASHES) ? rest.slice(0, -DASHES.length) : undefined;
}

/** Headers stand in front. undefined when the rest is no base64. */
function blockOf({ type, lines }: Begun): PemBlock | undefined {
  const first = lines.findIndex((line) => !line.includes(':'));
  const headers = first < 0 ? lines : lines.slice(0, first);
  const bytes = fromBase64(lines.slice(headers.length).join('').replace(/[ \t]/g, ''));
  return bytes instanceof Uint8Array ? { type, headers, bytes } : undefined;
}

export const pemOf = (type: string, bytes: Uint8Array): string =>
  `-----BEGIN ${type}-----\n${(toBase64(bytes).match(/.{1,64}/g) ?? []).join('\n')}\n-----END ${type}-----\n`;
