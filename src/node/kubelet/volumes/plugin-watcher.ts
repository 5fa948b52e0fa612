/**
 * Plugins of the kubelet announce themselves by a socket in a folder, and go by removing it. Source: "Kubelet plugin
 * registration" of the design of CSI; KEP-595.
 */
import { type FSWatcher, watch } from 'node:fs';
import { lstat, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock, Timer } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { openCsiSocket } from '#node/runtime/csi/connect-driver.ts';
import { DriverFailed } from '#node/runtime/csi/node-driver.ts';

export interface PluginInfo {
  name: string;
  /** The socket of the plugin itself. */
  endpoint: string;
  supportedVersions: readonly string[];
}

/** For one type of plugins: `CSIPlugin`, `DevicePlugin`. */
export interface PluginHandler {
  /** Throws what the plugin is told. @returns what to do when it goes */
  register(plugin: PluginInfo): Promise<() => Promise<void>>;
}

export interface PluginWatcherOptions {
  folder: string;
  handlers: ReadonlyMap<string, PluginHandler>;
  clock: Clock;
  log: Log;
}

/** What the folder's events may have missed is seen by then; what failed is tried again. */
const LOOK_EVERY_MS = 10_000;
const SETTLE_MS = 100;
const MOST_SOCKETS = 256;

interface Plugin {
  inode: number;
  unregister: () => Promise<void>;
}

export class PluginWatcher {
  readonly #options: PluginWatcherOptions;
  readonly #plugins = new Map<string, Plugin>();
  #watcher: FSWatcher | undefined;
  #timer: Timer | undefined;
  #looking: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: PluginWatcherOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { folder } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o750 });
    this.#watcher = watch(folder, () => this.#schedule(SETTLE_MS));
    this.#watcher.on('error', () => undefined); // the slow look goes on
    this.#schedule(0);
  }

  close(): void {
    this.#isClosed = true;
    this.#watcher?.close();
    this.#timer?.cancel();
  }

  #schedule(afterMs: number): void {
    this.#timer?.cancel();
    if (this.#isClosed) return;
    this.#timer = this.#options.clock.timer(afterMs, () => {
      this.#looking = this.#looking.then(() => this.#look());
    });
  }

  async #look(): Promise<void> {
    if (this.#isClosed) return;
    try {
      const there = await sockets(this.#options.folder);
      for (const [path, { inode, unregister }] of this.#plugins)
        if (there.get(path) !== inode) {
          this.#plugins.delete(path);
          await unregister();
        }
      for (const [path, inode] of there) if (!this.#plugins.has(path)) await this.#welcome(path, inode);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.#options.log.warn('looking for plugins', { error: error.message });
    }
    this.#schedule(LOOK_EVERY_MS);
  }

  async #welcome(path: string, inode: number): Promise<void> {
    const { handlers, clock, log } = this.#options;
    const socket = openCsiSocket(path, clock);
    try {
      const { type, name, endpoint, supportedVersions } = await socket.call('GetInfo', {});
      const plugin = {
        name: String(name),
        endpoint: String(endpoint || path),
        supportedVersions: (supportedVersions ?? []) as string[],
      };
      const handler = handlers.get(String(type));
      if (!handler) throw new Error(`no handler registered for plugin type: ${type} at socket ${path}`);
      try {
        const unregister = await handler.register(plugin);
        this.#plugins.set(path, { inode, unregister });
        await socket.call('NotifyRegistrationStatus', { pluginRegistered: true });
        log.info('plugin registered', { type, name });
      } catch (error) {
        const message = (error as Error).message;
        await socket.call('NotifyRegistrationStatus', { pluginRegistered: false, error: message });
        throw error;
      }
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      // Away again, or not yet there: the next look tries again.
      if (!(error instanceof DriverFailed)) log.warn('a plugin is not registered', { path, error: error.message });
    } finally {
      socket.close();
    }
  }
}

/** Path → inode: a socket that was made anew is another plugin. Names with a dot at their begin are not meant. */
async function sockets(folder: string): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const name of (await readdir(folder)).filter((each) => !each.startsWith('.')).slice(0, MOST_SOCKETS)) {
    const path = join(folder, name);
    const there = await lstat(path).catch(() => undefined); // it has gone meanwhile
    if (there?.isSocket()) found.set(path, there.ino);
  }
  return found;
}
