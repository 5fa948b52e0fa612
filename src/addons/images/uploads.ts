/**
 * Blobs on their way in: bytes go to a draft while they are hashed, and the draft becomes the blob once its digest is what its
 * sender says. What nobody goes on with is removed.
 */
import { createHash, type Hash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import type { Blobs } from './blobs.ts';
import { algorithmOf } from './digests.ts';
import { RegistryError } from './registry-error.ts';

export interface UploadLimits {
  /** Of one blob, in bytes. */
  blobBytes: number;
  /** At the same time. */
  uploads: number;
  /** What must stay free on the disk, in bytes. */
  freeBytes: number;
  /** After so long without a byte an upload is given up. */
  idleMs: number;
}

export const UPLOAD_LIMITS: UploadLimits = {
  blobBytes: 16 * 2 ** 30,
  uploads: 64,
  freeBytes: 2 ** 30,
  idleMs: 3_600_000,
};

interface Upload {
  id: string;
  repository: string;
  path: string;
  file: FileHandle;
  hash: Hash;
  size: number;
  touchedMs: number;
  isBusy: boolean;
}

/** What was hashed on its way in; by another algorithm once more, as a sender names it with the last byte. */
async function isContent({ hash, path }: Upload, digest: string): Promise<boolean> {
  const algorithm = algorithmOf(digest);
  if (algorithm === 'sha256') return `sha256:${hash.digest('hex')}` === digest;
  const other = createHash(algorithm);
  for await (const chunk of createReadStream(path)) other.update(chunk as Buffer);
  return `${algorithm}:${other.digest('hex')}` === digest;
}

/** How much may be written between two looks at the disk. */
const LOOK_AT_DISK_EVERY = 64 * 2 ** 20;

export class Uploads {
  readonly #folder: string;
  readonly #blobs: Blobs;
  readonly #clock: Clock;
  readonly #limits: UploadLimits;
  readonly #running = new Map<string, Upload>();

  constructor(root: string, { blobs, clock, limits }: { blobs: Blobs; clock: Clock; limits: UploadLimits }) {
    this.#folder = join(root, 'uploads');
    this.#blobs = blobs;
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Drafts of an earlier process cannot be gone on with: their hashes are lost. */
  async clear(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
  }

  async begin(repository: string): Promise<string> {
    if (this.#running.size >= this.#limits.uploads) throw new RegistryError('TOOMANYREQUESTS', 'too many uploads');
    await this.#refuseFullDisk();
    const id = randomUUID();
    const path = join(this.#folder, id);
    const file = await open(path, 'wx', 0o600);
    this.#running.set(id, {
      id,
      repository,
      path,
      file,
      hash: createHash('sha256'),
      size: 0,
      touchedMs: this.#clock.monotonicMs(),
      isBusy: false,
    });
    return id;
  }

  /** Bytes received so far. Throws RegistryError. */
  sizeOf(repository: string, id: string): number {
    return this.#find(repository, id).size;
  }

  /**
   * @param from where the sender thinks it is; undefined: where it stopped
   * @returns bytes received so far. What arrived before a connection broke counts.
   */
  async append(
    repository: string,
    id: string,
    { content, from }: { content: AsyncIterable<Uint8Array>; from: number | undefined },
  ): Promise<number> {
    return this.#alone(repository, id, (upload) => this.#append(upload, content, from));
  }

  /** The last of the bytes, and what they are to be together. The upload is over, whatever happens to it. */
  async finish(
    repository: string,
    id: string,
    { content, from, digest }: { content: AsyncIterable<Uint8Array>; from: number | undefined; digest: string },
  ): Promise<void> {
    await this.#alone(repository, id, async (upload) => {
      await this.#append(upload, content, from);
      try {
        if (!(await isContent(upload, digest))) {
          throw new RegistryError('DIGEST_INVALID', 'provided digest did not match uploaded content', {
            detail: { digest },
          });
        }
        if ((await upload.file.stat()).size !== upload.size) {
          throw new RegistryError('BLOB_UPLOAD_INVALID', 'what was kept is not what was received: send it again');
        }
        await upload.file.sync();
        await this.#blobs.adopt(repository, digest, upload.path);
      } finally {
        await this.#end(upload);
      }
    });
  }

  async cancel(repository: string, id: string): Promise<void> {
    await this.#alone(repository, id, (upload) => this.#end(upload));
  }

  /** One that nobody can go on with; it may be over already. */
  async drop(id: string): Promise<void> {
    const upload = this.#running.get(id);
    if (upload) await this.#end(upload);
  }

  async dropAbandoned(): Promise<void> {
    const since = this.#clock.monotonicMs() - this.#limits.idleMs;
    for (const upload of [...this.#running.values()]) {
      if (!upload.isBusy && upload.touchedMs <= since) await this.#end(upload);
    }
  }

  async close(): Promise<void> {
    for (const upload of [...this.#running.values()]) await this.#end(upload);
  }

  #find(repository: string, id: string): Upload {
    const upload = this.#running.get(id);
    if (upload?.repository === repository) return upload;
    throw new RegistryError('BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry');
  }

  async #alone<T>(repository: string, id: string, act: (upload: Upload) => Promise<T>): Promise<T> {
    const upload = this.#find(repository, id);
    if (upload.isBusy) throw new RegistryError('BLOB_UPLOAD_INVALID', 'another request is sending this blob');
    upload.isBusy = true;
    try {
      return await act(upload);
    } finally {
      upload.isBusy = false;
      upload.touchedMs = this.#clock.monotonicMs();
    }
  }

  async #append(upload: Upload, content: AsyncIterable<Uint8Array>, from: number | undefined): Promise<number> {
    if (from !== undefined && from !== upload.size) {
      throw new RegistryError('BLOB_UPLOAD_INVALID', `the next byte is ${upload.size}, not ${from}`, { status: 416 });
    }
    let looked = upload.size;
    for await (const chunk of content) {
      if (upload.size + chunk.length > this.#limits.blobBytes) {
        await this.#end(upload);
        throw new RegistryError('SIZE_INVALID', `a blob has at most ${this.#limits.blobBytes} bytes`, { status: 413 });
      }
      if (upload.size - looked >= LOOK_AT_DISK_EVERY) {
        await this.#refuseFullDisk();
        looked = upload.size;
      }
      await this.#write(upload, chunk);
      upload.hash.update(chunk);
      upload.size += chunk.length;
    }
    return upload.size;
  }

  /** All of it, or the upload is over: nobody knows how much of it has come to the file. */
  async #write(upload: Upload, chunk: Uint8Array): Promise<void> {
    try {
      await upload.file.appendFile(chunk); // a single write may be short
    } catch (error) {
      await this.#end(upload);
      if (!['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
      throw new RegistryError('DENIED', 'the disk of the registry is full', { status: 507 });
    }
  }

  async #refuseFullDisk(): Promise<void> {
    const { bavail, bsize } = await statfs(this.#folder);
    if (bavail * bsize < this.#limits.freeBytes) {
      throw new RegistryError('DENIED', 'the disk of the registry is nearly full', { status: 507 });
    }
  }

  async #end({ id, path, file }: Upload): Promise<void> {
    if (!this.#running.delete(id)) return;
    await file.close();
    await rm(path, { force: true });
  }
}
