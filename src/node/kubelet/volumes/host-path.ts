/** A folder, file, socket or device of the node itself. Source: "Volumes", hostPath types. */
import { mkdir, stat, writeFile } from 'node:fs/promises';
import type { HostPathVolumeSource } from '#api/generated/schema.ts';

export class HostPathRefused extends Error {}

export async function checkHostPath({ path, type = '' }: HostPathVolumeSource): Promise<string> {
  const there = await stat(path).catch((error: Error & { code?: string }) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  });
  const refuse = (what: string): never => {
    throw new HostPathRefused(`hostPath type check failed: ${path} is not ${what}`);
  };
  switch (type) {
    case 'DirectoryOrCreate':
      if (!there) await mkdir(path, { recursive: true, mode: 0o755 });
      else if (!there.isDirectory()) refuse('a directory');
      break;
    case 'Directory':
      if (!there?.isDirectory()) refuse('a directory');
      break;
    case 'FileOrCreate':
      if (!there) await writeFile(path, '', { mode: 0o644, flag: 'wx' });
      else if (!there.isFile()) refuse('a file');
      break;
    case 'File':
      if (!there?.isFile()) refuse('a file');
      break;
    case 'Socket':
      if (!there?.isSocket()) refuse('a socket file');
      break;
    case 'CharDevice':
      if (!there?.isCharacterDevice()) refuse('a character device');
      break;
    case 'BlockDevice':
      if (!there?.isBlockDevice()) refuse('a block device');
      break;
    default:
      // The runtime makes a missing folder, as it always has.
      if (!there) await mkdir(path, { recursive: true, mode: 0o755 });
  }
  return path;
}
