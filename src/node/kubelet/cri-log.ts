/**
 * The CRI's log format: `2026-11-20T22:40:38.631276956Z stdout F text`. F ends a line, P is a piece that the next one of
 * its stream goes on with; a last piece without a newline stays P. Source: "CRI Container Logging".
 */
export interface LogEntry {
  /** RFC 3339 with ns, as written. */
  time: string;
  stream: 'stdout' | 'stderr';
  /** false: the line goes on in the next entry. */
  isWhole: boolean;
  content: Buffer;
}

const SPACE = 0x20;
/** Longest `time stream tag ` there can be; what has no spaces by then is no log line. */
const HEADER_LIMIT = 64;

/** undefined: not a log line. `line` is without its newline; the content is a view of it. */
export function parseLogLine(line: Buffer): LogEntry | undefined {
  const first = line.indexOf(SPACE);
  const second = first < 0 ? -1 : line.indexOf(SPACE, first + 1);
  if (first < 0 || second < 0 || second > HEADER_LIMIT) return undefined;
  const third = line.indexOf(SPACE, second + 1);
  const end = third < 0 ? line.length : third;
  const stream = line.toString('latin1', first + 1, second);
  if (stream !== 'stdout' && stream !== 'stderr') return undefined;
  const tags = line.toString('latin1', second + 1, end).split(':');
  return {
    time: line.toString('latin1', 0, first),
    stream,
    isWhole: tags[0] !== 'P',
    content: third < 0 ? Buffer.alloc(0) : line.subarray(third + 1),
  };
}

/** Cuts chunks into lines. A line longer than `limit` is given out in pieces. */
export class LineCutter {
  #rest: Buffer = Buffer.alloc(0);

  /** Complete lines, without their newlines. */
  push(chunk: Buffer): Buffer[] {
    const data = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    const lines: Buffer[] = [];
    let from = 0;
    for (let at = data.indexOf(0x0a); at >= 0; at = data.indexOf(0x0a, from)) {
      lines.push(data.subarray(from, at));
      from = at + 1;
    }
    this.#rest = Buffer.from(data.subarray(from));
    return lines;
  }

  /** What came after the last newline. */
  get rest(): Buffer {
    return this.#rest;
  }
}
