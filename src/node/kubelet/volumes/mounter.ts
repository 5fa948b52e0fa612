/** Mounting, as an argument: the kubelet's tests have no right to mount. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

export interface Mounter {
  tmpfs(path: string, options: { sizeBytes?: number; mode: number }): Promise<void>;
  bind(source: string, target: string): Promise<void>;
  unmount(path: string): Promise<void>;
  /** Mount points at or below, deepest first. */
  below(path: string): Promise<string[]>;
}

const run = promisify(execFile);

export const systemMounter: Mounter = {
  async tmpfs(path, { sizeBytes, mode }) {
    const size = sizeBytes ? `,size=${sizeBytes}` : '';
    await run('mount', ['-t', 'tmpfs', '-o', `mode=${mode.toString(8)}${size}`, 'tmpfs', path]);
  },
  async bind(source, target) {
    await run('mount', ['--no-canonicalize', '--bind', source, target]);
  },
  async unmount(path) {
    await run('umount', ['-l', path]);
  },
  async below(path) {
    return mountPointsBelow(await readFile('/proc/self/mountinfo', 'utf8'), path);
  },
};

/** Paths in mountinfo have octal escapes for white space and backslashes. */
export function mountPointsBelow(mountinfo: string, path: string): string[] {
  return mountinfo
    .split('\n')
    .map((line) =>
      (line.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8))),
    )
    .filter((point) => point === path || point.startsWith(`${path}/`))
    .reverse();
}
