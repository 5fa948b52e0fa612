/** Volumes that are mounted, or taken as they are, without a driver: of the node itself, of an NFS server, of an image. */
import { access, mkdir, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { NFSVolumeSource, PersistentVolume, Pod, Volume } from '#api/generated/schema.ts';
import { checkHostPath, HostPathRefused } from './host-path.ts';
import { MountFailed, type Mounter } from './mounter.ts';
import { giveToGroup } from './ownership.ts';
import { VolumeProblem } from './volume-problem.ts';
import type { VolumeRecord, VolumeRecords } from './volume-records.ts';

/** Puts the content of a volume's image, read-only, where it is wanted. */
export interface ImageMounts {
  /** Throws VolumeProblem, or what says that it is to be tried again. */
  mount(pod: Pod, volume: Volume, at: { target: string; signal: AbortSignal | undefined }): Promise<void>;
  unmount(target: string): Promise<void>;
}

export interface PlainVolumesOptions {
  mounter: Mounter;
  records: VolumeRecords;
  images: ImageMounts;
}

/** All throw VolumeProblem. */
export class PlainVolumes {
  readonly #options: PlainVolumesOptions;

  constructor(options: PlainVolumesOptions) {
    this.#options = options;
  }

  async local(pod: Pod, volume: Volume, { metadata, spec }: PersistentVolume): Promise<VolumeRecord> {
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
  async localDevice(pod: Pod, volume: Volume, { metadata, spec }: PersistentVolume): Promise<VolumeRecord> {
    const path = spec.local?.path ?? '';
    const about = { volume: volume.name, specName: metadata.name };
    const found = await stat(path).catch(undefinedIfMissing);
    if (!found)
      throw VolumeProblem.inStep('NewMounter initialization', about, new Error(`path "${path}" does not exist`));
    if (!found.isBlockDevice()) throw VolumeProblem.ofDevice(about, new Error(`path "${path}" is not a block device`));
    return this.#begin(pod, volume, { plugin: 'local-volume', specName: metadata.name, path, isBlock: true });
  }

  async hostPath(pod: Pod, volume: Volume, { metadata, spec }: PersistentVolume): Promise<VolumeRecord> {
    try {
      const path = await checkHostPath(spec.hostPath ?? { path: '', type: '' });
      return await this.#begin(pod, volume, { plugin: 'host-path', specName: metadata.name, path });
    } catch (error) {
      if (!(error instanceof HostPathRefused)) throw error;
      throw VolumeProblem.inStep('SetUp', { volume: volume.name, specName: metadata.name }, error);
    }
  }

  async nfs(
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

  async image(pod: Pod, volume: Volume, signal: AbortSignal | undefined): Promise<VolumeRecord> {
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
}

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
