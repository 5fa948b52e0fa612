/** One process at a time: a lock file that names its holder, so that a holder that was killed does not lock forever. */
import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Clock, sleep } from '#base/clock.ts';
import { isAlive, type ProcessRecord, recordOf } from './process-record.ts';

export class LockTimeout extends Error {
  readonly code = 'LockTimeout';
}

export interface LockOptions {
  path: string;
  clock: Clock;
  /** How long to wait for another holder. Default: 20 s. */
  timeoutMs?: number;
}

/** Runs `act` while holding the lock. Throws LockTimeout. */
export async function withFileLock<T>(options: LockOptions, act: () => Promise<T>): Promise<T> {
  const release = await heldFileLock(options);
  try {
    return await act();
  } finally {
    await release();
  }
}

/** @returns lets it go. Throws LockTimeout. */
export async function heldFileLock(options: LockOptions): Promise<() => Promise<void>> {
  const { path, clock, timeoutMs = 20_000 } = options;
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  const deadlineMs = clock.monotonicMs() + timeoutMs;
  while (!(await acquired(path))) {
    if (clock.monotonicMs() > deadlineMs) {
      throw new LockTimeout(`${path} is held by ${await holderOf(path)}; if that is not so any more, remove the file`);
    }
    await sleep(clock, 50);
  }
  return () => rm(path, { force: true });
}

async function acquired(path: string): Promise<boolean> {
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, JSON.stringify(recordOf(process.pid)), { mode: 0o600, flag: 'wx' });
  try {
    await link(draft, path); // the one step that only one process can win, and the file is never seen empty
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return (await removedAsStale(path)) && (await acquired(path));
  } finally {
    await rm(draft, { force: true });
  }
}

/** Moves the file aside before judging it again: what another process locked meanwhile is put back. */
async function removedAsStale(path: string): Promise<boolean> {
  if (!isStale(await contentOf(path))) return false;
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
    if (isStale(await contentOf(aside))) return true;
    await link(aside, path);
    return false;
  } catch (error) {
    if (!['ENOENT', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    return false; // another process was faster
  } finally {
    await rm(aside, { force: true });
  }
}

/** A file without a record is somebody else's lock (kubectl locks kubeconfigs with empty files): not ours to break. */
function isStale(content: string | undefined): boolean {
  const record = parsed(content);
  return record !== undefined && !isAlive(record);
}

function parsed(content: string | undefined): ProcessRecord | undefined {
  return content ? (JSON.parse(content) as ProcessRecord) : undefined;
}

async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function holderOf(path: string): Promise<string> {
  const record = parsed(await contentOf(path));
  return record ? `process ${record.pid}` : 'another program';
}
