/**
 * Room that is kept on a node's disk for the hour when there is none. A runtime must write down that a container has ended before
 * anything of it can be removed: on a disk that is wholly full it never does, and so nothing would ever be removed.
 */
import { randomBytes } from 'node:crypto';
import { open, rm, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';

const MOST_BYTES = 16 * 1024 * 1024;
const PART_OF_DISK = 50;
const CHUNK_BYTES = 256 * 1024;

export class DiskReserve {
  readonly #path: string;
  readonly #bytes: number;
  readonly #freeBytes: () => Promise<number>;
  #isKept = false;

  /** @param capacityBytes of the disk: of a small one little is kept */
  constructor(path: string, capacityBytes: number, freeBytes = () => freeBeside(path)) {
    this.#path = path;
    this.#freeBytes = freeBytes;
    this.#bytes = Math.min(MOST_BYTES, Math.floor(capacityBytes / PART_OF_DISK));
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Nothing happens where it is kept already, or there is no room for it. */
  async keep(): Promise<void> {
    this.#isKept ||= (await this.#size()) === this.#bytes; // by an earlier kubelet
    // To try would take from the others, for a moment, the little that is left to them.
    if (this.#isKept || (await this.#freeBytes()) < 2 * this.#bytes) return;
    const file = await open(this.#path, 'w', 0o600);
    try {
      const chunk = randomBytes(CHUNK_BYTES); // zeros would take no room on some file systems
      for (let left = this.#bytes; left > 0; left -= CHUNK_BYTES)
        await file.write(chunk, 0, Math.min(left, CHUNK_BYTES));
      this.#isKept = true;
    } finally {
      await file.close();
      if (!this.#isKept) await rm(this.#path, { force: true });
    }
  }

  async #size(): Promise<number | undefined> {
    return (await stat(this.#path).catch(() => undefined))?.size;
  }

  async release(): Promise<void> {
    await rm(this.#path, { force: true });
    this.#isKept = false;
  }
}

async function freeBeside(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(dirname(path));
  return bavail * bsize;
}
