/** What the kubelet must remember beyond its own life: small JSON files that are whole or absent at any moment. */
import { randomUUID } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';

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

/** Writes the newest state, one write at a time; changes that come together share one. */
export class StateFile {
  readonly #path: string;
  readonly #state: () => unknown;
  #writing: Promise<void> | undefined;
  #isDirty = false;

  constructor(path: string, state: () => unknown) {
    this.#path = path;
    this.#state = state;
  }

  changed(): void {
    this.#isDirty = true;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  /** Resolves when everything is written. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    while (this.#isDirty) {
      await Promise.resolve(); // what changes in the same turn is one write
      this.#isDirty = false;
      const draft = `${this.#path}.${randomUUID()}`;
      await writeFile(draft, JSON.stringify(this.#state()), { mode: 0o600 });
      await rename(draft, this.#path);
    }
  }
}
