/**
 * The bytes of all images, once each, by their digest; and which repository has which of them. A repository shows only what
 * was pushed or mounted to it.
 */
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ALGORITHMS, algorithmOf, digestWithHex, hexOf } from './digests.ts';
import { absent, readIfThere, writeWhole } from './whole-file.ts';

export interface StoredBlob {
  path: string;
  size: number;
  /** When it was last asked for by somebody who may want to build on it. */
  usedMs: number;
}

export class Blobs {
  readonly #folder: string;
  readonly #repositories: string;

  /** `root`: the registry's folder. */
  constructor(root: string) {
    this.#folder = join(root, 'blobs');
    this.#repositories = join(root, 'repositories');
  }

  #path(digest: string): string {
    const hex = hexOf(digest);
    return join(this.#folder, algorithmOf(digest), hex.slice(0, 2), hex);
  }

  #linkPath(repository: string, digest: string): string {
    return join(this.#repositories, repository, '_blobs', hexOf(digest));
  }

  /** What the repository has under this digest. */
  async find(repository: string, digest: string): Promise<StoredBlob | undefined> {
    const isHere = await stat(this.#linkPath(repository, digest)).catch(absent);
    return isHere && (await this.#stored(digest));
  }

  /** Says that somebody is about to use it: it is not removed in the next hours. */
  async keep(digest: string, nowMs: number): Promise<void> {
    const now = new Date(nowMs);
    await utimes(this.#path(digest), now, now).catch(absent);
  }

  async #stored(digest: string): Promise<StoredBlob | undefined> {
    const path = this.#path(digest);
    const found = await stat(path).catch(absent);
    return found && { path, size: found.size, usedMs: found.mtimeMs };
  }

  /** Takes a file that holds these very bytes, synced to disk. The file is gone afterwards. */
  async adopt(repository: string, digest: string, file: string): Promise<void> {
    const path = this.#path(digest);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await rename(file, path);
    await this.#link(repository, digest);
  }

  /** `bytes` are what the digest says. */
  async write(
    repository: string,
    { digest, bytes }: { digest: string; bytes: Uint8Array },
    nowMs: number,
  ): Promise<void> {
    if (await this.#stored(digest)) await this.keep(digest, nowMs);
    else await writeWhole(this.#path(digest), bytes);
    await this.#link(repository, digest);
  }

  /** @returns whether `from` has it */
  async mount(repository: string, digest: string, from: string): Promise<boolean> {
    if (!(await this.find(from, digest))) return false;
    await this.#link(repository, digest);
    return true;
  }

  #link(repository: string, digest: string): Promise<void> {
    return writeWhole(this.#linkPath(repository, digest), '');
  }

  /** From one repository; its bytes are removed once no other has it. @returns whether it was there */
  async unlink(repository: string, digest: string): Promise<boolean> {
    const had = await this.find(repository, digest);
    if (had) await rm(this.#linkPath(repository, digest), { force: true });
    return had !== undefined;
  }

  /** Of bytes that are gone. */
  async unlinkDead(repository: string, digest: string): Promise<void> {
    await rm(this.#linkPath(repository, digest), { force: true });
  }

  read(digest: string): Promise<Buffer | undefined> {
    return readIfThere(this.#path(digest));
  }

  async *all(): AsyncGenerator<{ digest: string } & StoredBlob> {
    for (const algorithm of ALGORITHMS) {
      const folder = join(this.#folder, algorithm);
      for (const part of await namesIn(folder)) {
        for (const hex of (await namesIn(join(folder, part))).filter(isName)) {
          const digest = digestWithHex(hex);
          const found = await this.#stored(digest);
          if (found) yield { digest, ...found };
        }
      }
    }
  }

  /** Digests that a repository has. */
  async linked(repository: string): Promise<string[]> {
    const names = await namesIn(join(this.#repositories, repository, '_blobs'));
    return names.filter(isName).map(digestWithHex);
  }

  async remove(digest: string): Promise<void> {
    await rm(this.#path(digest), { force: true });
  }
}

/** Not a draft. */
const isName = (name: string): boolean => !name.startsWith('.');

export const namesIn = async (folder: string): Promise<string[]> => (await readdir(folder).catch(absent)) ?? [];
