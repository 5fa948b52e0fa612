/**
 * The drivers of ResourceClaims on this node. One that has gone for long takes its ResourceSlices along, so that no pod is
 * sent to devices that nobody can prepare. Source: KEP-4381.
 */
import { StatusError, hasReason } from '#api/machinery/status.ts';
import { ResourceSlice } from '#api/resource/v1/resource-slice.ts';
import { type Clock, sleep, type Timer } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Client } from '#client/client.ts';
import { Unreachable } from '#client/transport.ts';
import type { DraService } from '#node/runtime/devices/dra-messages.ts';
import type { DeviceHealth, DraPlugin, OnDraCall } from '#node/runtime/devices/dra-plugin.ts';
import type { PluginHandler, PluginInfo } from '../volumes/plugin-watcher.ts';
import type { ClaimDurations } from './claim-durations.ts';
import { ClaimsFailed } from './claims-failed.ts';
import { followHealth } from './follow-health.ts';

export interface DraPluginsOptions {
  nodeName: string;
  client: Client;
  clock: Clock;
  log: Log;
  signal: AbortSignal;
  connect(endpoint: string, service: DraService, onCall: OnDraCall): DraPlugin;
}

interface Heard {
  durations: ClaimDurations;
  /** What a driver says of its devices; undefined: it says no more. */
  onHealth(driver: string, devices: readonly DeviceHealth[] | undefined): void;
}

interface Registered {
  endpoint: string;
  plugin: DraPlugin;
  isConnected: boolean;
  /** Whether it has said how well devices are, and its stream goes on. */
  saysHealth: boolean;
  gone: AbortController;
}

const SERVICES: readonly DraService[] = ['v1.DRAPlugin', 'v1beta1.DRAPlugin'];
/** A driver's container may be replaced by the next one in that time. */
const COMES_BACK_WITHIN_MS = 30_000;
const RETRY_MS = { least: 1_000, most: 300_000 };
const DRIVER_NAME = /^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/;

export class DraPlugins implements PluginHandler {
  readonly #options: DraPluginsOptions & Heard;
  /** Of each driver, in the order in which they came; none of one that is unknown. */
  readonly #drivers = new Map<string, Registered[]>();
  readonly #wipes = new Map<string, Timer>();
  #isClosed = false;

  constructor(options: DraPluginsOptions & Heard) {
    this.#options = options;
  }

  /** No driver is here yet, and perhaps none will be. */
  start(): void {
    void this.#wipe();
  }

  /** Throws ClaimsFailed where there is none. */
  of(driver: string): DraPlugin {
    const plugins = this.#drivers.get(driver) ?? [];
    const found = plugins.findLast(({ isConnected }) => isConnected) ?? plugins.at(-1);
    if (!found) throw new ClaimsFailed(`DRA driver ${driver} is not registered`);
    return found.plugin;
  }

  async register({ name, endpoint, supportedVersions }: PluginInfo): Promise<() => Promise<void>> {
    if (!DRIVER_NAME.test(name)) throw new Error(`invalid DRA driver name ${JSON.stringify(name)}`);
    const refused = `invalid supported gRPC versions of DRA driver plugin ${name} at endpoint ${endpoint}`;
    if (supportedVersions.length === 0)
      throw new Error(`${refused}: empty list of supported gRPC services (aka supported versions)`);
    const service = supportedVersions.find((version): version is DraService =>
      SERVICES.includes(version as DraService),
    );
    if (!service)
      throw new Error(
        `${refused}: none of services supported by the plugin (${listText(supportedVersions)}) are supported by the kubelet (${listText(SERVICES)})`,
      );
    const before = this.#drivers.get(name) ?? [];
    if (before.some((other) => other.endpoint === endpoint))
      throw new Error(`endpoint ${endpoint} already registered for DRA driver plugin ${name}`);
    const onCall: OnDraCall = (call) => this.#options.durations.called(name, call);
    const plugin = this.#options.connect(endpoint, service, onCall);
    const mine: Registered = { endpoint, plugin, isConnected: false, saysHealth: false, gone: new AbortController() };
    this.#drivers.set(name, [...before, mine]);
    mine.plugin.followConnection((isConnected) => {
      mine.isConnected = isConnected;
      this.#look(name);
    });
    this.#listen(name, mine);
    return async () => this.#remove(name, mine);
  }

  close(): void {
    this.#isClosed = true;
    for (const timer of this.#wipes.values()) timer.cancel();
    for (const { plugin, gone } of [...this.#drivers.values()].flat()) {
      gone.abort();
      plugin.close();
    }
  }

  #listen(name: string, mine: Registered): void {
    const { clock, log, onHealth } = this.#options;
    void followHealth(mine.plugin, {
      clock,
      log,
      signal: mine.gone.signal,
      onReport: (devices) => {
        mine.saysHealth = true;
        onHealth(name, devices);
      },
      onSilence: () => this.#fallSilent(name, mine),
    });
  }

  /** What counts is what any of a driver's plugins says: while it is replaced by the next one there are two. */
  #fallSilent(name: string, mine: Registered): void {
    mine.saysHealth = false;
    if (!this.#drivers.get(name)?.some(({ saysHealth }) => saysHealth)) this.#options.onHealth(name, undefined);
  }

  #remove(name: string, mine: Registered): void {
    const others = (this.#drivers.get(name) ?? []).filter((other) => other !== mine);
    if (others.length > 0) this.#drivers.set(name, others);
    else this.#drivers.delete(name);
    mine.gone.abort();
    mine.plugin.close();
    this.#fallSilent(name, mine);
    this.#look(name);
  }

  #isUsable(driver: string): boolean {
    return this.#drivers.get(driver)?.some(({ isConnected }) => isConnected) ?? false;
  }

  /** The time begins with the first loss. */
  #look(driver: string): void {
    if (this.#isClosed) return;
    const pending = this.#wipes.get(driver);
    if (this.#isUsable(driver)) {
      pending?.cancel();
      this.#wipes.delete(driver);
    } else if (!pending)
      this.#wipes.set(
        driver,
        this.#options.clock.timer(COMES_BACK_WITHIN_MS, () => {
          this.#wipes.delete(driver);
          void this.#wipe(driver);
        }),
      );
  }

  /** Deletes the node's ResourceSlices, of one driver or of all. A driver that comes back keeps what is left. */
  async #wipe(driver?: string): Promise<void> {
    const { nodeName, client, clock, log, signal } = this.#options;
    const fieldSelector = [`spec.nodeName=${nodeName}`, ...(driver ? [`spec.driver=${driver}`] : [])].join(',');
    for (let waitMs = RETRY_MS.least; !signal.aborted; waitMs = Math.min(2 * waitMs, RETRY_MS.most)) {
      if (driver && this.#isUsable(driver)) return;
      try {
        await client.deleteCollection(ResourceSlice, { fieldSelector });
        return;
      } catch (error) {
        if (hasReason(error, 'NotFound')) return;
        if (!(error instanceof StatusError) && !(error instanceof Unreachable)) throw error;
        log.warn('ResourceSlices cannot be deleted', { fieldSelector, error: error.message });
        await sleep(clock, waitMs, signal).catch(() => undefined); // aborted: the loop ends
      }
    }
  }
}

/** As Go's %q prints a list. */
const listText = (texts: readonly string[]): string => `[${texts.map((text) => JSON.stringify(text)).join(' ')}]`;
