/** Removes what nobody needs any more: old runs of containers, sandboxes without any, and pods that the API has forgotten. */
import { rm } from 'node:fs/promises';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Container } from '#node/runtime/container.ts';
import type { ContainerRuntime } from '#node/runtime/runtime.ts';
import { RuntimeError } from '#node/runtime/runtime-error.ts';
import type { PodEnd } from './pod-end.ts';
import { type LeftoverPlaces, podsWithLeftovers } from './pod-leftovers.ts';
import { CONTAINER_NAME, POD_UID } from './runtime-labels.ts';
import { containerNameOf, newestOf, type RuntimePods } from './runtime-pods.ts';
import type { RuntimeList } from './runtime-watcher.ts';
import type { PodVolumes } from './volumes/pod-volumes.ts';

export interface HousekeepingOptions extends LeftoverPlaces {
  runtime: ContainerRuntime;
  runtimePods: RuntimePods;
  volumes: PodVolumes;
  end: PodEnd;
  clock: Clock;
  log: Log;
  /** Whether a worker has this pod. */
  isKnown(podUid: string): boolean;
}

/** Beside the newest run of a container its last one is kept: `kubectl logs -p` reads it. */
const RUNS_KEPT = 2;
/** A pod of the runtime may be ahead of our copy of the API: it is only forgotten when it stays unknown for so long. */
const UNKNOWN_FOR_MS = 10_000;

export class Housekeeping {
  readonly #options: HousekeepingOptions;
  readonly #unknownSince = new Map<string, number>();
  readonly #busy = new Set<string>();
  #isTidying = false;

  constructor(options: HousekeepingOptions) {
    this.#options = options;
  }

  /** How much it is doing. */
  get busy(): number {
    return this.#isTidying ? 1 : 0;
  }

  /** After each look at the runtime's whole list, once our copy of the API is complete. */
  async tidy(found: RuntimeList): Promise<void> {
    if (this.#isTidying) return;
    this.#isTidying = true;
    try {
      await this.#tidyOnce(found);
    } catch (error) {
      this.#tell(error);
    } finally {
      this.#isTidying = false;
    }
  }

  async #tidyOnce(found: RuntimeList): Promise<void> {
    const { isKnown, volumes } = this.#options;
    const inRuntime = [...found.sandboxes, ...found.containers].flatMap(({ labels }) => labels[POD_UID] ?? []);
    const here = new Set([...inRuntime, ...(await volumes.known()), ...(await podsWithLeftovers(this.#options))]);
    for (const uid of this.#unknownSince.keys()) if (!here.has(uid)) this.#unknownSince.delete(uid);
    const crowded = withOldRuns(found);
    for (const uid of here) {
      if (isKnown(uid)) {
        this.#unknownSince.delete(uid);
        if (crowded.has(uid)) await this.#collectRuns(uid).catch((error) => this.#tell(error, { uid }));
      } else if (this.#isUnknownForLong(uid)) await this.#forget(uid).catch((error) => this.#tell(error, { uid }));
    }
  }

  /** It is tried again at the next look, and holds up nothing else. */
  #tell(error: unknown, about: object = {}): void {
    if (!(error instanceof RuntimeError) && !(error instanceof Error && 'code' in error)) throw error;
    this.#options.log.warn('housekeeping', { ...about, error: error.message });
  }

  /** The disk is needed: dead containers go, but for the last run of a container that may be started again. */
  async removeDead(isRunning: (podUid: string) => boolean): Promise<void> {
    const { runtime, runtimePods } = this.#options;
    const dead = (await runtime.listContainers()).filter(({ state }) => state === 'CONTAINER_EXITED');
    const remove = async ({ id, labels }: Container): Promise<void> => {
      const uid = labels[POD_UID];
      if (!uid) return;
      if (isRunning(uid)) {
        const newest = newestOf(await runtimePods.read(uid), labels[CONTAINER_NAME] ?? '');
        if (newest?.id === id) return;
      }
      const status = await runtime.containerStatus(id);
      await runtime.removeContainer(id);
      if (status) await rm(status.logPath, { force: true });
      runtimePods.forget(id);
    };
    for (const container of dead)
      await remove(container).catch((error) => this.#tell(error, { container: container.id }));
  }

  #isUnknownForLong(uid: string): boolean {
    const now = this.#options.clock.monotonicMs();
    const since = this.#unknownSince.get(uid) ?? now;
    this.#unknownSince.set(uid, since);
    return now - since >= UNKNOWN_FOR_MS;
  }

  async #forget(uid: string): Promise<void> {
    if (this.#busy.has(uid)) return;
    this.#busy.add(uid);
    try {
      this.#options.log.info('a pod that the API does not know is removed', { uid });
      await this.#options.end.stopUnknown(uid);
    } finally {
      this.#busy.delete(uid);
    }
  }

  async #collectRuns(uid: string): Promise<void> {
    const { runtime, runtimePods } = this.#options;
    const now = await runtimePods.read(uid);
    const runs = new Map<string, number>();
    for (const status of now.containers) {
      const count = (runs.get(containerNameOf(status)) ?? 0) + 1;
      runs.set(containerNameOf(status), count);
      if (count <= RUNS_KEPT || status.state !== 'CONTAINER_EXITED') continue;
      await runtime.removeContainer(status.id);
      await rm(status.logPath, { force: true });
      runtimePods.forget(status.id);
    }
    const used = new Set(
      (await runtime.listContainers({ labelSelector: { [POD_UID]: uid } })).map(({ podSandboxId }) => podSandboxId),
    );
    for (const { id, state } of now.sandboxes.slice(1))
      if (state === 'SANDBOX_NOTREADY' && !used.has(id)) await runtime.removePodSandbox(id);
  }
}

/** Pods with more runs of a container, or more sandboxes, than are kept: nobody need ask after the others. */
function withOldRuns({ sandboxes, containers }: RuntimeList): Set<string> {
  const crowded = new Set<string>();
  const counts = new Map<string, number>();
  const count = (uid: string | undefined, what: string, kept: number) => {
    const key = `${uid}/${what}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
    if (uid && (counts.get(key) ?? 0) > kept) crowded.add(uid);
  };
  for (const { labels } of sandboxes) count(labels[POD_UID], '', 1);
  for (const { labels } of containers) count(labels[POD_UID], labels[CONTAINER_NAME] ?? '', RUNS_KEPT);
  return crowded;
}
