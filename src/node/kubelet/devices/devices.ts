/**
 * Devices that plugins bring: how many there are, who has which, and what a container needs to use its own. Who has what
 * outlives the kubelet; plugins announce themselves anew when its socket is there again. Source: "Device Plugins".
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Container, Pod, ResourceStatus } from '#api/generated/schema.ts';
import { quantityValue } from '#api/machinery/quantity.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import {
  type Announcement,
  connectDevicePlugin,
  type Device,
  type DeviceGrant,
  type DevicePlugin,
  DevicePluginFailed,
  serveRegistration,
} from '#node/runtime/devices/device-plugin.ts';
import type { UnaryServer } from '#node/runtime/devices/unary-server.ts';
import type { ToldDevices } from '#node/runtime/devices/pod-resources-server.ts';
import type { Refusal } from '../pod-admission.ts';
import { initContainers, isSidecar } from '../pod-containers.ts';
import { readState, StateFile } from '../state-file.ts';

export interface DevicesOptions {
  /** The kubelet's folder. */
  root: string;
  clock: Clock;
  log: Log;
  /** How many there are has changed. */
  onChange(): void;
  /** How well a device of this pod is has changed. */
  onHealth(podUid: string): void;
}

interface Resource {
  devices: Map<string, Device>;
  plugin: DevicePlugin | undefined;
  stop: AbortController;
}
/** Container name → resource → ids. */
type Held = Record<string, Record<string, string[]>>;

export const DEVICE_API_VERSION = 'v1beta1';
const FOLDER = 'device-plugins';
const SOCKET = 'kubelet.sock';
const CHECKPOINT = 'kubelet_internal_checkpoint';
/** sun_path of a unix socket, less its end. */
const SOCKET_PATH_BYTES = 107;
const EXTENDED = /^(?!kubernetes\.io\/)(?!requests\.)[a-z0-9]([a-z0-9.-]*[a-z0-9])?\/[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?$/;

export class Devices {
  readonly #options: DevicesOptions;
  readonly #resources = new Map<string, Resource>();
  readonly #held: Map<string, Held>;
  readonly #file: StateFile;
  #registration: UnaryServer | undefined;
  #admitting: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  private constructor(options: DevicesOptions, held: Map<string, Held>) {
    this.#options = options;
    this.#held = held;
    this.#file = new StateFile(join(options.root, FOLDER, CHECKPOINT), () => Object.fromEntries(this.#held), options);
  }

  /** Plugins can announce themselves when this resolves. */
  static async open(options: DevicesOptions): Promise<Devices> {
    const folder = join(options.root, FOLDER);
    await mkdir(folder, { recursive: true, mode: 0o750 });
    const state = (await readState(join(folder, CHECKPOINT))) as Record<string, Held> | undefined;
    const devices = new Devices(options, new Map(Object.entries(state ?? {})));
    await devices.#listen(folder);
    return devices;
  }

  async #listen(folder: string): Promise<void> {
    const socket = join(folder, SOCKET);
    if (Buffer.byteLength(socket) > SOCKET_PATH_BYTES) {
      this.#options.log.warn('no device plugins: the path of their socket is too long', { socket });
      return;
    }
    // Sockets of plugins that knew an earlier kubelet: they make them anew when they see this one's.
    for (const name of await readdir(folder)) if (name !== CHECKPOINT) await rm(join(folder, name), { force: true });
    this.#registration = await serveRegistration(socket, (announcement) => this.#welcome(announcement));
  }

  /** What the node has of each resource, and what of it is well. */
  amounts(): { capacity: Record<string, string>; allocatable: Record<string, string> } {
    const capacity: Record<string, string> = {};
    const allocatable: Record<string, string> = {};
    for (const [name, { devices }] of this.#resources) {
      capacity[name] = String(devices.size);
      allocatable[name] = String([...devices.values()].filter(({ isHealthy }) => isHealthy).length);
    }
    return { capacity, allocatable };
  }

  /** Each by itself, once for each memory that it is near to. */
  heldBy(podUid: string, container: string): ToldDevices[] {
    const held = this.#held.get(podUid)?.[container] ?? {};
    return Object.entries(held).flatMap(([name, ids]) => ids.flatMap((id) => this.#told(name, id)));
  }

  /** Those that are well, given away or not. */
  allocatable(): ToldDevices[] {
    return [...this.#resources.keys()].flatMap((name) => this.#healthy(name).flatMap((id) => this.#told(name, id)));
  }

  /** How well each device of the container is; of one that its plugin does not tell of (yet), well. */
  healthOf(podUid: string, container: string): ResourceStatus[] {
    const held = this.#held.get(podUid)?.[container] ?? {};
    return Object.entries(held).map(([name, ids]) => ({
      name,
      resources: ids.map((id) => ({ resourceID: id, health: this.#isHealthy(name, id) ? 'Healthy' : 'Unhealthy' })),
    }));
  }

  #isHealthy(name: string, id: string): boolean {
    return this.#resources.get(name)?.devices.get(id)?.isHealthy ?? true;
  }

  #told(name: string, id: string): ToldDevices[] {
    const told = { resource_name: name, device_ids: [id] };
    const nodes = this.#resources.get(name)?.devices.get(id)?.numaNodes ?? [];
    return nodes.length === 0 ? [told] : nodes.map((ID) => ({ ...told, topology: { nodes: [{ ID }] } }));
  }

  /** Sets the pod's devices aside, one pod after the other. @returns why it cannot run here */
  admit(pod: Pod): Promise<Refusal | undefined> {
    const admitted = this.#admitting.then(() => this.#admitNow(pod));
    this.#admitting = admitted.catch(() => undefined);
    return admitted;
  }

  async #admitNow(pod: Pod): Promise<Refusal | undefined> {
    if (this.#held.has(pod.metadata.uid)) return undefined;
    const mine: Held = {};
    /** What an init container gives back when it has ended. */
    const reusable = new Map<string, string[]>();
    for (const container of [...initContainers(pod), ...pod.spec.containers])
      for (const [name, count] of this.#wants(container)) {
        const inUse = new Set([...this.#idsInUse(name), ...idsIn(mine, name)]);
        const again = reusable.get(name) ?? [];
        const free = this.#healthy(name).filter((id) => !inUse.has(id));
        if (again.length + free.length < count)
          return unexpected(
            `requested number of devices unavailable for ${name}. Requested: ${count}, Available: ${again.length + free.length}`,
          );
        let ids: string[];
        try {
          ids = await this.#chosen(name, { again, free, count });
        } catch (error) {
          if (!(error instanceof DevicePluginFailed)) throw error;
          return unexpected(`device plugin GetPreferredAllocation rpc failed with err: ${error.message}`);
        }
        mine[container.name] = { ...mine[container.name], [name]: ids };
        const isOver = initContainers(pod).includes(container) && !isSidecar(container);
        const rest = again.filter((id) => !ids.includes(id));
        reusable.set(name, isOver ? [...rest, ...ids] : rest);
      }
    if (Object.keys(mine).length === 0) return undefined;
    this.#held.set(pod.metadata.uid, mine);
    this.#file.changed();
    return undefined;
  }

  /** Those that the pod has already first; then what the plugin would give together; then what is near to one memory. */
  async #chosen(
    name: string,
    { again, free, count }: { again: readonly string[]; free: readonly string[]; count: number },
  ): Promise<string[]> {
    const already = again.slice(0, count);
    const missing = count - already.length;
    if (missing === 0) return already;
    const { plugin } = this.#resources.get(name) ?? {};
    const isFree = new Set(free);
    const preferred =
      plugin && missing < free.length && (await plugin.options()).hasPreference
        ? await plugin.preferred({ available: [...already, ...free], already, count })
        : [];
    const wished = [...new Set(preferred)].filter((id) => isFree.has(id));
    const others = this.#nearFirst(name, free, missing).filter((id) => !wished.includes(id));
    return [...already, ...[...wished, ...others].slice(0, missing)];
  }

  /** Where all that are missing are near to one memory, these come first. */
  #nearFirst(name: string, free: readonly string[], missing: number): string[] {
    const devices = this.#resources.get(name)?.devices;
    const nearTo = (node: number) => free.filter((id) => devices?.get(id)?.numaNodes.includes(node));
    const nodes = new Set(free.flatMap((id) => devices?.get(id)?.numaNodes ?? []));
    const near =
      [...nodes]
        .sort((a, b) => a - b)
        .map(nearTo)
        .find((ids) => ids.length >= missing) ?? [];
    return [...near, ...free.filter((id) => !near.includes(id))];
  }

  /** What the container needs, from the plugins of its devices; undefined when it has none. @throws DevicePluginFailed */
  async grantFor(pod: Pod, container: Container): Promise<DeviceGrant | undefined> {
    const held = this.#held.get(pod.metadata.uid)?.[container.name];
    if (!held) return undefined;
    const grants: DeviceGrant[] = [];
    for (const [name, ids] of Object.entries(held)) {
      const plugin = this.#resources.get(name)?.plugin;
      if (!plugin) throw new DevicePluginFailed(`endpoint not found in cache for a registered resource: ${name}`);
      grants.push(await plugin.allocate(ids));
      if ((await plugin.options()).preStartRequired) await plugin.preStart(ids);
    }
    return {
      envs: Object.assign({}, ...grants.map(({ envs }) => envs)),
      mounts: grants.flatMap(({ mounts }) => mounts),
      devices: grants.flatMap(({ devices }) => devices),
      annotations: Object.assign({}, ...grants.map(({ annotations }) => annotations)),
      cdiDevices: grants.flatMap(({ cdiDevices }) => cdiDevices),
    };
  }

  forget(podUid: string): void {
    if (this.#held.delete(podUid)) this.#file.changed();
  }

  /** What an earlier kubelet has left of pods that are gone. */
  keepOnly(isKnown: (podUid: string) => boolean): void {
    for (const uid of [...this.#held.keys()]) if (!isKnown(uid)) this.forget(uid);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { stop, plugin } of this.#resources.values()) {
      stop.abort();
      plugin?.close();
    }
    await this.#registration?.close();
    await this.#file.settled();
  }

  /** @throws what the plugin is told */
  #welcome({ version, endpoint, resourceName }: Announcement): void {
    const { log, root, clock } = this.#options;
    if (version !== DEVICE_API_VERSION)
      throw new Error(
        `failed to register device plugin: requested API version ${JSON.stringify(version)} is not supported by kubelet. Supported version is ${JSON.stringify(DEVICE_API_VERSION)}`,
      );
    if (!EXTENDED.test(resourceName))
      throw new Error(`failed to register device plugin: the ResourceName ${JSON.stringify(resourceName)} is invalid`);
    if (!/^[\w][\w.-]*$/.test(endpoint) || endpoint === SOCKET)
      throw new Error(`failed to register device plugin: the endpoint ${JSON.stringify(endpoint)} is invalid`);
    const before = this.#resources.get(resourceName);
    before?.stop.abort();
    before?.plugin?.close();
    const plugin = connectDevicePlugin(join(root, FOLDER, endpoint), clock);
    const resource: Resource = { devices: before?.devices ?? new Map(), plugin, stop: new AbortController() };
    this.#resources.set(resourceName, resource);
    log.info('a device plugin has come', { resource: resourceName, endpoint });
    void this.#follow(resourceName, resource, plugin);
  }

  async #follow(name: string, resource: Resource, plugin: DevicePlugin): Promise<void> {
    const { log, onChange } = this.#options;
    try {
      for await (const devices of plugin.watch(resource.stop.signal)) {
        this.#renew(name, resource, devices);
        onChange();
      }
    } catch (error) {
      if (!(error instanceof DevicePluginFailed)) throw error;
    }
    if (this.#isClosed || this.#resources.get(name) !== resource) return;
    log.warn('a device plugin has gone: its devices are out of use until it comes back', { resource: name });
    resource.plugin = undefined;
    plugin.close();
    const unwell = [...resource.devices.values()].map((device) => ({ ...device, isHealthy: false }));
    this.#renew(name, resource, unwell);
    onChange();
  }

  #renew(name: string, resource: Resource, devices: readonly Device[]): void {
    const holders = [...this.#held].filter(([, held]) => Object.values(held).some((byName) => byName[name]));
    const health = () => holders.map(([, held]) => idsIn(held, name).map((id) => this.#isHealthy(name, id)));
    const before = health();
    resource.devices = new Map(devices.map((device) => [device.id, device]));
    const now = health();
    for (const [index, [uid]] of holders.entries())
      if (now[index]?.some((isWell, at) => isWell !== before[index]?.[at])) this.#options.onHealth(uid);
  }

  #wants({ resources }: Container): [string, number][] {
    const known = (name: string) => this.#resources.has(name);
    return Object.entries(resources?.limits ?? {})
      .filter(([name, amount]) => known(name) && quantityValue(amount) > 0)
      .map(([name, amount]) => [name, quantityValue(amount)]);
  }

  #healthy(name: string): string[] {
    const devices = [...(this.#resources.get(name)?.devices.values() ?? [])];
    return devices.filter(({ isHealthy }) => isHealthy).map(({ id }) => id);
  }

  #idsInUse(name: string): string[] {
    return [...this.#held.values()].flatMap((held) => idsIn(held, name));
  }
}

const idsIn = (held: Held, name: string): string[] => Object.values(held).flatMap((byName) => byName[name] ?? []);

const unexpected = (why: string): Refusal => ({
  reason: 'UnexpectedAdmissionError',
  message: `Allocate failed due to ${why}, which is unexpected`,
});
