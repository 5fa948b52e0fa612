/** fsGroup: a volume's files belong to the group, which may do what the owner may; new files inherit it. */
import { chmod, lchown, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

const SETGID = 0o2000;

/** @param onlyIfRootDiffers fsGroupChangePolicy OnRootMismatch: a volume whose root is right is taken as it is */
export async function giveToGroup(path: string, groupId: number, onlyIfRootDiffers = false): Promise<void> {
  const root = await lstat(path);
  const isRight = root.gid === groupId && (root.mode & SETGID) !== 0;
  if (onlyIfRootDiffers && isRight) return;
  await give(path, groupId);
}

async function give(path: string, groupId: number): Promise<void> {
  const entry = await lstat(path);
  if (entry.gid !== groupId) await lchown(path, -1 >>> 0, groupId);
  if (entry.isSymbolicLink()) return;
  const mode = entry.mode & 0o7777;
  const wanted = entry.isDirectory() ? mode | SETGID | 0o770 : mode | 0o660;
  if (wanted !== mode) await chmod(path, wanted);
  if (!entry.isDirectory()) return;
  for (const name of await readdir(path)) await give(join(path, name), groupId);
}
