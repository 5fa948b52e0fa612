/** Listens to what a driver says of its devices, for as long as it has something to say. Source: KEP-4680. */
import { type Clock, sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { DriverFailed } from '#node/runtime/csi/node-driver.ts';
import type { DeviceHealth, DraPlugin } from '#node/runtime/devices/dra-plugin.ts';

const AGAIN_AFTER_MS = 5_000;

export interface HealthListener {
  clock: Clock;
  log: Log;
  /** Given when the plugin goes, or the kubelet. */
  signal: AbortSignal;
  onReport(devices: readonly DeviceHealth[]): void;
  /** It says nothing more for now, but for the signal. */
  onSilence(): void;
}

/** Resolves when the driver turns out to say nothing of the kind, or with the signal. */
export async function followHealth(plugin: DraPlugin, listener: HealthListener): Promise<void> {
  const { clock, log, signal } = listener;
  while (!signal.aborted) {
    try {
      for await (const devices of plugin.watchHealth(signal)) if (!signal.aborted) listener.onReport(devices);
    } catch (error) {
      if (!(error instanceof DriverFailed)) throw error;
      if (error.code === 'Unimplemented') return;
      if (!signal.aborted) log.info('a driver says no more of its devices', { error: error.message });
    }
    if (!signal.aborted) listener.onSilence();
    await sleep(clock, AGAIN_AFTER_MS, signal).catch(() => undefined); // aborted: the loop ends
  }
}
