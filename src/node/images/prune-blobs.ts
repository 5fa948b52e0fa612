/** Keeps the store of blobs within a size: what was not used for the longest time goes first. */
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

export interface PruneOptions {
  /** What may stay of what nobody uses. */
  keepBytes: number;
  /** What was used since then stays in any case, in ms since the epoch. */
  usedSinceMs: number;
}

export interface Pruned {
  removedBytes: number;
  keptBytes: number;
}

export async function pruneBlobs(folder: string, { keepBytes, usedSinceMs }: PruneOptions): Promise<Pruned> {
  const blobs = join(folder, 'blobs', 'sha256');
  const all = await filesIn(blobs);
  const draftsFirst = (name: string) => (name.startsWith('.') ? 0 : 1); // nobody goes on with those
  all.sort((a, b) => draftsFirst(a.name) - draftsFirst(b.name) || a.usedMs - b.usedMs);
  let keptBytes = all.reduce((sum, { size }) => sum + size, 0);
  let removedBytes = 0;
  const left = new Set(all.map(({ name }) => name));
  for (const { name, size, usedMs } of all) {
    const isWanted = keptBytes <= keepBytes && !name.startsWith('.');
    if (isWanted || usedMs >= usedSinceMs) continue;
    await rm(join(blobs, name), { force: true });
    left.delete(name);
    keptBytes -= size;
    removedBytes += size;
  }
  await removeKeysWithout(left, join(folder, 'keys'));
  return { removedBytes, keptBytes };
}

interface StoredFile {
  name: string;
  size: number;
  usedMs: number;
}

async function filesIn(folder: string): Promise<StoredFile[]> {
  const names = await readdir(folder).catch(none);
  const found = await Promise.all(
    names.map(async (name): Promise<StoredFile[]> => {
      const there = await stat(join(folder, name)).catch(gone);
      return there ? [{ name, size: there.size, usedMs: there.mtimeMs }] : [];
    }),
  );
  return found.flat();
}

/** A key whose blob is gone says nothing. */
async function removeKeysWithout(blobs: ReadonlySet<string>, folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(none)) {
    const text = await readFile(join(folder, name), 'utf8').catch(gone);
    const [hex = ''] = /[0-9a-f]{64}/.exec(text ?? '') ?? [];
    if (text !== undefined && !blobs.has(hex)) await rm(join(folder, name), { force: true });
  }
}

function none(error: NodeJS.ErrnoException): string[] {
  if (error.code !== 'ENOENT') throw error;
  return [];
}

function gone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
