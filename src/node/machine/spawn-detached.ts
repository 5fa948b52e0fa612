/** Starts processes that outlive their starter: in a session of their own, writing to files. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';

export interface DetachedOptions {
  argv: readonly string[];
  /** Its standard output and error are appended here. */
  logFile: string;
  env?: NodeJS.ProcessEnv;
  /** It can talk with its starter, as long as that lives. */
  hasChannel?: boolean;
}

/** Resolves once the program runs. Rejects when it cannot be started. */
export function spawnDetached({
  argv,
  logFile,
  env = process.env,
  hasChannel = false,
}: DetachedOptions): Promise<ChildProcess & { pid: number }> {
  mkdirSync(dirname(logFile), { recursive: true, mode: 0o700 });
  const log = openSync(logFile, 'a', 0o600);
  try {
    const [program = '', ...args] = argv;
    const channel = hasChannel ? (['ipc'] as const) : [];
    const child = spawn(program, args, { detached: true, stdio: ['ignore', log, log, ...channel], cwd: '/', env });
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('spawn', () => {
        child.unref();
        resolve(child as ChildProcess & { pid: number });
      });
    });
  } finally {
    closeSync(log);
  }
}
