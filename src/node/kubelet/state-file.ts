/** What the kubelet must remember beyond its own life: small JSON files that are whole or absent at any moment. */
import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { Clock, Timer } from '#base/clock.ts';
import type { Log } from '#base/log.ts';

/** undefined when there is none, or one that cannot be read: then the API and the runtime are asked instead. */
export async function readState(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError || (error instanceof Error && 'code' in error && error.code === 'ENOENT'))
      return undefined;
    throw error;
  }
}

/** Writes the newest state, one write at a time; changes that come together share one. A write that fails is tried again. */
export class StateFile {
  readonly #path: string;
  readonly #state: () => unknown;
  readonly #options: { clock: Clock; log: Log };
  #writing: Promise<void> | undefined;
  #isDirty = false;
  #again: Timer | undefined;

  constructor(path: string, state: () => unknown, options: { clock: Clock; log: Log }) {
    this.#path = path;
    this.#state = state;
    this.#options = options;
  }

  changed(): void {
    this.#isDirty = true;
    this.#again?.cancel();
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  /** Resolves when what has changed until now is written; or cannot be, and will be tried again. */
  async written(): Promise<void> {
    await this.#writing;
  }

  /** Resolves when everything is written, or cannot be. Nothing is tried again then. */
  async settled(): Promise<void> {
    await this.#writing;
    this.#again?.cancel();
  }

  async #write(): Promise<void> {
    while (this.#isDirty) {
      await Promise.resolve(); // what changes in the same turn is one write
      this.#isDirty = false;
      const draft = `${this.#path}.${randomUUID()}`;
      try {
        await writeFile(draft, JSON.stringify(this.#state()), { mode: 0o600 });
        await rename(draft, this.#path);
      } catch (error) {
        await rm(draft, { force: true });
        this.#failed(error);
      }
    }
  }

  /** The disk is full, most likely: the kubelet must live, for it is who makes room. */
  #failed(error: unknown): void {
    if (!(error instanceof Error) || !('code' in error)) throw error;
    const { clock, log } = this.#options;
    log.warn('what is to be remembered cannot be written', { path: this.#path, error: error.message });
    this.#again = clock.timer(RETRY_MS, () => this.changed());
  }
}

const RETRY_MS = 5_000;
