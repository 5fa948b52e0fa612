/**
 * Keeps containers' logs from filling the disk: a log that has grown to its limit gets another name, the runtime begins a
 * new one, and only so many old ones are kept. Source: KubeletConfiguration, containerLogMaxSize and -MaxFiles.
 */
import { statSync } from 'node:fs';
import { readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Container } from '#node/runtime/container.ts';
import type { ContainerRuntime } from '#node/runtime/runtime.ts';
import { RuntimeError } from '#node/runtime/runtime-error.ts';
import { POD_UID } from './runtime-labels.ts';

export interface LogRotationOptions {
  runtime: Pick<ContainerRuntime, 'containerStatus' | 'reopenContainerLog'>;
  /** As they were seen last: a log does not fill up so soon that it must be known better. */
  containers(): readonly Container[];
  clock: Clock;
  log: Log;
  signal: AbortSignal;
  maxBytes?: number;
  /** The current one included. */
  maxFiles?: number;
}

const EVERY_MS = 10_000;
const MAX_BYTES = 10 * 1024 * 1024;
const MAX_FILES = 5;

export class LogRotation {
  readonly #options: LogRotationOptions;
  /** By container: where it writes does not change. */
  #paths = new Map<string, string>();

  constructor(options: LogRotationOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, signal } = this.#options;
    clock.timer(EVERY_MS, () => {
      if (signal.aborted) return;
      this.rotateAll()
        .catch((error) => this.#tell(error))
        .finally(() => this.start());
    });
  }

  async rotateAll(): Promise<void> {
    const { runtime, maxBytes = MAX_BYTES } = this.#options;
    const running = this.#options
      .containers()
      .filter(({ state, labels }) => state === 'CONTAINER_RUNNING' && labels[POD_UID]);
    const known = this.#paths;
    this.#paths = new Map();
    const keepShort = async (id: string): Promise<void> => {
      const path = known.get(id) ?? (await runtime.containerStatus(id))?.logPath;
      if (!path) return;
      this.#paths.set(id, path);
      const size = sizeOf(path);
      if (size !== undefined && size >= maxBytes) await this.#rotate(id, path);
    };
    // It may have ended meanwhile: the logs of the others fill the disk nevertheless.
    for (const { id } of running) await keepShort(id).catch((error) => this.#tell(error, { container: id }));
  }

  #tell(error: unknown, about: object = {}): void {
    if (!(error instanceof RuntimeError) && !(error instanceof Error && 'code' in error)) throw error;
    this.#options.log.warn('cannot rotate logs', { ...about, error: error.message });
  }

  async #rotate(id: string, path: string): Promise<void> {
    const { runtime, clock, maxFiles = MAX_FILES } = this.#options;
    await dropOldest(path, maxFiles - 2); // room for the one that becomes old now, beside the new one
    const stamp = new Date(clock.now()).toISOString().replace(/\D/g, '').slice(0, 14);
    const old = `${path}.${stamp.slice(0, 8)}-${stamp.slice(8)}`;
    await rename(path, old);
    try {
      await runtime.reopenContainerLog(id);
    } catch (error) {
      await rename(old, path); // it goes on writing there
      throw error;
    }
  }
}

async function dropOldest(path: string, keep: number): Promise<void> {
  const prefix = `${basename(path)}.`;
  const old = (await readdir(dirname(path))).filter((name) => name.startsWith(prefix)).sort();
  for (const name of old.slice(0, Math.max(0, old.length - keep))) await rm(join(dirname(path), name), { force: true });
}

/** At once: fifty looks by way of another thread cost many times more than what they look at. undefined: it is not there. */
const sizeOf = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.size;
