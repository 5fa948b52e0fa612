/**
 * The volumes whose bytes are not the pod's own: behind claims, of CSI drivers, of an NFS server, of an image. Each that is
 * there has a record, by which it is found and taken down also by a later kubelet.
 */
import { access, mkdir, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import type { NFSVolumeSource, Node, PersistentVolume, Pod, Volume } from '#api/generated/schema.ts';
import { compareQuantities } from '#api/machinery/quantity.ts';
import { StatusError } from '#api/machinery/status.ts';
import { type Clock, sleep } from '#base/clock.ts';
import type { Client } from '#client/client.ts';
import { Unreachable } from '#client/transport.ts';
import type { PodEvents } from '../pod-events.ts';
import { type Claimed, claimedVolume } from './claimed-volume.ts';
import type { CsiVolumes } from './csi-volumes.ts';
import { checkHostPath, HostPathRefused } from './host-path.ts';
import { MountFailed, type Mounter } from './mounter.ts';
import { DriverFailed } from '#node/runtime/csi/node-driver.ts';
import { giveToGroup } from './ownership.ts';
import { VolumeProblem } from './volume-problem.ts';
import type { VolumeRecord, VolumeRecords } from './volume-records.ts';
import type { VolumeStats } from './volume-usage.ts';

/** Puts the content of a volume's image, read-only, where it is wanted. */
export interface ImageMounts {
  /** Throws VolumeProblem, or what says that it is to be tried again. */
  mount(pod: Pod, volume: Volume, at: { target: string; signal: AbortSignal | undefined }): Promise<void>;
  unmount(target: string): Promise<void>;
}

export interface LastingVolumesOptions {
  client: Client;
  clock: Clock;
  events: PodEvents;
  mounter: Mounter;
  records: VolumeRecords;
  csi: CsiVolumes;
  images: ImageMounts;
  nodeName: string;
  node(): Node | undefined;
}

interface Known {
  record: VolumeRecord;
  /** As its pod was last synced; undefined: not yet since this kubelet began. */
  use: { pod: Pod; volume: Volume } | undefined;
  /** When the claim was last looked at, in monotonic ms. */
  lookedMs: number;
}

/** How often the claim of a running pod is looked at, for whether its volume has grown. */
const LOOK_EVERY_MS = 10_000;
/** Not twice for one reason. */
const LOOK_AGAIN_MS = 5_000;

export class LastingVolumes {
  readonly #options: LastingVolumesOptions;
  readonly #known = new Map<string, Known>();
  #restored: Promise<void> | undefined;

  constructor(options: LastingVolumesOptions) {
    this.#options = options;
  }

  /** What an earlier kubelet has left. Before the node says how it is. */
  restore(): Promise<void> {
    this.#restored ??= this.#restore();
    return this.#restored;
  }

  /**
   * Idempotent. @returns the path on the node; undefined for a volume of another sort
   * @throws VolumeProblem, VolumeNotYet, the signal's reason, or what the API throws
   */
  async setUp(pod: Pod, volume: Volume, signal?: AbortSignal): Promise<string | undefined> {
    const { persistentVolumeClaim, ephemeral, csi, nfs, image } = volume;
    if (!persistentVolumeClaim && !ephemeral && !csi && !nfs && !image) return undefined;
    await this.restore();
    const id = `${pod.metadata.uid}/${volume.name}`;
    const known = this.#known.get(id);
    if (known) {
      known.use = { pod, volume };
      await this.#lookAgain(pod, volume, known);
      return known.record.path;
    }
    const record = await this.#setUpNew(pod, volume, signal);
    this.#known.set(id, { record, use: { pod, volume }, lookedMs: this.#options.clock.monotonicMs() });
    return record.path;
  }

  /**
   * Grows volumes while their pods run: a node may not watch claims, so those that it uses are looked at, and only what was
   * asked to be larger than it is goes further. Ends with the signal.
   */
  async keepSizes(signal: AbortSignal): Promise<void> {
    const { clock, client } = this.#options;
    for (;;) {
      await sleep(clock, LOOK_EVERY_MS, signal).catch(() => undefined); // aborted: the loop ends
      if (signal.aborted) return;
      for (const [id, known] of [...this.#known]) {
        const { record, use } = known;
        if (!record.csi || !record.claim || !use) continue;
        const claim = await client.get(PersistentVolumeClaim, record.claim).catch(undefinedIfPassing);
        if (this.#known.get(id) !== known) continue; // its pod has gone meanwhile
        if (claim && isToGrow(claim)) await this.#lookAgain(use.pod, use.volume, known).catch(undefinedIfPassing);
      }
    }
  }

  /** Takes down everything of the pod; throws the first of what failed, when the rest is done. */
  async tearDown(podUid: string): Promise<void> {
    const { records, csi } = this.#options;
    const failures: unknown[] = [];
    for (const record of await records.ofPod(podUid)) {
      try {
        await this.#tearDownOne(record);
        this.#known.delete(`${podUid}/${record.volumeName}`);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
    csi.forget(podUid);
  }

  /** Of what is there now; what cannot be measured is left out. */
  async stats(podUid: string): Promise<VolumeStats[]> {
    const mine = [...this.#known.values()].map(({ record }) => record).filter((record) => record.podUid === podUid);
    const measured = mine.map((record) =>
      this.#options.csi.stats(record).catch((error: unknown) => {
        if (error instanceof Error) return undefined;
        throw error;
      }),
    );
    return (await Promise.all(measured)).filter((stats) => stats !== undefined);
  }

  async #restore(): Promise<void> {
    const { records, mounter, csi } = this.#options;
    const all = await records.all();
    csi.restore(all);
    for (const record of all) {
      const isThere = isOfNode(record) || (await mounter.below(record.path)).includes(record.path);
      // A volume that its driver wants published anew goes the whole way.
      if (isThere && !record.republishes)
        this.#known.set(`${record.podUid}/${record.volumeName}`, {
          record,
          use: undefined,
          lookedMs: Number.NEGATIVE_INFINITY,
        });
    }
  }

  async #setUpNew(pod: Pod, volume: Volume, signal: AbortSignal | undefined): Promise<VolumeRecord> {
    const { csi } = this.#options;
    if (volume.csi) return csi.setUpInline(pod, volume);
    if (volume.nfs) return this.#nfs(pod, volume, { specName: volume.name, nfs: volume.nfs, options: [] });
    if (volume.image) return this.#image(pod, volume, signal);
    const claimed = await claimedVolume(pod, volume, { client: this.#options.client, node: this.#options.node() });
    await this.#refuseSecondPod(pod, volume, claimed.volume);
    const { spec, metadata } = claimed.volume;
    const specName = metadata.name;
    refuseWrongUse(pod, volume.name, spec.volumeMode || 'Filesystem');
    if (spec.csi) {
      const record = await csi.setUpClaimed(pod, volume, claimed);
      await this.#grow(pod, record, claimed);
      return record;
    }
    if (spec.local && spec.volumeMode === 'Block') return this.#localDevice(pod, volume, claimed.volume);
    if (spec.local) return this.#local(pod, volume, claimed.volume);
    if (spec.volumeMode === 'Block') throw VolumeProblem.beforeMount(volume.name, 'no volume plugin matched');
    if (spec.hostPath) return this.#hostPath(pod, volume, claimed.volume);
    if (spec.nfs) return this.#nfs(pod, volume, { specName, nfs: spec.nfs, options: spec.mountOptions ?? [] });
    throw VolumeProblem.beforeMount(volume.name, 'no volume plugin matched');
  }

  async #refuseSecondPod(pod: Pod, volume: Volume, { metadata, spec }: PersistentVolume): Promise<void> {
    if (!spec.accessModes.includes('ReadWriteOncePod')) return;
    const { uid } = pod.metadata;
    const isTaken = (await this.#options.records.all()).some(
      (record) => record.specName === metadata.name && record.onlyOnePod && record.podUid !== uid,
    );
    if (isTaken)
      throw VolumeProblem.inStep(
        'SetUp',
        { volume: volume.name, specName: metadata.name },
        new Error('volume uses the ReadWriteOncePod access mode and is already in use by another pod'),
      );
  }

  async #local(pod: Pod, volume: Volume, { metadata, spec }: PersistentVolume): Promise<VolumeRecord> {
    const { mounter } = this.#options;
    const source = spec.local?.path ?? '';
    const about = { volume: volume.name, specName: metadata.name };
    if (!(await stat(source).catch(undefinedIfMissing)))
      throw VolumeProblem.inStep('NewMounter initialization', about, new Error(`path "${source}" does not exist`));
    const record = await this.#begin(pod, volume, { plugin: 'local-volume', specName: metadata.name });
    if (!(await this.#isMounted(record))) {
      await mkdir(record.path, { recursive: true, mode: 0o750 });
      await mounter.bind(source, record.path, { readOnly: record.readOnly });
    }
    const { fsGroup, fsGroupChangePolicy } = pod.spec.securityContext ?? {};
    if (fsGroup !== undefined && !record.readOnly)
      await giveToGroup(record.path, fsGroup, fsGroupChangePolicy === 'OnRootMismatch');
    return record;
  }

  /** The device itself: nothing is mounted, and nothing taken down. */
  async #localDevice(pod: Pod, volume: Volume, { metadata, spec }: PersistentVolume): Promise<VolumeRecord> {
    const path = spec.local?.path ?? '';
    const about = { volume: volume.name, specName: metadata.name };
    const found = await stat(path).catch(undefinedIfMissing);
    if (!found)
      throw VolumeProblem.inStep('NewMounter initialization', about, new Error(`path "${path}" does not exist`));
    if (!found.isBlockDevice()) throw VolumeProblem.ofDevice(about, new Error(`path "${path}" is not a block device`));
    return this.#begin(pod, volume, { plugin: 'local-volume', specName: metadata.name, path, isBlock: true });
  }

  async #hostPath(pod: Pod, volume: Volume, { metadata, spec }: PersistentVolume): Promise<VolumeRecord> {
    try {
      const path = await checkHostPath(spec.hostPath ?? { path: '', type: '' });
      return await this.#begin(pod, volume, { plugin: 'host-path', specName: metadata.name, path });
    } catch (error) {
      if (!(error instanceof HostPathRefused)) throw error;
      throw VolumeProblem.inStep('SetUp', { volume: volume.name, specName: metadata.name }, error);
    }
  }

  async #nfs(
    pod: Pod,
    volume: Volume,
    { specName, nfs, options }: { specName: string; nfs: NFSVolumeSource; options: readonly string[] },
  ): Promise<VolumeRecord> {
    const { mounter } = this.#options;
    const record = await this.#begin(pod, volume, { plugin: 'nfs', specName, readOnly: nfs.readOnly ?? false });
    if (await this.#isMounted(record)) return record;
    await mkdir(record.path, { recursive: true, mode: 0o750 });
    const flags = [...options, ...(record.readOnly ? ['ro'] : [])];
    try {
      await mounter.mount({ type: 'nfs', source: `${nfs.server}:${nfs.path}`, target: record.path, options: flags });
    } catch (error) {
      if (!(error instanceof MountFailed)) throw error;
      await this.#options.records.remove(record);
      await rmdir(record.path).catch(() => undefined); // the pod's folder goes with all that is in it
      const hint = (await hasNfsProgram()) ? '' : 'mount.nfs is not on this node: install nfs-common (or nfs-utils)\n';
      throw VolumeProblem.inStep('SetUp', { volume: volume.name, specName }, new Error(`${error.message}${hint}`));
    }
    return record;
  }

  async #image(pod: Pod, volume: Volume, signal: AbortSignal | undefined): Promise<VolumeRecord> {
    const record = await this.#begin(pod, volume, { plugin: 'image', specName: volume.name, readOnly: true });
    if (await this.#isMounted(record)) return record;
    await mkdir(record.path, { recursive: true, mode: 0o755 });
    await this.#options.images.mount(pod, volume, { target: record.path, signal });
    return record;
  }

  /** Written before anything is mounted, so that nothing mounted is ever unknown. */
  async #begin(
    pod: Pod,
    volume: Volume,
    given: Pick<VolumeRecord, 'plugin' | 'specName' | 'isBlock'> & { path?: string; readOnly?: boolean },
  ): Promise<VolumeRecord> {
    const { records } = this.#options;
    const podUid = pod.metadata.uid;
    const record: VolumeRecord = {
      podUid,
      volumeName: volume.name,
      path: join(records.folderOf({ podUid, ...given }), 'mount'),
      ...given,
      readOnly: given.readOnly ?? volume.persistentVolumeClaim?.readOnly ?? false,
    };
    await records.write(record);
    return record;
  }

  async #isMounted({ path }: VolumeRecord): Promise<boolean> {
    return (await this.#options.mounter.below(path)).includes(path);
  }

  async #tearDownOne(record: VolumeRecord): Promise<void> {
    const { mounter, records, csi, images } = this.#options;
    if (record.plugin === 'csi') return csi.tearDown(record);
    if (record.plugin === 'image') await images.unmount(record.path);
    if (!isOfNode(record)) for (const point of await mounter.below(record.path)) await mounter.unmount(point);
    await records.remove(record);
  }

  /** A pod that runs keeps running whatever comes of this. */
  async #lookAgain(pod: Pod, volume: Volume, known: Known): Promise<void> {
    const { clock, client, csi } = this.#options;
    const { record } = known;
    if (!record.csi || clock.monotonicMs() - known.lookedMs < LOOK_AGAIN_MS) return;
    known.lookedMs = clock.monotonicMs();
    try {
      const claimed = record.claim
        ? await claimedVolume(pod, volume, { client, node: this.#options.node() })
        : undefined;
      if (record.republishes)
        known.record = claimed ? await csi.setUpClaimed(pod, volume, claimed) : await csi.setUpInline(pod, volume);
      if (claimed) await this.#grow(pod, record, claimed);
    } catch (error) {
      if (!isPassing(error)) throw error;
    }
  }

  async #grow(pod: Pod, record: VolumeRecord, claimed: Claimed): Promise<void> {
    const { csi, events, client, nodeName } = this.#options;
    const name = claimed.volume.metadata.name;
    try {
      const storage = await csi.expand(record, claimed);
      if (storage === undefined) return;
      const { status, metadata } = claimed.claim;
      const conditions = status?.conditions?.filter(({ type }) => !RESIZING.includes(type)) ?? [];
      const patch = {
        status: { capacity: { ...status?.capacity, storage }, conditions, allocatedResourceStatuses: null },
      };
      const at = { name: metadata.name, namespace: metadata.namespace ?? '', subresource: 'status' };
      await client.patch(PersistentVolumeClaim, at, { type: 'merge', patch });
      events.normal(
        pod,
        undefined,
        'FileSystemResizeSuccessful',
        `MountVolume.NodeExpandVolume succeeded for volume "${name}" ${nodeName}`,
      );
    } catch (error) {
      if (!isPassing(error)) throw error;
      events.warning(
        pod,
        undefined,
        'VolumeResizeFailed',
        `NodeExpandVolume.NodeExpandVolume failed for volume "${name}" : ${(error as Error).message}`,
      );
    }
  }
}

/** Its path is the node's own: nothing was mounted there for the pod. */
const isOfNode = ({ plugin, isBlock }: VolumeRecord): boolean =>
  plugin === 'host-path' || (plugin === 'local-volume' && isBlock === true);

/** A device is not mounted, and a file system is no device. */
function refuseWrongUse({ spec }: Pod, volume: string, mode: string): void {
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  const isIn = (field: 'volumeMounts' | 'volumeDevices') =>
    containers.some((container) => container[field]?.some(({ name }) => name === volume));
  const wrong = mode === 'Block' ? 'volumeMounts' : 'volumeDevices';
  if (!isIn(wrong)) return;
  throw VolumeProblem.beforeMount(volume, `volume ${volume} has volumeMode ${mode}, but is specified in ${wrong}`);
}

const RESIZING = ['Resizing', 'FileSystemResizePending', 'NodeResizeError', 'ControllerResizeError'];

const isPassing = (error: unknown): boolean =>
  error instanceof DriverFailed ||
  error instanceof VolumeProblem ||
  error instanceof StatusError ||
  error instanceof Unreachable;

function undefinedIfPassing(error: unknown): undefined {
  if (!isPassing(error)) throw error;
}

/** It is asked to be larger, or its driver's resizer says that the rest is the node's. */
const isToGrow = ({ spec, status }: PersistentVolumeClaim): boolean =>
  compareQuantities(spec.resources?.requests?.['storage'] ?? '0', status?.capacity?.['storage'] ?? '0') > 0 ||
  (status?.conditions ?? []).some(({ type, status: is }) => type === 'FileSystemResizePending' && is === 'True');

/** Whether `mount -t nfs` has its helper. */
async function hasNfsProgram(): Promise<boolean> {
  for (const folder of ['/sbin', '/usr/sbin', '/bin', '/usr/bin']) {
    const found = await access(join(folder, 'mount.nfs')).then(
      () => true,
      () => false, // not here
    );
    if (found) return true;
  }
  return false;
}

function undefinedIfMissing(error: Error & { code?: string }): undefined {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
}

/** Made of what the API has: what somebody wrote in them would be gone with the next change. */
const OF_API = ['configMap', 'secret', 'projected', 'downwardAPI', 'image'] as const;

/** Whether containers may write in a volume at all, as far as the pod itself says. */
export const isReadOnlyVolume = (volume: Volume): boolean =>
  OF_API.some((sort) => volume[sort]) ||
  [volume.persistentVolumeClaim, volume.csi, volume.nfs].some((source) => source?.readOnly === true);
