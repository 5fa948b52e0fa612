/** What an image layer holds, before it is bytes. Paths are absolute and end up under the container's root. */
import { posix } from 'node:path';

export type TarEntry = { path: string; mode: number; uid?: number; gid?: number } & (
  | { type: 'directory' }
  | { type: 'symlink'; target: string }
  | { type: 'file'; content: Uint8Array }
  /** Read when the layer is written; `size` and `stamp` tell whether it is still the same file. */
  | { type: 'file'; source: string; size: number; stamp: string }
);

export const directory = (path: string, mode = 0o755): TarEntry => ({ path, mode, type: 'directory' });
export const symlink = (path: string, target: string): TarEntry => ({ path, mode: 0o777, type: 'symlink', target });
export const textFile = (path: string, text: string, mode = 0o644): TarEntry => ({
  path,
  mode,
  type: 'file',
  content: new TextEncoder().encode(text),
});

/**
 * The entries in the order they stand in a tar: every parent directory once and before its content, each path once
 * (the last entry wins). The same entries in another order give the same list, so a layer's digest depends on content only.
 */
export function inTarOrder(
  entries: readonly TarEntry[],
  isThere: (directory: string) => boolean = () => false,
): TarEntry[] {
  const byPath = new Map<string, TarEntry>();
  for (const entry of entries) byPath.set(normal(entry.path), { ...entry, path: normal(entry.path) });
  for (const path of [...byPath.keys()]) {
    for (let parent = posix.dirname(path); parent !== '/'; parent = posix.dirname(parent)) {
      if (!byPath.has(parent) && !isThere(parent)) byPath.set(parent, directory(parent));
    }
  }
  byPath.delete('/');
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

const normal = (path: string): string => posix.normalize(`/${path}`).replace(/(.)\/$/, '$1');

const MERGED = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'];

/** Moves `/bin`, `/lib` … under `/usr` and leaves links behind, as Debian does: one place for a file with two names. */
export function usrMerged(entries: readonly TarEntry[]): TarEntry[] {
  const moved = entries.flatMap((entry) => {
    const [, top = '', ...rest] = normal(entry.path).split('/');
    if (!MERGED.includes(top)) return [entry];
    return rest.length === 0 ? [] : [{ ...entry, path: `/usr/${top}/${rest.join('/')}` }];
  });
  const links = MERGED.filter((top) => moved.some(({ path }) => path.startsWith(`/usr/${top}/`)));
  return [...moved, ...links.map((top) => symlink(`/${top}`, `usr/${top}`))];
}

/** What programs expect of any root: accounts to look up and a place for temporary files. */
export const baseEntries = (): TarEntry[] => [
  directory('/tmp', 0o1777),
  textFile(
    '/etc/passwd',
    'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n',
  ),
  textFile('/etc/group', 'root:x:0:\nnogroup:x:65534:\n'),
  directory('/root', 0o700),
];
