/** Image content from files of this machine. */
import { lstat, readdir, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { directory, symlink, type TarEntry } from './tar-entry.ts';

const NEVER = new Set(['.git', 'node_modules']);

/** All of a folder under `into`, links as links. Sockets and devices are left out; so are `.git` and `node_modules`. */
export async function folderEntries(folder: string, into = '/'): Promise<TarEntry[]> {
  const entries: TarEntry[] = [];
  for (const item of await readdir(folder, { withFileTypes: true })) {
    if (NEVER.has(item.name)) continue;
    const source = join(folder, item.name);
    const path = join(into, item.name);
    if (item.isSymbolicLink()) entries.push(symlink(path, await readlink(source)));
    else if (item.isFile()) entries.push(await fileEntry(path, source));
    else if (item.isDirectory()) {
      entries.push(directory(path, (await lstat(source)).mode & 0o777), ...(await folderEntries(source, path)));
    }
  }
  return entries;
}

/** One file; a link is followed. */
export async function fileEntry(path: string, source: string): Promise<TarEntry> {
  const { size, mode, mtimeMs, ino } = await stat(source);
  return { path, mode: mode & 0o755, type: 'file', source, size, stamp: `${mtimeMs} ${ino}` };
}
