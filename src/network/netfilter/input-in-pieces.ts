/**
 * Runs a program that reads its input while that is made. What it reads must say itself when it is whole: when who writes is
 * killed, the program has a part of it, and its end.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { turnOfOthers } from './turns.ts';
import type { Ended } from './whole-input.ts';

export interface PiecesRun {
  program: string;
  args: readonly string[];
  /** The first is written at once, up to 4 KB. */
  pieces: Iterable<string>;
  /** After this it is killed. */
  longestMs: number;
}

/**
 * Given a pipe: what node makes for its children are sockets, which nobody can open by a name, and many programs read all that
 * comes by the name "-" before they look at it. Only a shell makes one; its script is this, always: program and arguments are handed
 * to it as an array, and are no part of any text that it reads.
 */
const SCRIPT = 'longest=$1; shift; cat | exec timeout -s KILL "$longest" "$@"';
/** As a shell tells of a signal. */
const KILLED = 128 + 9;
const MOST_COMPLAINT = 4096;

/** Others have their turn between two pieces. Rejects when it could not be started, and as `pieces` do. */
export async function runWithPieces({ program, args, pieces, longestMs }: PiecesRun): Promise<Ended> {
  const child: ChildProcess = spawn('sh', ['-c', SCRIPT, 'sh', String(longestMs / 1000), program, ...args], {
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  const { stdin, stderr } = child; // where too many files are open it has none
  let complaint = '';
  stderr?.setEncoding('utf8').on('data', (text: string) => {
    if (complaint.length < MOST_COMPLAINT) complaint += text;
  });
  stdin?.on('error', () => undefined); // it ended before it had read everything: `close` tells why
  const closed = once(child, 'close');
  closed.catch(() => undefined);
  try {
    for (const piece of pieces) {
      if (!stdin || stdin.destroyed) break;
      await new Promise((resolve) => stdin.write(piece, resolve));
      await turnOfOthers();
    }
    stdin?.end();
  } catch (error) {
    stdin?.destroy();
    await closed;
    throw error;
  }
  const [code, signal] = (await closed) as [number | null, NodeJS.Signals | null];
  const isKilled = code === KILLED;
  return { code: isKilled ? null : code, signal: isKilled ? 'SIGKILL' : signal, complaint: complaint.trim() };
}
