/** All that a node does for volumes, put together: the pods' own, those behind claims, and the drivers of both. */
import { join } from 'node:path';
import type { Node } from '#api/generated/schema.ts';
import { StatusError } from '#api/machinery/status.ts';
import { type Clock, sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Client } from '#client/client.ts';
import { Unreachable } from '#client/transport.ts';
import { connectDriver } from '#node/runtime/csi/connect-driver.ts';
import type { NodeDriver } from '#node/runtime/csi/node-driver.ts';
import type { PodEvents } from '../pod-events.ts';
import { CsiVolumes } from './csi-volumes.ts';
import { Drivers } from './drivers.ts';
import { LastingVolumes } from './lasting-volumes.ts';
import type { ImageMounts } from './plain-volumes.ts';
import { localPathDriver } from './local-path-driver.ts';
import type { Mounter } from './mounter.ts';
import { type PluginHandler, PluginWatcher } from './plugin-watcher.ts';
import { PodVolumes } from './pod-volumes.ts';
import type { ProjectionSources } from './projections.ts';
import type { ServiceAccountTokens } from './service-account-tokens.ts';
import { VolumeRecords } from './volume-records.ts';
import type { VolumeStats } from './volume-usage.ts';

export interface NodeVolumesOptions {
  /** The kubelet's root folder. */
  root: string;
  nodeName: string;
  client: Client;
  clock: Clock;
  log: Log;
  events: PodEvents;
  mounter: Mounter;
  sources: ProjectionSources;
  tokens: ServiceAccountTokens;
  images: ImageMounts;
  signal: AbortSignal;
  node(): Node | undefined;
  reportNode(): void;
  /** Of other types than CSI's. */
  plugins?: ReadonlyMap<string, PluginHandler>;
}

export interface NodeVolumes {
  readonly pods: PodVolumes;
  /** For a Node's status. */
  inUse(): string[];
  /** Of a pod's volumes whose bytes are not its own. */
  stats(podUid: string): Promise<VolumeStats[]>;
  /** What an earlier kubelet has left; before the node says how it is. */
  restore(): Promise<void>;
  /** Drivers are told to the API: when the node is registered. */
  start(): Promise<void>;
  /** Throws DriverFailed while a pod has it. */
  eraseLocalPath(volumeId: string): Promise<void>;
  close(): void;
}

const RETRY_MS = 5_000;

export function nodeVolumes(options: NodeVolumesOptions): NodeVolumes {
  const { root, nodeName, mounter, clock, log, signal } = options;
  const records = new VolumeRecords(root);
  const drivers = new Drivers(options);
  const csi = new CsiVolumes({ ...options, drivers, records });
  const lasting = new LastingVolumes({ ...options, records, csi });
  const localPath = localPathDriver({ root: join(root, 'local-path'), nodeName, mounter });
  const watcher = new PluginWatcher({
    folder: join(root, 'plugins_registry'),
    handlers: new Map([['CSIPlugin', csiPlugins(drivers, clock)], ...(options.plugins ?? [])]),
    clock,
    log,
  });
  return {
    pods: new PodVolumes({ ...options, lasting }),
    inUse: () => csi.volumesInUse(),
    stats: (podUid) => lasting.stats(podUid),
    restore: () => lasting.restore(),
    async start() {
      void lasting.keepSizes(signal);
      void keepTelling(() => drivers.register(localPath), { clock, log, signal });
      await watcher.start();
    },
    eraseLocalPath: (volumeId) => localPath.erase(volumeId),
    close() {
      watcher.close();
      drivers.close();
    },
  };
}

const csiPlugins = (drivers: Drivers, clock: Clock): PluginHandler => ({
  async register({ name, endpoint, supportedVersions }) {
    if (!/^[a-zA-Z0-9]([-a-zA-Z0-9.]{0,61}[a-zA-Z0-9])?$/.test(name))
      throw new Error(`invalid CSI driver name ${JSON.stringify(name)}`);
    if (!supportedVersions.some((version) => /^v?1\./.test(version)))
      throw new Error(`CSI driver validation failed: none of the CSI versions reported by this driver are supported`);
    const driver: NodeDriver = connectDriver(name, endpoint, clock);
    try {
      await drivers.register(driver);
    } catch (error) {
      await drivers.unregister(driver);
      throw error;
    }
    return () => drivers.unregister(driver);
  },
});

/** The built-in driver works already; only the API may be late to hear of it. */
async function keepTelling(
  tell: () => Promise<void>,
  { clock, log, signal }: { clock: Clock; log: Log; signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    try {
      await tell();
      return;
    } catch (error) {
      if (!(error instanceof StatusError) && !(error instanceof Unreachable)) throw error;
      log.warn('a driver cannot be told to the API', { error: error.message });
      await sleep(clock, RETRY_MS, signal).catch(() => undefined); // aborted: the loop ends
    }
  }
}
