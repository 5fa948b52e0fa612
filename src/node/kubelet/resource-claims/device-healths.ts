/** How well devices of claims are, as their drivers last said, for as long as that counts. Source: KEP-4680. */
import { join } from 'node:path';
import type { ResourceHealth } from '#api/generated/schema.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { DeviceHealth } from '#node/runtime/devices/dra-plugin.ts';
import { readState, StateFile } from '../state-file.ts';

/** Without the device's own name. */
export type Health = Pick<ResourceHealth, 'health' | 'message'>;
export type DeviceName = Pick<DeviceHealth, 'poolName' | 'deviceName'>;

interface Said extends DeviceHealth {
  /** When it came. */
  atMs: number;
}

const CHECKPOINT = 'dra_health_state';
/** So long counts what a driver says, unless it says for how long. */
const COUNTS_FOR_MS = 30_000;
const LONGEST_MESSAGE = 1024;

export class DeviceHealths {
  readonly #clock: Clock;
  /** Driver → `pool/device` → what it said. */
  readonly #said: Map<string, Map<string, Said>>;
  readonly #file: StateFile;

  private constructor(options: { root: string; clock: Clock; log: Log }, said: Map<string, Map<string, Said>>) {
    this.#clock = options.clock;
    this.#said = said;
    const state = () => [...this.#said].map(([driver, devices]) => [driver, [...devices.values()]]);
    this.#file = new StateFile(join(options.root, CHECKPOINT), state, options);
  }

  /** With what the last kubelet heard. */
  static async open(options: { root: string; clock: Clock; log: Log }): Promise<DeviceHealths> {
    const kept = ((await readState(join(options.root, CHECKPOINT))) ?? []) as [string, Said[]][];
    const byName = (devices: Said[]) => new Map(devices.map((device) => [keyOf(device), device]));
    return new DeviceHealths(options, new Map(kept.map(([driver, devices]) => [driver, byName(devices)])));
  }

  of(driver: string, device: DeviceName): Health {
    const said = this.#said.get(driver)?.get(keyOf(device));
    if (!said || this.#isStale(said)) return { health: 'Unknown' };
    return { health: said.health, ...(said.message && { message: said.message }) };
  }

  /** All that the driver has to say. @returns the devices that are otherwise than was known of them */
  report(driver: string, devices: readonly DeviceHealth[]): DeviceName[] {
    const known = this.#said.get(driver) ?? new Map<string, Said>();
    this.#said.set(driver, known);
    const atMs = this.#clock.now();
    const reported = new Map(devices.map((device) => [keyOf(device), { ...cut(device), atMs }]));
    const changed: DeviceName[] = [];
    for (const [key, device] of reported) {
      const before = known.get(key);
      if (!before || this.#isStale(before) || !isSame(before, device)) changed.push(device);
      known.set(key, device);
    }
    for (const [key, device] of known) {
      if (reported.has(key) || !this.#isStale(device)) continue;
      known.delete(key);
      if (device.health !== 'Unknown') changed.push(device);
    }
    if (changed.length > 0) this.#file.changed();
    return changed;
  }

  /** The driver says no more. @returns the devices of which it had said something */
  forget(driver: string): DeviceName[] {
    const devices = [...(this.#said.get(driver)?.values() ?? [])];
    if (this.#said.delete(driver)) this.#file.changed();
    return devices;
  }

  async settled(): Promise<void> {
    await this.#file.settled();
  }

  #isStale({ atMs, countsForSeconds }: Said): boolean {
    const countsForMs = countsForSeconds > 0 ? countsForSeconds * 1000 : COUNTS_FOR_MS;
    return Math.abs(this.#clock.now() - atMs) > countsForMs; // the clock may have been set back
  }
}

const keyOf = ({ poolName, deviceName }: DeviceName): string => `${poolName}/${deviceName}`;

const isSame = (a: DeviceHealth, b: DeviceHealth): boolean =>
  a.health === b.health && a.message === b.message && a.countsForSeconds === b.countsForSeconds;

function cut(device: DeviceHealth): DeviceHealth {
  const { message } = device;
  return message.length <= LONGEST_MESSAGE
    ? device
    : { ...device, message: `${message.slice(0, LONGEST_MESSAGE - 3)}...` };
}
