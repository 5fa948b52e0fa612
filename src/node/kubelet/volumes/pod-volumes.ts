/** A pod's volumes: made before its containers, kept current while it runs, taken down when it is gone. */
import { chmod, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pod, Volume } from '#api/generated/schema.ts';
import { quantityValue } from '#api/machinery/quantity.ts';
import type { Clock } from '#base/clock.ts';
import { writeAtomically } from './atomic-writer.ts';
import { checkHostPath } from './host-path.ts';
import type { LastingVolumes } from './lasting-volumes.ts';
import { MountFailed, type Mounter } from './mounter.ts';
import { giveToGroup } from './ownership.ts';
import { payloadOf, type ProjectionSources } from './projections.ts';
import { SUB_PATHS } from './sub-path.ts';
import { VolumeNotYet, VolumeProblem } from './volume-problem.ts';

/** `message` is the text of the FailedMount event. */
export class VolumeFailed extends Error {
  readonly volume: string;

  constructor(volume: string, cause: Error) {
    const prefix = cause instanceof VolumeProblem ? '' : `MountVolume.SetUp failed for volume "${volume}" : `;
    super(`${prefix}${cause.message}`, { cause });
    this.volume = volume;
  }
}

export interface PodVolumesOptions {
  /** The kubelet's root folder. */
  root: string;
  mounter: Mounter;
  sources: ProjectionSources;
  /** Those whose bytes are not the pod's own; absent: none can be had. */
  lasting?: Pick<LastingVolumes, 'setUp' | 'tearDown'>;
  clock: Clock;
}

/** Upstream's podAttachAndMountTimeout: so long nobody is told that a volume is waited for. */
const PATIENCE_MS = 123_000;

export class PodVolumes {
  readonly #options: PodVolumesOptions;
  /** Since when a pod waits for somebody else's work on its volumes, by uid. */
  readonly #waitingSinceMs = new Map<string, number>();

  constructor(options: PodVolumesOptions) {
    this.#options = options;
  }

  folderOf(uid: string): string {
    return join(this.#options.root, 'pods', uid);
  }

  /**
   * Idempotent; also brings configMaps, secrets, tokens and downward files up to date.
   * @returns volume name → path on the node. @throws VolumeFailed, VolumeNotYet, the signal's reason
   */
  async setUp(pod: Pod, podIPs: readonly string[], signal?: AbortSignal): Promise<Map<string, string>> {
    const paths = new Map<string, string>();
    for (const volume of pod.spec.volumes ?? []) {
      try {
        paths.set(volume.name, await this.#setUpOne(pod, volume, { podIPs, signal }));
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof VolumeNotYet) this.#wait(pod, error);
        if (!(error instanceof Error)) throw error;
        throw new VolumeFailed(volume.name, error);
      }
    }
    this.#waitingSinceMs.delete(pod.metadata.uid);
    return paths;
  }

  #wait({ metadata }: Pod, notYet: VolumeNotYet): never {
    const now = this.#options.clock.monotonicMs();
    const since = this.#waitingSinceMs.get(metadata.uid) ?? now;
    this.#waitingSinceMs.set(metadata.uid, since);
    if (now - since < PATIENCE_MS) throw notYet;
    this.#waitingSinceMs.set(metadata.uid, now);
    const message = `Unable to attach or mount volumes: unmounted volumes=[${notYet.volume}], unattached volumes=[${notYet.volume}], failed to process volumes=[]: context deadline exceeded`;
    throw new VolumeFailed(notYet.volume, new VolumeProblem(notYet.volume, message));
  }

  /** Unmounts everything of the pod and removes its folder. What a host path or a claim holds is not touched. */
  async tearDown(uid: string): Promise<void> {
    const folder = this.folderOf(uid);
    this.#waitingSinceMs.delete(uid);
    // Parts of volumes first: a driver cannot take away what is still mounted elsewhere.
    const parts = await this.#options.mounter.below(join(folder, SUB_PATHS));
    for (const point of parts) await this.#options.mounter.unmount(point);
    await this.#options.lasting?.tearDown(uid);
    for (const point of await this.#options.mounter.below(folder)) await this.#options.mounter.unmount(point);
    const [left] = await this.#options.mounter.below(folder);
    // What is mounted is not the pod's own: it must not be removed with the pod's folder.
    if (left) throw new MountFailed(`${left} is still mounted`);
    await rm(folder, { recursive: true, force: true });
  }

  /** Pods that have a folder here. */
  async known(): Promise<string[]> {
    const entries = await readdir(join(this.#options.root, 'pods')).catch((error: Error & { code?: string }) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    return entries;
  }

  async #setUpOne(
    pod: Pod,
    volume: Volume,
    { podIPs, signal }: { podIPs: readonly string[]; signal: AbortSignal | undefined },
  ): Promise<string> {
    const { fsGroup } = pod.spec.securityContext ?? {};
    if (volume.hostPath) return checkHostPath(volume.hostPath);
    if (volume.emptyDir) return this.#emptyDir(pod, volume);
    const lasting = await this.#options.lasting?.setUp(pod, volume, signal);
    if (lasting !== undefined) return lasting;
    const payload = await payloadOf(volume, { pod, sources: this.#options.sources, podIPs });
    if (!payload) throw new Error('no volume plugin matched');
    const sort = volume.configMap
      ? 'configmap'
      : volume.secret
        ? 'secret'
        : volume.projected
          ? 'projected'
          : 'downward-api';
    const folder = join(this.folderOf(pod.metadata.uid), 'volumes', `kubernetes.io~${sort}`, volume.name);
    // Secrets and tokens stay in memory: they never reach a disk.
    const isSecret = sort === 'secret' || sort === 'projected';
    await this.#folder(folder, { inMemory: isSecret, mode: 0o755 });
    await writeAtomically(folder, payload, fsGroup);
    return folder;
  }

  async #emptyDir(pod: Pod, { name, emptyDir }: Volume): Promise<string> {
    const folder = join(this.folderOf(pod.metadata.uid), 'volumes', 'kubernetes.io~empty-dir', name);
    const limit = emptyDir?.sizeLimit ? quantityValue(emptyDir.sizeLimit) : 0;
    const made = await this.#folder(folder, {
      inMemory: emptyDir?.medium === 'Memory',
      mode: 0o777,
      ...(limit > 0 && { sizeBytes: limit }),
    });
    const { fsGroup } = pod.spec.securityContext ?? {};
    if (made && fsGroup !== undefined) await giveToGroup(folder, fsGroup);
    return folder;
  }

  /** @returns whether it was not there before */
  async #folder(
    path: string,
    { inMemory, mode, sizeBytes }: { inMemory: boolean; mode: number; sizeBytes?: number },
  ): Promise<boolean> {
    const there = await stat(path).catch((error: Error & { code?: string }) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    const isMounted = inMemory && there ? (await this.#options.mounter.below(path)).includes(path) : false;
    if (there && (!inMemory || isMounted)) return false;
    await mkdir(path, { recursive: true, mode: 0o750 });
    if (inMemory) await this.#options.mounter.tmpfs(path, { mode, ...(sizeBytes && { sizeBytes }) });
    else await chmod(path, mode);
    return true;
  }
}
