/**
 * A part of a volume as a mount of its own. Containers can change what is in a volume while it is looked at, so the way
 * down is walked by open folders, never by names that could turn into links, and what is mounted is the opened thing.
 */
import { constants } from 'node:fs';
import { chmod, type FileHandle, mkdir, open, readlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Mounter } from './mounter.ts';

export class SubPathRefused extends Error {}

// O_PATH names a place without opening what is there; Node has no constant for it. Source: open(2).
const O_PATH = 0o10000000;
const { O_NOFOLLOW, O_DIRECTORY } = constants;

/** Mounts `volume/subPath` on `target`, making missing folders. */
export async function mountSubPath(
  { volume, subPath, target }: { volume: string; subPath: string; target: string },
  mounter: Mounter,
): Promise<void> {
  const parts = subPath.split('/').filter((part) => part !== '' && part !== '.');
  if (subPath.startsWith('/') || parts.includes('..')) throw new SubPathRefused('must not contain ".."');
  let here = await open(volume, O_PATH | O_DIRECTORY);
  // What is made in it is as open as the volume itself, as upstream makes it.
  const mode = (await here.stat()).mode & 0o7777;
  try {
    for (const part of parts) {
      const next = await enter(here, part, { subPath, mode });
      await here.close();
      here = next;
    }
    await makeTarget(target, (await here.stat()).isDirectory());
    // The mount command is another process: it must find our open folder by our process.
    await mounter.bind(`/proc/${process.pid}/fd/${here.fd}`, target);
  } finally {
    await here.close();
  }
}

async function enter(
  folder: FileHandle,
  name: string,
  { subPath, mode }: { subPath: string; mode: number },
): Promise<FileHandle> {
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
  // Kubernetes' own volumes are made of links (`key -> ..data/key`): those stay inside, one step at a time.
  const resolved = await open(path, O_PATH);
  const [root, real] = await Promise.all([
    readlink(`/proc/self/fd/${folder.fd}`),
    readlink(`/proc/self/fd/${resolved.fd}`),
  ]);
  if (real.startsWith(`${root}/`)) return resolved;
  await resolved.close();
  throw new SubPathRefused(`subPath "${subPath}" leads outside of its volume`);
}

async function makeTarget(target: string, isDirectory: boolean): Promise<void> {
  if (isDirectory) await mkdir(target, { recursive: true, mode: 0o750 });
  else {
    await mkdir(dirname(target), { recursive: true, mode: 0o750 });
    await writeFile(target, '', { mode: 0o640 });
  }
}

/** Where a container's sub-path mounts stand below the pod's folder. */
export const subPathTarget = (podFolder: string, container: string, index: number): string =>
  join(podFolder, 'volume-subpaths', container, String(index));
