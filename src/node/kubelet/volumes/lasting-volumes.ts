/**
 * The volumes whose bytes are not the pod's own: behind claims, of CSI drivers, of an NFS server, of an image. Each that is
 * there has a record, by which it is found and taken down also by a later kubelet.
 */
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import type { Node, PersistentVolume, Pod, Volume } from '#api/generated/schema.ts';
import { type Clock, sleep } from '#base/clock.ts';
import type { Client } from '#client/client.ts';
import type { PodEvents } from '../pod-events.ts';
import { Turns } from '../turns.ts';
import { claimedVolume } from './claimed-volume.ts';
import type { CsiVolumes } from './csi-volumes.ts';
import { PlainVolumes, type PlainVolumesOptions } from './plain-volumes.ts';
import { isPassing, isToGrow, undefinedIfPassing, VolumeGrowth } from './volume-growth.ts';
import { VolumeProblem } from './volume-problem.ts';
import type { VolumeRecord } from './volume-records.ts';
import type { VolumeStats } from './volume-usage.ts';

export interface LastingVolumesOptions extends PlainVolumesOptions {
  client: Client;
  clock: Clock;
  events: PodEvents;
  csi: CsiVolumes;
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
  readonly #plain: PlainVolumes;
  readonly #growth: VolumeGrowth;
  readonly #known = new Map<string, Known>();
  /** Several volumes of a pod may be of one claim: they have one place, and one record. */
  readonly #turns = new Turns();
  #restored: Promise<void> | undefined;

  constructor(options: LastingVolumesOptions) {
    this.#options = options;
    this.#plain = new PlainVolumes(options);
    this.#growth = new VolumeGrowth(options);
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
    // A claim's name has no spaces.
    const place = persistentVolumeClaim?.claimName ?? `${volume.name} itself`;
    const record = await this.#turns.take(`${pod.metadata.uid}/${place}`, () => this.#setUpNew(pod, volume, signal));
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
        this.#forget(record);
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

  /** By all names that its pod has for it. */
  #forget({ podUid, path }: VolumeRecord): void {
    for (const [id, { record }] of this.#known)
      if (record.podUid === podUid && record.path === path) this.#known.delete(id);
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
    if (volume.nfs) return this.#plain.nfs(pod, volume, { specName: volume.name, nfs: volume.nfs, options: [] });
    if (volume.image) return this.#plain.image(pod, volume, signal);
    const claimed = await claimedVolume(pod, volume, { client: this.#options.client, node: this.#options.node() });
    await this.#refuseSecondPod(pod, volume, claimed.volume);
    const { spec, metadata } = claimed.volume;
    const specName = metadata.name;
    refuseWrongUse(pod, volume.name, spec.volumeMode || 'Filesystem');
    if (spec.csi) {
      const record = await csi.setUpClaimed(pod, volume, claimed);
      await this.#growth.grow(pod, record, claimed);
      return record;
    }
    if (spec.local && spec.volumeMode === 'Block') return this.#plain.localDevice(pod, volume, claimed.volume);
    if (spec.local) return this.#plain.local(pod, volume, claimed.volume);
    if (spec.volumeMode === 'Block') throw VolumeProblem.beforeMount(volume.name, 'no volume plugin matched');
    if (spec.hostPath) return this.#plain.hostPath(pod, volume, claimed.volume);
    if (spec.nfs) return this.#plain.nfs(pod, volume, { specName, nfs: spec.nfs, options: spec.mountOptions ?? [] });
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
      if (claimed) await this.#growth.grow(pod, record, claimed);
    } catch (error) {
      if (!isPassing(error)) throw error;
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

/** Made of what the API has: what somebody wrote in them would be gone with the next change. */
const OF_API = ['configMap', 'secret', 'projected', 'downwardAPI', 'image'] as const;

/** Whether containers may write in a volume at all, as far as the pod itself says. */
export const isReadOnlyVolume = (volume: Volume): boolean =>
  OF_API.some((sort) => volume[sort]) ||
  [volume.persistentVolumeClaim, volume.csi, volume.nfs].some((source) => source?.readOnly === true);
