/**
 * Reads a container's log file as its user wants it, and goes on reading while it grows, over rotations, until the
 * container has ended and everything is read.
 */
import { watch } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Clock } from '#base/clock.ts';
import { type LogEntry, LineCutter, parseLogLine } from '../cri-log.ts';
import type { LogOptions } from './log-options.ts';

export interface LogSource {
  path: string;
  /** Whether more may still come. */
  isAlive(): Promise<boolean>;
  clock: Clock;
  signal: AbortSignal;
}

const CHUNK_BYTES = 64 * 1024;
/** Beside the file's own changes: whether the container still lives is looked at so often. */
const LOOK_MS = 1_000;

/** What is to be sent, piece by piece. Empty when there is no log (yet) and nothing is followed. */
export async function* readLog(source: LogSource, options: LogOptions): AsyncGenerator<Buffer> {
  if (options.tailLines === 0 && !options.follow) return;
  const writer = new EntryWriter(options);
  const changes = options.follow ? watchFile(source) : undefined;
  try {
    for await (const entry of entries(source, options, changes)) {
      const piece = writer.write(entry);
      if (piece.length > 0) yield piece;
      if (writer.isFull) return;
    }
  } finally {
    changes?.close();
  }
}

/** Turns entries into what is shown: times in front of lines, pieces of a line joined, a limit of bytes. */
class EntryWriter {
  readonly #options: LogOptions;
  #left: number;
  #isAtLineStart = true;

  constructor(options: LogOptions) {
    this.#options = options;
    this.#left = options.limitBytes ?? Number.POSITIVE_INFINITY;
  }

  get isFull(): boolean {
    return this.#left <= 0;
  }

  write({ time, stream, isWhole, content }: LogEntry): Buffer {
    const { timestamps, sinceMs, streams } = this.#options;
    if (!streams.has(stream)) return Buffer.alloc(0);
    if (sinceMs !== undefined && Date.parse(time) < sinceMs) return Buffer.alloc(0);
    const prefix = timestamps && this.#isAtLineStart ? `${time} ` : '';
    this.#isAtLineStart = isWhole;
    const whole = Buffer.concat([Buffer.from(prefix), content, Buffer.from(isWhole ? '\n' : '')]);
    const piece = whole.subarray(0, Math.min(whole.length, this.#left));
    this.#left -= piece.length;
    return piece;
  }
}

interface Changes {
  /** Resolves at the next change, after a while, or when nobody listens any more. */
  next(): Promise<void>;
  close(): void;
}

/** The folder is watched, because a rotation gives the name to another file. (libuv has one inotify for all watches.) */
function watchFile({ path, clock, signal }: LogSource): Changes {
  let wake: () => void = () => undefined;
  let hasChanged = false;
  const changed = () => {
    hasChanged = true;
    wake();
  };
  const watcher = watch(dirname(path), (_, name) => {
    if (name === null || name === basename(path)) changed();
  });
  watcher.on('error', changed); // the folder has gone with its pod
  signal.addEventListener('abort', changed, { once: true });
  return {
    async next() {
      if (!hasChanged && !signal.aborted) {
        await new Promise<void>((resolve) => {
          const timer = clock.timer(LOOK_MS, resolve);
          wake = () => {
            timer.cancel();
            resolve();
          };
        });
      }
      hasChanged = false;
    },
    close() {
      watcher.close();
      signal.removeEventListener('abort', changed);
    },
  };
}

async function* entries(
  source: LogSource,
  options: LogOptions,
  changes: Changes | undefined,
): AsyncGenerator<LogEntry> {
  let file = await openIfThere(source.path);
  let cutter = new LineCutter();
  let offset = file ? await startOf(file, options.tailLines) : 0;
  try {
    for (let isLastLook = false; !source.signal.aborted; ) {
      if (file) {
        for await (const chunk of chunks(file, offset)) {
          offset += chunk.length;
          for (const line of cutter.push(chunk)) yield* entryOf(line);
        }
        const next = await replaced(file, source.path);
        if (next) {
          await file.close();
          file = next;
          offset = 0;
          cutter = new LineCutter();
          continue;
        }
      }
      if (!changes || isLastLook) return;
      // What was written before its end is read once more after its end is known.
      isLastLook = !(await source.isAlive());
      if (!isLastLook) await changes.next();
      file ??= await openIfThere(source.path);
    }
  } finally {
    await file?.close();
  }
}

function* entryOf(line: Buffer): Generator<LogEntry> {
  const entry = parseLogLine(line);
  if (entry) yield entry;
}

async function* chunks(file: FileHandle, from: number): AsyncGenerator<Buffer> {
  for (let at = from; ; ) {
    const buffer = Buffer.alloc(CHUNK_BYTES);
    const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The file that has taken its name meanwhile. */
async function replaced(file: FileHandle, path: string): Promise<FileHandle | undefined> {
  const own = await file.stat();
  const named = await stat(path).catch(() => undefined); // renamed, and the new one is not there yet
  return named && named.ino !== own.ino ? openIfThere(path) : undefined;
}

/** Where the last `lines` lines begin. */
export async function startOf(file: FileHandle, lines: number | undefined): Promise<number> {
  if (lines === undefined) return 0;
  const { size } = await file.stat();
  const buffer = Buffer.alloc(CHUNK_BYTES);
  let found = -1; // the newline that ends the last line counts for nothing
  for (let end = size; end > 0; ) {
    const from = Math.max(0, end - CHUNK_BYTES);
    const { bytesRead } = await file.read(buffer, 0, end - from, from);
    for (let at = bytesRead - 1; at >= 0; at--) {
      if (buffer[at] !== 0x0a) continue;
      found += 1;
      if (found === lines) return from + at + 1;
    }
    end = from;
  }
  return 0;
}
