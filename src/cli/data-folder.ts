/** The folder of a cluster's data, made and tried before anything of the cluster is. */
import { mkdir, mkdtemp, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UserError } from './context.ts';

/**
 * Throws UserError where nothing can be written; nothing stays behind then.
 * Folder by folder: Node's own `recursive` never ends where the parent is there and yet nothing can be made in it (`/proc`).
 */
export async function makeDataFolder(path: string): Promise<void> {
  const made: string[] = [];
  try {
    await makeWithParents(path, made);
    // That a folder is there does not say that one may write to it, nor do its bits say that to root.
    await rmdir(await mkdtemp(join(path, '.try-')));
  } catch (error) {
    for (const folder of made.reverse()) await rmdir(folder);
    throw new UserError(
      `Nothing can be written to ${path}: ${(error as Error).message}. ` +
        'Give a folder that can be written to with --data-dir, or leave the option out.',
    );
  }
}

async function makeWithParents(path: string, made: string[], isParentTried = false): Promise<void> {
  try {
    await mkdir(path, { mode: 0o711 });
    made.push(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || isParentTried || dirname(path) === path) throw error;
    await makeWithParents(dirname(path), made);
    await makeWithParents(path, made, true);
  }
}
