/**
 * Runs programs that read commands to the end of their input and then do what they read. They cannot tell an end from the end of
 * who writes: what is killed while it writes leaves them with a part, which they take for the whole.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Run {
  program: string;
  args: readonly string[];
  input: string;
  /** After this it is killed. */
  longestMs: number;
}

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** What it wrote to stderr, or the beginning of it. */
  complaint: string;
}

/** The kernel takes so much at once, in bytes; it holds about 200 KB for who does not read yet. */
const MOST_AT_ONCE = 64 << 10;
const MOST_COMPLAINT = 4096;

/** Rejects when it could not be started. Whatever becomes of this process, the program reads all of its input or nothing. */
export async function runWithWholeInput(run: Run): Promise<Ended> {
  if (Buffer.byteLength(run.input) <= MOST_AT_ONCE) return ended(run, 'pipe');
  const file = unnamedFile();
  try {
    await writeFile(`/proc/self/fd/${file}`, run.input); // whoever inherits the file reads it from its beginning
    return await ended(run, file);
  } finally {
    closeSync(file);
  }
}

function ended({ program, args, input, longestMs }: Run, stdin: 'pipe' | number): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: [stdin, 'ignore', 'pipe'],
      timeout: longestMs,
      killSignal: 'SIGKILL',
    });
    let complaint = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      if (complaint.length < MOST_COMPLAINT) complaint += text;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, complaint: complaint.trim() }));
    child.stdin?.on('error', () => undefined); // it ended before it had read everything: `close` tells why
    child.stdin?.end(input);
  });
}

/** Without a name it goes with who has it open, however that ends; in one go, so that next to nobody is killed in between. */
function unnamedFile(): number {
  const folder = mkdtempSync(join(tmpdir(), 'kedge-rules-'));
  try {
    return openSync(join(folder, 'commands'), 'wx+', 0o600);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
