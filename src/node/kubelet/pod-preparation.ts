/** What a pod's containers need before they can be made: control group, volumes, sandbox. */
import { mkdir } from 'node:fs/promises';
import type { Pod } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { Cgroups } from '#node/runtime/cgroups/cgroups.ts';
import type { PodSandboxConfig } from '#node/runtime/pod-sandbox.ts';
import type { ContainerRuntime } from '#node/runtime/runtime.ts';
import { RuntimeError } from '#node/runtime/runtime-error.ts';
import type { UserNamespace } from '#node/runtime/security-context.ts';
import type { Limiter } from './limiter.ts';
import type { PodActions } from './pod-actions.ts';
import type { PodEvents } from './pod-events.ts';
import type { PodNotes } from './pod-notes.ts';
import { podCgroupLimits, podCgroupPath } from './quality-of-service.ts';
import type { ReferencedObjects } from './referenced-objects.ts';
import type { Allocations } from './resize/allocations.ts';
import { largerLimits } from './resize/resizer.ts';
import { ClaimsFailed } from './resource-claims/claims-failed.ts';
import type { ResourceClaims } from './resource-claims/resource-claims.ts';
import { NoRuntimeClass } from './runtime-class.ts';
import type { RuntimePod, RuntimePods } from './runtime-pods.ts';
import { type SandboxFacts, sandboxConfigOf } from './sandbox-config.ts';
import { SyncFailed } from './sync-failed.ts';
import { NODE_USERS, NoUserNamespace, type UserNamespaces } from './user-namespaces/user-namespaces.ts';
import { type MountedVolumes, type PodVolumes, VolumesFailed } from './volumes/pod-volumes.ts';

export interface PodPreparationOptions {
  runtime: ContainerRuntime;
  runtimePods: RuntimePods;
  events: PodEvents;
  notes: PodNotes;
  volumes: PodVolumes;
  references: ReferencedObjects;
  /** How many sandboxes may be made at once. */
  starts: Limiter;
  cgroups: Cgroups | undefined;
  sandbox: SandboxFacts;
  /** How many processes a pod may have; 0 or less: as many as the node. */
  podPidsLimit: number;
  allocations: Allocations;
  claims: ResourceClaims;
  userNamespaces: UserNamespaces;
  /** The name of the runtime's handler; empty: its default one. Throws NoRuntimeClass. */
  runtimeHandlerOf(pod: Pod): Promise<string>;
}

export interface PreparedPod {
  sandboxId: string;
  config: PodSandboxConfig;
  podIPs: string[];
  volumes: MountedVolumes;
}
type Sandbox = Omit<PreparedPod, 'volumes'>;

interface Step {
  pod: Pod;
  actions: PodActions;
  before: RuntimePod;
  signal: AbortSignal;
}

export class PodPreparation {
  readonly #options: PodPreparationOptions;

  constructor(options: PodPreparationOptions) {
    this.#options = options;
  }

  /** Nothing is still under way when it fails. @throws SyncFailed, the signal's reason, or what others throw */
  async prepare(step: Step): Promise<PreparedPod> {
    const { actions, before, signal } = step;
    const podIPs = before.sandboxes[0]?.ips ?? [];
    if (actions.createSandbox && (await this.#isAllAtHand(step))) return this.#sideBySide(step);
    const steps = [this.#setUpVolumes(step, podIPs), this.#ensureCgroup(step)] as const;
    await Promise.allSettled(steps);
    const [volumes] = await Promise.all(steps);
    signal.throwIfAborted();
    return { volumes, ...(await this.#ensureSandbox(step)) };
  }

  ipsOf(pod: Pod, ips: string[]): string[] {
    return pod.spec.hostNetwork ? [...this.#options.sandbox.hostIPs] : ips;
  }

  /** Volumes need longer than their bytes: a token, a mount. The sandbox needs longer still, and none of them. */
  async #sideBySide(step: Step): Promise<PreparedPod> {
    const { pod } = step;
    const { notes, runtime } = this.#options;
    const making = this.#ensureCgroup(step).then(() => this.#ensureSandbox(step));
    const [volumes, sandbox] = await Promise.allSettled([this.#setUpVolumes(step, []), making]);
    if (volumes.status === 'fulfilled' && sandbox.status === 'fulfilled')
      return { volumes: volumes.value, ...sandbox.value };
    if (sandbox.status === 'rejected') throw sandbox.reason;
    // A pod whose volumes cannot be had has no sandbox, and no address.
    notes.of(pod.metadata.uid).volumesFailed = true;
    await runtime.stopPodSandbox(sandbox.value.sandboxId);
    await runtime.removePodSandbox(sandbox.value.sandboxId);
    throw (volumes as PromiseRejectedResult).reason;
  }

  /** Whether nothing that its volumes need can be expected to be missing; the API is asked at most once for it. */
  async #isAllAtHand({ pod, signal }: Step): Promise<boolean> {
    const { notes, references } = this.#options;
    if (notes.of(pod.metadata.uid).volumesFailed) return false;
    const ownOnly = (pod.spec.volumes ?? []).every((volume) => OWN_VOLUMES.some((sort) => volume[sort]));
    return ownOnly && (await references.expectsAllOf(pod, signal));
  }

  /** A group that has been told its limits and holds what runs is left alone. */
  async #ensureCgroup({ pod, actions }: Step): Promise<void> {
    const { cgroups, sandbox, allocations, podPidsLimit, notes } = this.#options;
    const path = podCgroupPath(sandbox.cgroupRoot, pod);
    // What is to shrink shrinks after its containers, by the resizer.
    const larger = largerLimits(podCgroupLimits(allocations.actuatedPod(pod)), podCgroupLimits(pod));
    const limits = { ...larger, ...(podPidsLimit > 0 && { pids: podPidsLimit }) };
    const note = notes.of(pod.metadata.uid);
    const isAtRest = !actions.createSandbox && actions.start.length === 0 && !note.resizing;
    if (isAtRest && isEqual(note.cgroup, limits)) return;
    await cgroups?.ensure(path, limits);
    note.cgroup = limits;
    if (!allocations.actuated(pod.metadata.uid)?.pod) allocations.actuatePod(pod);
  }

  async #setUpVolumes({ pod, signal }: Step, podIPs: readonly string[]): Promise<MountedVolumes> {
    try {
      return await this.#options.volumes.setUp(pod, podIPs, signal);
    } catch (error) {
      if (!(error instanceof VolumesFailed)) throw error;
      for (const message of error.messages) this.#options.events.warning(pod, undefined, 'FailedMount', message);
      throw new SyncFailed(error.message, { cause: error });
    }
  }

  async #ensureSandbox({ pod, actions, before }: Step): Promise<Sandbox> {
    const { sandbox, runtimePods, userNamespaces } = this.#options;
    const [newest] = before.sandboxes;
    if (!actions.createSandbox) {
      const config = sandboxConfigOf(pod, newest?.metadata.attempt ?? 0, {
        ...sandbox,
        users: userNamespaces.of(pod) ?? (await this.#giveUsers(pod, await this.#options.runtimeHandlerOf(pod))),
      });
      return { sandboxId: actions.sandboxId ?? '', config, podIPs: this.ipsOf(pod, newest?.ips ?? []) };
    }
    await this.#prepareClaims(pod);
    runtimePods.present([pod.metadata.uid]);
    const hasOwnUsers = pod.spec.hostUsers === false;
    if (hasOwnUsers) userNamespaces.starts.all++;
    try {
      return await this.#makeSandbox(pod, actions.createSandbox.attempt);
    } catch (error) {
      if (hasOwnUsers) userNamespaces.starts.failed++;
      throw this.#toldOf(pod, error);
    }
  }

  async #makeSandbox(pod: Pod, attempt: number): Promise<Sandbox> {
    const { runtime, runtimePods, sandbox, starts, runtimeHandlerOf } = this.#options;
    const handler = await runtimeHandlerOf(pod);
    const users = pod.spec.hostUsers === false ? await this.#giveUsers(pod, handler) : NODE_USERS;
    const config = sandboxConfigOf(pod, attempt, { ...sandbox, users });
    await mkdir(config.logDirectory, { recursive: true, mode: 0o755 });
    const sandboxId = await starts.run(() => runtime.runPodSandbox(config, handler));
    const status = await runtimePods.madeSandbox(pod.metadata.uid, sandboxId);
    return { sandboxId, config, podIPs: this.ipsOf(pod, status?.ips ?? []) };
  }

  async #giveUsers(pod: Pod, handler: string): Promise<UserNamespace> {
    const { runtime, userNamespaces } = this.#options;
    return userNamespaces.give(pod, handler, (await runtime.status()).handlers);
  }

  /** @returns what is to be thrown */
  #toldOf(pod: Pod, error: unknown): unknown {
    const isRefused = error instanceof NoRuntimeClass || error instanceof NoUserNamespace;
    if (!(error instanceof RuntimeError) && !isRefused) return error;
    const why = isRefused ? error.message : `rpc error: code = ${error.code} desc = ${error.message}`;
    const message = `Failed to create pod sandbox: ${why}`;
    this.#options.events.warning(pod, undefined, 'FailedCreatePodSandBox', message);
    return new SyncFailed(message, { cause: error });
  }

  async #prepareClaims(pod: Pod): Promise<void> {
    const { claims, events } = this.#options;
    try {
      await claims.prepare(pod);
    } catch (error) {
      if (!(error instanceof ClaimsFailed)) throw error;
      const message = `Failed to prepare dynamic resources: ${error.message}`;
      events.warning(pod, undefined, 'FailedPrepareDynamicResources', message);
      throw error;
    }
  }
}

/** Made of what the pod or an object says; the others are looked for elsewhere, and may be missing. */
const OWN_VOLUMES = ['emptyDir', 'configMap', 'secret', 'projected', 'downwardAPI'] as const;
