/** Runs a program of the system to its end. Always an argument array, never a shell; nothing of ours is interpreted twice. */
import { spawn } from 'node:child_process';

export interface CommandOptions {
  /** Written to its standard input; without it the input is empty. */
  input?: string;
  /** After this the program is killed. Default: 30 s. */
  timeoutMs?: number;
}

export class CommandFailed extends Error {
  readonly code = 'CommandFailed';
  readonly argv: readonly string[];
  /** null: killed by a signal or never started. */
  readonly exitCode: number | null;
  readonly stderr: string;

  constructor(argv: readonly string[], exitCode: number | null, stderr: string) {
    const reason = stderr.trim() || (exitCode === null ? 'was killed' : `ended with code ${exitCode}`);
    super(`${argv.slice(0, 6).join(' ')}: ${reason}`);
    this.argv = argv;
    this.exitCode = exitCode;
    this.stderr = stderr;
  }
}

/** What the program wrote to its standard output. Throws CommandFailed unless it ends with 0. */
export function run(argv: readonly string[], { input = '', timeoutMs = 30_000 }: CommandOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const [program = '', ...args] = argv;
    const child = spawn(program, args, {
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      env: { ...process.env, LC_ALL: 'C' },
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.on('error', (error) => reject(new CommandFailed(argv, null, error.message)));
    child.on('close', (exitCode) => {
      if (exitCode === 0) return resolve(Buffer.concat(out).toString('utf8'));
      reject(new CommandFailed(argv, exitCode, Buffer.concat(err).toString('utf8')));
    });
    child.stdin.on('error', () => undefined); // it may end without reading; its exit code tells
    child.stdin.end(input);
  });
}

/** True when the program ended with 0, false when it ended otherwise. */
export async function succeeds(argv: readonly string[], options?: CommandOptions): Promise<boolean> {
  try {
    await run(argv, options);
    return true;
  } catch (error) {
    if (error instanceof CommandFailed) return false;
    throw error;
  }
}
