/** Image content from packages that are installed on this machine: no registry, no download. */
import { execFile } from 'node:child_process';
import { lstat, readlink } from 'node:fs/promises';
import { promisify } from 'node:util';
import { fileEntry } from './folder.ts';
import { sharedLibrariesOf } from './shared-libraries.ts';
import { baseEntries, directory, symlink, type TarEntry, usrMerged } from './tar-entry.ts';

const execute = promisify(execFile);
const LEFT_OUT = /^\/usr\/share\/(doc|man|locale|lintian|info|bug|bash-completion)(\/|$)/;

/** All files of these packages (documentation apart) with the libraries that their programs need. */
export async function debianEntries(packages: readonly string[]): Promise<TarEntry[]> {
  const paths = (await Promise.all(packages.map(filesOf))).flat();
  const entries = (await Promise.all([...new Set(paths)].map(entryOf))).filter((entry) => entry !== undefined);
  const files = entries.flatMap((entry) => (entry.type === 'file' && 'source' in entry ? [entry.source] : []));
  const libraries = await sharedLibrariesOf(files);
  const busybox = files.find((path) => path.endsWith('/bin/busybox'));
  const applets = busybox ? await appletsOf(busybox) : [];
  return usrMerged([...baseEntries(), ...applets, ...libraries, ...entries]);
}

async function filesOf(name: string): Promise<string[]> {
  if (!/^[a-z0-9][a-z0-9+.:-]+$/.test(name)) throw new PackageMissing(`"${name}" is not the name of a Debian package`);
  try {
    const { stdout } = await execute('dpkg', ['-L', name], { maxBuffer: 64 << 20, timeout: 30_000 });
    return stdout.split('\n').filter((path) => path.startsWith('/') && path !== '/.' && !LEFT_OUT.test(path));
  } catch (cause) {
    throw new PackageMissing(`package ${name} is not installed; run: apt-get install ${name}`, { cause });
  }
}

async function entryOf(path: string): Promise<TarEntry | undefined> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined; // the administrator removed it, or a diversion did
    throw error;
  });
  if (found?.isSymbolicLink()) return symlink(path, await readlink(path));
  if (found?.isDirectory()) return directory(path, found.mode & 0o1777);
  return found?.isFile() ? fileEntry(path, path) : undefined;
}

/** Debian's package has the one program; the names it answers to are made as `busybox --install -s` would. */
async function appletsOf(busybox: string): Promise<TarEntry[]> {
  const { stdout } = await execute(busybox, ['--list'], { timeout: 30_000 });
  return stdout
    .split('\n')
    .filter((name) => /^[a-z0-9[]/.test(name) && name !== 'busybox')
    .map((name) => symlink(`/usr/bin/${name}`, 'busybox'));
}

export class PackageMissing extends Error {
  readonly code = 'PackageMissing';
}
