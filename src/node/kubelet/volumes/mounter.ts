import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { SmallShells } from './small-shells.ts';

export interface Mounter {
  tmpfs(path: string, options: { sizeBytes?: number; mode: number }): Promise<void>;
  bind(source: string, target: string, options?: { readOnly: boolean }): Promise<void>;
  /** A file system of another kind, by the program `mount.TYPE` where it has one. Throws MountFailed. */
  mount(request: { type: string; source: string; target: string; options: readonly string[] }): Promise<void>;
  unmount(path: string): Promise<void>;
  /** Mount points at or below, deepest first. */
  below(path: string): Promise<string[]>;
  /** Whether the folder, or something below it, is mounted anywhere else. */
  hasBindOf(folder: string): Promise<boolean>;
}

/** The message is what the mount program said. */
export class MountFailed extends Error {
  readonly code = 'MOUNT';
}

const run = promisify(execFile);
const shells = new SmallShells();

/** With upstream's texts: exit status, arguments, and what the program said. */
const mountFailed = (
  args: readonly string[],
  { code, said }: { code: number | string; said: string },
  cause?: unknown,
) =>
  new MountFailed(
    `mount failed: exit status ${code}\nMounting command: mount\nMounting arguments: ${args.join(' ')}\nOutput: ${said}\n`,
    { cause },
  );

/** What does not wait for anybody else. Throws MountFailed. */
async function mountQuickly(args: readonly string[]): Promise<void> {
  const ended = await shells.run('mount', args);
  if (ended.code !== 0) throw mountFailed(args, ended);
}

const mountinfo = () => readFile('/proc/self/mountinfo', 'utf8');
/** A server that does not answer must not hold a pod's worker for ever. */
const MOUNT_MS = 120_000;

export const systemMounter: Mounter = {
  async tmpfs(path, { sizeBytes, mode }) {
    const size = sizeBytes ? `,size=${sizeBytes}` : '';
    await mountQuickly(['-t', 'tmpfs', '-o', `mode=${mode.toString(8)}${size}`, 'tmpfs', path]);
  },
  async bind(source, target, { readOnly } = { readOnly: false }) {
    await mountQuickly(['--no-canonicalize', '--bind', source, target]);
    if (readOnly) await mountQuickly(['--no-canonicalize', '-o', 'remount,bind,ro', target]);
  },
  async mount({ type, source, target, options }) {
    const flags = options.length > 0 ? ['-o', options.join(',')] : [];
    const args = ['-t', type, ...flags, source, target];
    try {
      await run('mount', args, { timeout: MOUNT_MS });
    } catch (error) {
      const { stderr, code, message } = error as Error & { stderr?: string; code?: number | string };
      throw mountFailed(args, { code: code ?? 32, said: stderr?.trim() || message }, error);
    }
  },
  async unmount(path) {
    const { code, said } = await shells.run('umount', ['-l', path]);
    if (code !== 0)
      throw new MountFailed(`unmount failed: exit status ${code}\nUnmounting arguments: ${path}\nOutput: ${said}\n`);
  },
  async below(path) {
    return mountPointsBelow(await mountinfo(), path);
  },
  async hasBindOf(folder) {
    return isMountedElsewhere(await mountinfo(), folder);
  },
};

/** Paths in mountinfo have octal escapes for white space and backslashes. */
const unescaped = (text = ''): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)));

export function mountPointsBelow(mountinfo: string, path: string): string[] {
  const written = path.replace(/[ \t\n\\]/g, (sign) => `\\${sign.charCodeAt(0).toString(8).padStart(3, '0')}`);
  if (!mountinfo.includes(written)) return []; // a node with many pods has thousands of lines
  return mountinfo
    .split('\n')
    .filter((line) => line.includes(written))
    .map((line) => unescaped(line.split(' ')[4]))
    .filter((point) => point === path || point.startsWith(`${path}/`))
    .reverse();
}

/** The fourth field of a bind mount is the folder as its own file system sees it: below where that is mounted. */
export function isMountedElsewhere(mountinfo: string, folder: string): boolean {
  const mounts = mountinfo
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split(' '))
    .map((fields) => ({ device: fields[2], root: unescaped(fields[3]), point: unescaped(fields[4]) }));
  const isAt = (path: string, at: string) => path === at || path.startsWith(at === '/' ? '/' : `${at}/`);
  const [holder] = mounts
    .filter(({ point }) => isAt(folder, point))
    .sort((a, b) => b.point.length - a.point.length || mounts.indexOf(b) - mounts.indexOf(a));
  if (!holder) return false;
  const inside = folder.slice(holder.point === '/' ? 0 : holder.point.length);
  const source = `${holder.root === '/' ? '' : holder.root}${inside}`;
  return mounts.some((mount) => mount !== holder && mount.device === holder.device && isAt(mount.root, source));
}
