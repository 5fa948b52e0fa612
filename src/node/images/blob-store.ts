/**
 * A cache of blobs on disk, named by their sha256, and of what they were made from. Safe for several processes at once:
 * a blob is written beside its place and renamed into it, so whoever sees it sees all of it.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Clock } from '#base/clock.ts';

export interface Blob {
  /** `sha256:…` */
  digest: string;
  size: number;
  path: string;
}

export const sha256 = (bytes: Uint8Array | string): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

export const isDigest = (digest: unknown): digest is string =>
  typeof digest === 'string' && /^sha256:[0-9a-f]{64}$/.test(digest);

export class BadBlob extends Error {
  readonly code = 'BadBlob';
}

/** What is in an image may be nobody else's business. */
const PRIVATE_FOLDER = { recursive: true, mode: 0o700 } as const;

export class BlobStore {
  readonly #folder: string;
  readonly #clock: Pick<Clock, 'now'>;

  constructor(folder: string, clock: Pick<Clock, 'now'>) {
    this.#folder = folder;
    this.#clock = clock;
  }

  /** Throws BadBlob for what is no digest: it may come from an archive, and lead anywhere. */
  pathOf(digest: string): string {
    if (!isDigest(digest)) throw new BadBlob(`${JSON.stringify(digest)} is not a sha256 digest`);
    return join(this.#folder, 'blobs', ...digest.split(':'));
  }

  /** The blob made from `key`, taken from the cache when it is there; else `make` streams it. */
  async remember(key: string, make: () => AsyncIterable<Uint8Array>): Promise<Blob> {
    const known = await this.#recall(key);
    if (known) return known;
    const blob = await this.#write(make());
    await mkdir(join(this.#folder, 'keys'), PRIVATE_FOLDER);
    await this.#place(join(this.#folder, 'keys', keyName(key)), JSON.stringify({ digest: blob.digest }));
    return blob;
  }

  /** Written unless it is there already. Throws BadBlob when the content is not what `digest` says. */
  async keep(content: AsyncIterable<Uint8Array>, digest?: string): Promise<Blob> {
    const blob = await this.#write(content);
    if (digest === undefined || blob.digest === digest) return blob;
    throw new BadBlob(`the content of ${digest} is ${blob.digest}`);
  }

  async find(digest: string): Promise<Blob | undefined> {
    try {
      return await this.#used(digest);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** What is used is marked, so that what is not can be told by its time. */
  async #used(digest: string): Promise<Blob> {
    const path = this.pathOf(digest);
    const now = new Date(this.#clock.now());
    await utimes(path, now, now);
    return { digest, path, size: (await stat(path)).size };
  }

  async #recall(key: string): Promise<Blob | undefined> {
    try {
      const { digest } = JSON.parse(await readFile(join(this.#folder, 'keys', keyName(key)), 'utf8'));
      return await this.#used(digest);
    } catch (error) {
      const isUseless = error instanceof SyntaxError || error instanceof BadBlob; // written when the power went
      if (isUseless || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  async #write(content: AsyncIterable<Uint8Array>): Promise<Blob> {
    const folder = join(this.#folder, 'blobs', 'sha256');
    await mkdir(folder, PRIVATE_FOLDER);
    const draft = join(folder, `.${randomUUID()}`);
    const hash = createHash('sha256');
    let size = 0;
    const count = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk);
        size += chunk.length;
        done(null, chunk);
      },
    });
    try {
      await pipeline(content, count, createWriteStream(draft, { mode: 0o600 }));
      const digest = `sha256:${hash.digest('hex')}`;
      await rename(draft, this.pathOf(digest));
      return { digest, size, path: this.pathOf(digest) };
    } finally {
      await rm(draft, { force: true });
    }
  }

  async #place(path: string, text: string): Promise<void> {
    const draft = `${path}.${randomUUID()}`;
    await writeFile(draft, text, { mode: 0o600 });
    await rename(draft, path);
  }
}

const keyName = (key: string): string => `${sha256(key).slice('sha256:'.length)}.json`;
