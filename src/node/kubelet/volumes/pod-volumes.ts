/** A pod's volumes: made before its containers, kept current while it runs, taken down when it is gone. */
import { chmod, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pod, Volume } from '#api/generated/schema.ts';
import type { Clock } from '#base/clock.ts';
import { ImageFailed } from '../images.ts';
import { Limiter } from '../limiter.ts';
import { writeAtomically } from './atomic-writer.ts';
import { type Medium, mediumOf, memorySize } from './empty-dir.ts';
import { checkHostPath } from './host-path.ts';
import type { LastingVolumes } from './lasting-volumes.ts';
import { MountFailed, type Mounter } from './mounter.ts';
import { makeNestedMountPoints } from './nested-mount-points.ts';
import { giveToGroup } from './ownership.ts';
import { payloadOf, type ProjectionSources } from './projections.ts';
import { SUB_PATHS } from './sub-path.ts';
import { VolumeNotYet, VolumeProblem } from './volume-problem.ts';

/** Some volumes of a pod cannot be had. */
export class VolumesFailed extends Error {
  /** The texts of the FailedMount events, one for each. */
  readonly messages: readonly string[];

  constructor(failures: readonly { volume: string; cause: Error }[]) {
    const messages = failures.map(({ volume, cause }) => textOf(volume, cause));
    super(messages.join(', '), { cause: failures[0]?.cause });
    this.messages = messages;
  }
}

const textOf = (volume: string, cause: Error): string =>
  cause instanceof VolumeProblem ? cause.message : `MountVolume.SetUp failed for volume "${volume}" : ${cause.message}`;

export interface MountedVolumes {
  /** Volume name → path on the node. */
  paths: Map<string, string>;
  /** Volumes whose image could not be had: those of the containers that mount them wait. */
  imageFailures: Map<string, ImageFailed>;
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

interface SettingUp {
  podIPs: readonly string[];
  signal: AbortSignal | undefined;
}

/** As the kernel makes a tmpfs that nobody has told a mode, which is how upstream mounts it. */
const MEMORY_MODE = 0o1777;
/** Of one pod's volumes. */
const MOST_AT_ONCE = 8;
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
   * Idempotent; also brings configMaps, secrets, tokens and downward files up to date. One volume that fails keeps no other.
   * @throws VolumesFailed, VolumeNotYet, the signal's reason
   */
  async setUp(pod: Pod, podIPs: readonly string[], signal?: AbortSignal): Promise<MountedVolumes> {
    const done: MountedVolumes = { paths: new Map(), imageFailures: new Map() };
    const failures: { volume: string; cause: Error }[] = [];
    let notYet: VolumeNotYet | undefined;
    for (const { volume, path, error } of await this.#setUpEach(pod, { podIPs, signal })) {
      if (path !== undefined) done.paths.set(volume, path);
      else if (error instanceof ImageFailed) done.imageFailures.set(volume, error);
      else if (error instanceof VolumeNotYet) notYet ??= error;
      else if (error instanceof Error) failures.push({ volume, cause: error });
      else throw error;
    }
    const overdue = notYet && this.#overdue(pod, notYet);
    if (overdue) failures.push({ volume: overdue.volume, cause: overdue });
    if (failures.length > 0) throw new VolumesFailed(failures);
    if (notYet) throw notYet;
    this.#waitingSinceMs.delete(pod.metadata.uid);
    return done;
  }

  /** Beside one another, in their order; none is under way any more. @throws the signal's reason */
  async #setUpEach(pod: Pod, how: SettingUp): Promise<{ volume: string; path?: string; error?: unknown }[]> {
    const atOnce = new Limiter(MOST_AT_ONCE);
    const outcomes = await Promise.all(
      (pod.spec.volumes ?? []).map((volume) =>
        atOnce.run(async () => {
          try {
            how.signal?.throwIfAborted();
            return { volume: volume.name, path: await this.#setUpOne(pod, volume, how) };
          } catch (error) {
            return { volume: volume.name, error };
          }
        }),
      ),
    );
    if (outcomes.some(({ error }) => error !== undefined)) how.signal?.throwIfAborted();
    return outcomes;
  }

  /** What is said of a volume that has been waited for too long. */
  #overdue({ metadata }: Pod, { volume }: VolumeNotYet): VolumeProblem | undefined {
    const now = this.#options.clock.monotonicMs();
    const since = this.#waitingSinceMs.get(metadata.uid) ?? now;
    this.#waitingSinceMs.set(metadata.uid, since);
    if (now - since < PATIENCE_MS) return undefined;
    this.#waitingSinceMs.set(metadata.uid, now);
    const message = `Unable to attach or mount volumes: unmounted volumes=[${volume}], unattached volumes=[${volume}], failed to process volumes=[]: context deadline exceeded`;
    return new VolumeProblem(volume, message);
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

  async #setUpOne(pod: Pod, volume: Volume, { podIPs, signal }: SettingUp): Promise<string> {
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
    // Secrets and tokens stay in memory: they never reach a disk. What a pod says of itself does as upstream has it.
    const inMemory = sort !== 'configmap';
    const sizeBytes = inMemory ? memorySize(pod, this.#options.sources.node.allocatable['memory']) : undefined;
    await this.#folder(folder, {
      medium: inMemory ? { is: 'memory', sizeBytes } : { is: 'disk' },
      mode: inMemory ? MEMORY_MODE : 0o777, // nobody but the kubelet can write: a container has it read-only
    });
    await makeNestedMountPoints(folder, volume.name, pod);
    await writeAtomically(folder, payload, fsGroup);
    return folder;
  }

  async #emptyDir(pod: Pod, { name, emptyDir }: Volume): Promise<string> {
    const folder = join(this.folderOf(pod.metadata.uid), 'volumes', 'kubernetes.io~empty-dir', name);
    const { allocatable } = this.#options.sources.node;
    const medium = mediumOf(pod, emptyDir ?? {}, allocatable['memory']);
    const made = await this.#folder(folder, { medium, mode: medium.is === 'memory' ? MEMORY_MODE : 0o777 });
    const { fsGroup } = pod.spec.securityContext ?? {};
    if (made && fsGroup !== undefined) await giveToGroup(folder, fsGroup);
    return folder;
  }

  /** @returns whether it was not there before */
  async #folder(path: string, { medium, mode }: { medium: Medium; mode: number }): Promise<boolean> {
    const { mounter } = this.#options;
    const isMount = medium.is !== 'disk';
    const there = await stat(path).catch((error: Error & { code?: string }) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    const isMounted = isMount && there ? (await mounter.below(path)).includes(path) : false;
    if (there && (!isMount || isMounted)) return false;
    await mkdir(path, { recursive: true, mode: 0o750 });
    if (medium.is === 'memory')
      await mounter.tmpfs(path, { mode, ...(medium.sizeBytes && { sizeBytes: medium.sizeBytes }) });
    else if (medium.is === 'hugepages') {
      const options = [`pagesize=${medium.pageSize}`];
      await mounter.mount({ type: 'hugetlbfs', source: 'nodev', target: path, options });
      await chmod(path, mode);
    } else await chmod(path, mode);
    return true;
  }
}
