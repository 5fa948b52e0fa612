/** Reading and writing the kernel's little files. */
import { readFileSync, writeFileSync } from 'node:fs';
import { readdir, readFile, rmdir } from 'node:fs/promises';
import { join } from 'node:path';

export const hasErrorCode = (error: unknown, ...codes: string[]): boolean =>
  error instanceof Error && 'code' in error && codes.includes(String(error.code));

/** undefined when there is no such file. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    // ENODEV: the group went away between open and read
    if (hasErrorCode(error, 'ENOENT', 'ENOTDIR', 'ENODEV')) return undefined;
    throw error;
  }
}

/** The kernel answers at once, in some 20 µs: to wait in the pool of threads would take longer. As `readIfThere`. */
export function readNow(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT', 'ENOTDIR', 'ENODEV')) return undefined;
    throw error;
  }
}

export function writeNow(path: string, value: string | number): void {
  try {
    writeFileSync(path, String(value), { flag: 'r+' });
  } catch (error) {
    if (!hasErrorCode(error, 'ENOENT')) throw error;
  }
}

export async function subfolders(path: string): Promise<string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

export async function processesBelow(path: string): Promise<number[]> {
  const own = (await readIfThere(join(path, 'cgroup.procs'))) ?? '';
  const below = await Promise.all((await subfolders(path)).map((name) => processesBelow(join(path, name))));
  return [...own.split('\n').filter(Boolean).map(Number), ...below.flat()];
}

/** The kernel writes 0 for what has no number in our process namespace; to kill(2) that is our own group. */
export function killAll(pids: readonly number[]): void {
  for (const pid of pids.filter((each) => each > 1)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if (!hasErrorCode(error, 'ESRCH')) throw error; // it has just ended
    }
  }
}

/** cgroup folders cannot be unlinked file by file: rmdir from the leaves up. */
export async function removeTree(path: string): Promise<void> {
  for (const name of await subfolders(path)) await removeTree(join(path, name));
  try {
    await rmdir(path);
  } catch (error) {
    if (!hasErrorCode(error, 'ENOENT')) throw error;
  }
}

/** `key value` lines. */
export function statsOf(text: string | undefined): Map<string, number> {
  const lines = (text ?? '').split('\n').map((line) => line.split(' '));
  return new Map(lines.filter(([key, value]) => key && value).map(([key, value]) => [key!, Number(value)]));
}
