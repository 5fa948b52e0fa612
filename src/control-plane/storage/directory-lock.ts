/**
 * One process a data directory. LMDB alone would let a second process in, whose comparisons would know nothing of what the
 * first has accepted. The lock is a file that names its owner; an owner that no longer lives does not count.
 */
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DataDirectoryRefused } from './errors.ts';

/** @returns how to let go of it. Throws DataDirectoryRefused when a living process holds it. */
export function lockDirectory(directory: string): () => void {
  const path = join(directory, 'owner');
  const mine = identityOf(process.pid);
  if (mine === undefined) throw new DataDirectoryRefused('cannot read /proc: the owner of a data directory is unknown');
  for (let attempt = 0; attempt < 3; attempt++) {
    if (claim(path, mine)) return () => rmSync(path, { force: true });
    const owner = readIfThere(path);
    const pid = Number(owner?.split(' ')[0]);
    if (owner && identityOf(pid) === owner) {
      throw new DataDirectoryRefused(
        `the data directory ${directory} is in use by process ${pid}; stop that one first, or name another directory`,
      );
    }
    rmSync(path, { force: true });
  }
  throw new DataDirectoryRefused(`the data directory ${directory} is being opened by somebody else`);
}

function claim(path: string, mine: string): boolean {
  try {
    const file = openSync(path, 'wx', 0o600);
    writeSync(file, mine);
    closeSync(file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/**
 * `pid start-time`: a pid alone comes round again. undefined: there is no such process. Without /proc the pid has to do.
 * Source: proc(5), stat.
 */
export function identityOf(pid: number, proc = '/proc'): string | undefined {
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  if (!existsSync(proc)) return lives(pid) ? `${pid} 0` : undefined;
  const stat = readIfThere(`${proc}/${pid}/stat`);
  // The second field is the command in brackets, which may hold blanks; the start time is field 22.
  const startTime = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  return startTime && `${pid} ${startTime}`;
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // it is another user's
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}
