/** Removes what nobody needs any more: old runs of containers, sandboxes without any, and pods that the API has forgotten. */
import { rm } from 'node:fs/promises';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { type ContainerRuntime, RuntimeError } from '#node/runtime/runtime.ts';
import type { PodEnd } from './pod-end.ts';
import { CONTAINER_NAME, POD_UID } from './runtime-labels.ts';
import { containerNameOf, newestOf, type RuntimePods } from './runtime-pods.ts';
import type { PodVolumes } from './volumes/pod-volumes.ts';

export interface HousekeepingOptions {
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

  constructor(options: HousekeepingOptions) {
    this.#options = options;
  }

  /** After each look at the runtime's whole list, once our copy of the API is complete. */
  async tidy(podUids: ReadonlySet<string>): Promise<void> {
    const { isKnown, volumes, log } = this.#options;
    try {
      const here = new Set([...podUids, ...(await volumes.known())]);
      for (const uid of this.#unknownSince.keys()) if (!here.has(uid)) this.#unknownSince.delete(uid);
      for (const uid of here) {
        if (isKnown(uid)) {
          this.#unknownSince.delete(uid);
          await this.#collectRuns(uid);
        } else if (this.#isUnknownForLong(uid)) await this.#forget(uid);
      }
    } catch (error) {
      if (!(error instanceof RuntimeError) && !(error instanceof Error && 'code' in error)) throw error;
      log.warn('housekeeping', { error: error.message });
    }
  }

  /** The disk is needed: dead containers go, but for the last run of a container that may be started again. */
  async removeDead(isRunning: (podUid: string) => boolean): Promise<void> {
    const { runtime, runtimePods } = this.#options;
    const dead = (await runtime.listContainers()).filter(({ state }) => state === 'CONTAINER_EXITED');
    for (const { id, labels } of dead) {
      const uid = labels[POD_UID];
      if (!uid) continue;
      if (isRunning(uid)) {
        const newest = newestOf(await runtimePods.read(uid), labels[CONTAINER_NAME] ?? '');
        if (newest?.id === id) continue;
      }
      const status = await runtime.containerStatus(id);
      await runtime.removeContainer(id);
      if (status) await rm(status.logPath, { force: true });
      runtimePods.forget(id);
    }
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
    const containers = await runtime.listContainers({ labelSelector: { [POD_UID]: uid } });
    if (containers.length < RUNS_KEPT) return;
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
