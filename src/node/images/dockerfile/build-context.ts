/** The folder that a build sees, without what its .dockerignore names. Nothing of outside is reached through it. */
import { lstat, open, readdir, readFile, readlink, realpath } from 'node:fs/promises';
import { join, posix, relative, sep } from 'node:path';
import type { TarEntry } from '../tar-entry.ts';
import { hasWildcard, ignoredBy, patternExpression } from './patterns.ts';

export interface Source {
  /** Relative to the build's folder. */
  path: string;
  isFolder: boolean;
}

export class BuildContext {
  readonly #root: string;
  readonly #isIgnored: (path: string) => boolean;

  private constructor(root: string, isIgnored: (path: string) => boolean) {
    this.#root = root;
    this.#isIgnored = isIgnored;
  }

  /** @param ownRules rules of the Dockerfile's own, which stand for the folder's where they exist */
  static async open(folder: string, ownRules: string): Promise<BuildContext> {
    const root = await realpath(folder);
    const rules = (await textIn(ownRules)) ?? (await textIn(join(root, '.dockerignore'))) ?? '';
    return new BuildContext(root, ignoredBy(rules));
  }

  /** What a word of COPY means, in order. Empty: nothing that the build sees. Throws Error for what leads outside. */
  async sources(word: string): Promise<Source[]> {
    const path = posix.normalize(`/${word}`).slice(1).replace(/\/$/, '');
    if (!hasWildcard(path)) {
      const found = await this.#source(path);
      return found ? [found] : [];
    }
    const expression = patternExpression(path);
    const depth = path.split('/').length;
    const found: Source[] = [];
    for await (const each of this.#walk('')) {
      if (each.path.split('/').length !== depth || !expression.test(each.path)) continue;
      const source = await this.#source(each.path); // it may be a link
      if (source) found.push(source);
    }
    return found;
  }

  async #source(path: string): Promise<Source | undefined> {
    const real = await this.#real(path);
    if (real === undefined) return undefined;
    if (this.#isHidden(path, real) && !(await this.#hasAny(path))) return undefined;
    const found = await lstat(real);
    return { path, isFolder: found.isDirectory() };
  }

  /** By its own name, or by the one of what it is a link to. */
  #isHidden(path: string, real: string): boolean {
    return [path, relative(this.#root, real)].some((name) => name !== '' && this.#isIgnored(name));
  }

  /** An ignored folder of which something was brought back. */
  async #hasAny(path: string): Promise<boolean> {
    for await (const _ of this.#walk(path)) return true;
    return false;
  }

  /** A name that is a link is followed, within the folder. */
  async #real(path: string): Promise<string | undefined> {
    const real = await realpath(join(this.#root, path)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
      throw error;
    });
    if (real === undefined) return undefined;
    const [first] = relative(this.#root, real).split(sep);
    if (first !== '..') return real;
    throw new Error(`"${path}" leads out of the build's folder`);
  }

  /** All that is seen below a folder; links as links, not followed. */
  async *#walk(folder: string): AsyncGenerator<Source> {
    const real = await this.#real(folder);
    if (real === undefined) return;
    const items = await readdir(real, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOTDIR') return [];
      throw error;
    });
    for (const item of items.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = folder ? `${folder}/${item.name}` : item.name;
      const isSeen = !this.#isHidden(path, join(real, item.name));
      if (isSeen) yield { path, isFolder: item.isDirectory() };
      if (item.isDirectory()) yield* this.#walk(path);
    }
  }

  /** The content of a folder under `into`. */
  async folderEntries(path: string, into: string): Promise<TarEntry[]> {
    const entries: TarEntry[] = [];
    for await (const each of this.#walk(path)) {
      const below = path ? each.path.slice(path.length + 1) : each.path;
      const entry = await this.#entry(join(this.#root, each.path), posix.join(into, below));
      if (entry) entries.push(entry);
    }
    return entries;
  }

  /** One file; a link is followed. */
  async fileEntry(path: string, at: string): Promise<TarEntry | undefined> {
    const real = await this.#real(path);
    return real === undefined ? undefined : this.#entry(real, at);
  }

  /** Sockets and devices are left out. */
  async #entry(real: string, at: string): Promise<TarEntry | undefined> {
    const found = await lstat(real);
    const mode = found.mode & 0o7777;
    if (found.isSymbolicLink()) return { path: at, mode: 0o777, type: 'symlink', target: await readlink(real) };
    if (found.isDirectory()) return { path: at, mode, type: 'directory' };
    if (!found.isFile()) return undefined;
    const stamp = `${found.mtimeMs} ${found.ctimeMs} ${found.ino}`;
    return { path: at, mode, type: 'file', source: real, size: found.size, stamp };
  }

  /** What sort of archive a file is, by its first bytes. undefined: none that ADD takes apart. */
  async archiveKind(path: string): Promise<'tar' | 'gzip' | 'other' | undefined> {
    const real = await this.#real(path);
    if (real === undefined || !(await lstat(real)).isFile()) return undefined; // opening a pipe waits for who writes
    await using file = await open(real);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(262), 0, 262, 0);
    if (bytesRead > 2 && buffer.readUInt16BE(0) === 0x1f8b) return 'gzip';
    if (buffer.subarray(257, 262).toString('latin1') === 'ustar') return 'tar';
    const isOther = buffer.subarray(0, 3).toString('latin1') === 'BZh' || buffer.readUInt32BE(0) === 0xfd377a58;
    return isOther ? 'other' : undefined;
  }

  async fileOf(path: string): Promise<string> {
    return (await this.#real(path)) ?? '';
  }
}

const textIn = (path: string): Promise<string | undefined> =>
  readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
