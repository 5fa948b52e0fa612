/**
 * Removes a folder with all that is in it, and nothing else: no link is followed, also when somebody changes names
 * meanwhile, and no mount is entered. Each folder is held open while its names are looked at.
 */
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, rmdir, unlink } from 'node:fs/promises';

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
const FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

/** Nothing there is no error. Throws where a mount is found in it. */
export async function eraseFolder(parent: string, name: string): Promise<void> {
  if (name === '' || name === '.' || name === '..' || name.includes('/')) throw new Error(`not a name: ${name}`);
  const here = await open(parent, FOLDER);
  try {
    await eraseIn(here, name, (await here.stat()).dev);
  } finally {
    await here.close();
  }
}

async function eraseIn(folder: FileHandle, name: string, device: number): Promise<void> {
  const path = `/proc/self/fd/${folder.fd}/${name}`;
  const there = await lstat(path).catch(undefinedIfMissing);
  if (!there) return;
  if (!there.isDirectory()) {
    await unlink(path);
    return;
  }
  const inner = await open(path, FOLDER);
  try {
    if ((await inner.stat()).dev !== device) throw new Error(`${name} is a mount and is not erased`);
    for (const each of await readdir(`/proc/self/fd/${inner.fd}`)) await eraseIn(inner, each, device);
  } finally {
    await inner.close();
  }
  await rmdir(path);
}

function undefinedIfMissing(error: Error & { code?: string }): undefined {
  if (error.code !== 'ENOENT') throw error;
}
