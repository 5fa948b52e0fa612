/** Removal of a node's control groups, after its last process. */
import { readdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { MachineFacts } from './detect.ts';

/** Below `root` in every hierarchy, and those parents of it that are empty then. */
export async function removeCgroups(root: string, cgroup: MachineFacts['cgroup']): Promise<void> {
  const mounts = new Set([...Object.values(cgroup.controllers), '/sys/fs/cgroup/unified']); // runc uses it beside v1
  for (const mount of mounts) {
    await removeTree(join(mount, root));
    for (let parent = join(root, '..'); parent !== '/'; parent = join(parent, '..'))
      await removeOne(join(mount, parent));
  }
}

async function removeTree(folder: string): Promise<void> {
  for (const entry of await foldersIn(folder)) await removeTree(join(folder, entry));
  await removeOne(folder);
}

/** A group that still has processes or groups stays: it is not ours alone. */
async function removeOne(folder: string): Promise<void> {
  try {
    await rmdir(folder);
  } catch (error) {
    if (!['ENOENT', 'EBUSY', 'ENOTEMPTY', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

async function foldersIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder, { withFileTypes: true })).flatMap((entry) => (entry.isDirectory() ? entry.name : []));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
