/**
 * A part of a volume as a mount of its own. Containers can change what is in a volume while it is looked at, so the way
 * down is walked by open folders, never by names that could turn into links, and what is mounted is the opened thing.
 */
import { constants } from 'node:fs';
import { chmod, type FileHandle, mkdir, open, readlink, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Mounter } from './mounter.ts';

export class SubPathRefused extends Error {
  /** Something is at the end of the way, wherever that leads. */
  readonly isThere: boolean;

  constructor(message: string, isThere: boolean) {
    super(message);
    this.isThere = isThere;
  }
}

// O_PATH names a place without opening what is there; Node has no constant for it. Source: open(2).
const O_PATH = 0o10000000;
const { O_NOFOLLOW, O_DIRECTORY } = constants;

/** Mounts `volume/subPath` on `target`, making missing folders. */
export async function mountSubPath(
  { volume, subPath, target }: { volume: string; subPath: string; target: string },
  mounter: Mounter,
): Promise<void> {
  const parts = subPath.split('/').filter((part) => part !== '' && part !== '.');
  if (subPath.startsWith('/') || parts.includes('..')) throw new SubPathRefused('must not contain ".."', true);
  let here = await open(volume, O_PATH | O_DIRECTORY);
  const [root, { mode }] = await Promise.all([pathOf(here), here.stat()]);
  try {
    for (const part of parts) {
      // What is made in it is as open as the volume itself, as upstream makes it.
      const next = await enter(here, part, mode & 0o7777);
      await here.close();
      here = next;
      const real = await pathOf(here);
      if (real !== root && !real.startsWith(root === '/' ? root : `${root}/`))
        throw new LeadsAway(`subPath "${subPath}" leads outside of its volume`);
    }
    await makeTarget(target, (await here.stat()).isDirectory());
    // The mount command is another process: it must find our open folder by our process.
    await mounter.bind(`/proc/${process.pid}/fd/${here.fd}`, target);
  } catch (error) {
    if (!(error instanceof LeadsAway)) throw error;
    throw new SubPathRefused(error.message, await isThere(join(volume, subPath)));
  } finally {
    await here.close();
  }
}

/** Links are followed, as by whoever would use the path. */
const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

class LeadsAway extends Error {}

/** Where the opened thing is now, whatever names have become of since. */
const pathOf = ({ fd }: FileHandle): Promise<string> => readlink(`/proc/self/fd/${fd}`);

/** Links are followed here, also those that lead elsewhere: it is looked at what was opened, not at what it was called. */
async function enter(folder: FileHandle, name: string, mode: number): Promise<FileHandle> {
  const path = `/proc/self/fd/${folder.fd}/${name}`;
  const opened = await open(path, O_PATH | O_NOFOLLOW).catch(async (error: Error & { code?: string }) => {
    if (error.code !== 'ENOENT') throw error;
    await mkdir(path, { mode: 0o750 });
    const made = await open(path, O_PATH | O_NOFOLLOW);
    if ((await made.stat()).isDirectory()) await chmod(`/proc/self/fd/${made.fd}`, mode);
    return made;
  });
  if (!(await opened.stat()).isSymbolicLink()) return opened;
  await opened.close();
  return open(path, O_PATH).catch((error: Error & { code?: string }) => {
    if (error.code === 'ENOENT' || error.code === 'ELOOP') throw new LeadsAway(`"${name}" leads nowhere`);
    throw error;
  });
}

async function makeTarget(target: string, isDirectory: boolean): Promise<void> {
  if (isDirectory) await mkdir(target, { recursive: true, mode: 0o750 });
  else {
    await mkdir(dirname(target), { recursive: true, mode: 0o750 });
    await writeFile(target, '', { mode: 0o640 });
  }
}

/** Below a pod's folder. */
export const SUB_PATHS = 'volume-subpaths';

/** Where a container's sub-path mounts stand below the pod's folder. */
export const subPathTarget = (podFolder: string, container: string, index: number): string =>
  join(podFolder, SUB_PATHS, container, String(index));
