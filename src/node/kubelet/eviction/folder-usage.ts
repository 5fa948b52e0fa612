/** How much disk a folder takes, as `du` counts it: blocks that are really used, a file with two names once. */
import type { Dirent } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

export interface FolderUsage {
  bytes: number;
  inodes: number;
}

const BLOCK_BYTES = 512;
/** Looked at together; more would hold other work up. */
const AT_ONCE = 64;

/** What is not there, or goes meanwhile, takes nothing. */
export async function folderUsage(root: string): Promise<FolderUsage> {
  const usage = { bytes: 0, inodes: 0 };
  const seen = new Set<bigint>();
  const pending = [root];
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    await count(folder, usage, seen);
    const entries = await list(folder);
    for (let from = 0; from < entries.length; from += AT_ONCE) {
      const files = entries.slice(from, from + AT_ONCE).filter((entry) => !entry.isDirectory());
      await Promise.all(files.map(({ name }) => count(join(folder ?? '', name), usage, seen)));
    }
    for (const entry of entries) if (entry.isDirectory()) pending.push(join(folder, entry.name));
  }
  return usage;
}

async function list(folder: string): Promise<Dirent[]> {
  return unlessGone(readdir(folder, { withFileTypes: true }), []);
}

async function count(path: string, usage: FolderUsage, seen: Set<bigint>): Promise<void> {
  const stats = await unlessGone(lstat(path, { bigint: true }), undefined);
  if (!stats || (stats.nlink > 1n && !stats.isDirectory() && seen.has(stats.ino))) return;
  seen.add(stats.ino);
  usage.bytes += Number(stats.blocks) * BLOCK_BYTES;
  usage.inodes += 1;
}

async function unlessGone<T, N>(work: Promise<T>, nothing: N): Promise<T | N> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Error && 'code' in error && ['ENOENT', 'ENOTDIR', 'EACCES'].includes(String(error.code)))
      return nothing;
    throw error;
  }
}
