/**
 * Writes a set of files so that a reader sees all of the old ones or all of the new ones: the files stand in a folder of
 * their own, `..data` points to it, and the visible names point through `..data`. Moving `..data` is the one step that
 * counts. The layout is upstream's (programs watch `..data`).
 */
import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';

export interface ProjectedFile {
  content: Uint8Array;
  mode: number;
  /** Owner, where it is not root. */
  uid?: number;
}

export type Payload = ReadonlyMap<string, ProjectedFile>;

const DATA = '..data';

/** @returns whether anything changed. @throws for a path that leaves the volume */
export async function writeAtomically(volume: string, payload: Payload, groupId?: number): Promise<boolean> {
  for (const path of payload.keys()) refuseEscape(path);
  const current = await currentFolder(volume);
  if (current && (await isSame(join(volume, current), payload))) return false;

  const folder = await mkdtemp(`${volume}/..`);
  await chmod(folder, 0o755);
  for (const [path, file] of payload) await writeOne(join(folder, path), file, groupId);
  const next = join(volume, `${DATA}_tmp`);
  await rm(next, { force: true });
  await symlink(folder.slice(volume.length + 1), next);
  await rename(next, join(volume, DATA));
  await linkVisible(volume, payload);
  if (current) await rm(join(volume, current), { recursive: true, force: true });
  return true;
}

function refuseEscape(path: string): void {
  const clean = normalize(path);
  if (clean !== path || path.startsWith('/') || path === '.' || path.split('/').some((part) => part.startsWith('..')))
    throw new Error(`invalid path ${JSON.stringify(path)}`);
}

async function writeOne(path: string, { content, mode, uid }: ProjectedFile, groupId?: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  await writeFile(path, content, { mode: 0o600 });
  if (uid !== undefined || groupId !== undefined) await chown(path, uid ?? 0, groupId ?? 0);
  await chmod(path, groupId === undefined ? mode : mode | 0o440);
}

async function currentFolder(volume: string): Promise<string | undefined> {
  const link = await lstat(join(volume, DATA)).catch(undefinedIfMissing);
  return link?.isSymbolicLink() ? readlink(join(volume, DATA)) : undefined;
}

async function isSame(folder: string, payload: Payload): Promise<boolean> {
  const there = await filesBelow(folder);
  if (there.length !== payload.size) return false;
  for (const path of there) {
    const wanted = payload.get(path);
    if (!wanted || !(await readFile(join(folder, path))).equals(wanted.content)) return false;
    const { mode } = await stat(join(folder, path));
    if ((mode & 0o7333) !== (wanted.mode & 0o7333)) return false; // a group may have added its read bits
  }
  return true;
}

async function filesBelow(folder: string, prefix = ''): Promise<string[]> {
  const entries = await readdir(join(folder, prefix), { withFileTypes: true }).catch(undefinedIfMissing);
  const nested = (entries ?? []).map((entry) => {
    const path = join(prefix, entry.name);
    return entry.isDirectory() ? filesBelow(folder, path) : [path];
  });
  return (await Promise.all(nested)).flat();
}

async function linkVisible(volume: string, payload: Payload): Promise<void> {
  const wanted = new Set([...payload.keys()].map((path) => path.split('/')[0] ?? ''));
  const there = (await readdir(volume, { withFileTypes: true })).filter(({ name }) => !name.startsWith('..'));
  // A folder is where another volume is mounted.
  for (const entry of there)
    if (entry.isSymbolicLink() && !wanted.has(entry.name)) await unlink(join(volume, entry.name));
  const names = new Set(there.map(({ name }) => name));
  for (const name of wanted) if (!names.has(name)) await symlink(join(DATA, name), join(volume, name));
}

function undefinedIfMissing(error: Error & { code?: string }): undefined {
  if (error.code !== 'ENOENT') throw error;
}
