/** The pods that files on this node ask for: read again when the folder changes, and now and then anyway. */
import { type FSWatcher, watch } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Pod } from '#api/generated/schema.ts';
import { keyOf } from '#api/machinery/object.ts';
import type { Clock, Timer } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { BadManifest, podFromManifest } from './manifest.ts';

export interface StaticPodsOptions {
  /** A folder, or one file. */
  path: string;
  nodeName: string;
  everyMs: number;
  clock: Clock;
  log: Log;
  onChange(): void;
}

const MOST_BYTES = 10 * 1024 * 1024;
/** A file that is being written makes several events. */
const SETTLES_MS = 100;

export class StaticPods {
  readonly #options: StaticPodsOptions;
  /** By `namespace/name`. */
  #pods = new Map<string, Pod>();
  /** What was wrong with a file, so that it is told once. */
  readonly #complaints = new Map<string, string>();
  #watcher: FSWatcher | undefined;
  #timer: Timer | undefined;
  #reading: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: StaticPodsOptions) {
    this.#options = options;
  }

  list(): Pod[] {
    return [...this.#pods.values()];
  }

  get(key: string): Pod | undefined {
    return this.#pods.get(key);
  }

  get busy(): number {
    return this.#reading ? 1 : 0;
  }

  /** Resolves when the files were read once. */
  async start(): Promise<void> {
    await this.#read();
    this.#follow();
    this.#schedule(this.#options.everyMs);
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#watcher?.close();
  }

  #follow(): void {
    const { path, log } = this.#options;
    try {
      this.#watcher = watch(path, { persistent: false }, () => this.#schedule(SETTLES_MS));
      this.#watcher.on('error', (error) => log.warn('cannot watch static pods', { path, error: error.message }));
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error;
      log.warn('cannot watch static pods; they are read now and then', { path, error: error.message });
    }
  }

  #schedule(afterMs: number): void {
    if (this.#isClosed) return;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.timer(afterMs, () => {
      void this.#read().finally(() => this.#schedule(this.#options.everyMs));
    });
  }

  #read(): Promise<void> {
    this.#reading ??= this.#readOnce().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #readOnce(): Promise<void> {
    const { log, path, onChange } = this.#options;
    try {
      const next = new Map<string, Pod>();
      for (const file of await this.#files()) {
        const pod = await this.#podOf(file);
        if (pod) next.set(keyOf(pod), pod);
      }
      const before = this.#pods;
      // What did not change stays the same object: when it was first seen is part of it.
      this.#pods = new Map([...next].map(([key, pod]) => [key, sameAs(before.get(key), pod)]));
      const isSame = before.size === this.#pods.size && [...this.#pods].every(([key, pod]) => before.get(key) === pod);
      if (!isSame && !this.#isClosed) onChange();
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error;
      log.warn('cannot read static pods', { path, error: error.message });
    }
  }

  /** In the order of their names; hidden ones are not meant. */
  async #files(): Promise<string[]> {
    const { path } = this.#options;
    if ((await stat(path)).isFile()) return [path];
    const names = (await readdir(path)).filter((name) => !name.startsWith('.')).sort();
    return names.map((name) => join(path, name));
  }

  async #podOf(file: string): Promise<Pod | undefined> {
    const { nodeName, clock, log } = this.#options;
    try {
      const found = await stat(file);
      if (!found.isFile()) return undefined;
      if (found.size > MOST_BYTES) throw new BadManifest('it is too large');
      const text = await readFile(file, 'utf8');
      if (text.trim() === '') return undefined;
      const pod = podFromManifest(text, { path: file, nodeName, nowMs: clock.now() });
      this.#complaints.delete(file);
      return pod;
    } catch (error) {
      const isGone = error instanceof Error && 'code' in error && error.code === 'ENOENT';
      if (isGone) return undefined;
      if (!(error instanceof BadManifest) && !(error instanceof Error && 'code' in error)) throw error;
      if (this.#complaints.get(file) !== error.message)
        log.error('a static pod cannot be read', { file: basename(file), error: error.message });
      this.#complaints.set(file, error.message);
      return undefined;
    }
  }
}

const sameAs = (before: Pod | undefined, now: Pod): Pod => (before?.metadata.uid === now.metadata.uid ? before : now);
