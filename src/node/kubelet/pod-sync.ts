/** One step towards what a pod says: looks at what the runtime has, decides (`pod-actions.ts`), acts, reports. */
import type { Container, Pod, Secret } from '#api/generated/schema.ts';
import { StatusError } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import { Unreachable } from '#client/transport.ts';
import type { PodSandboxConfig } from '#node/runtime/pod-sandbox.ts';
import type { ContainerRuntime } from '#node/runtime/runtime.ts';
import { RuntimeError } from '#node/runtime/runtime-error.ts';
import type { ContainerKiller } from './container-killer.ts';
import type { ContainerRestarts } from './container-restarts.ts';
import { type ContainerStarter, removeUnstarted, StartFailed } from './container-starter.ts';
import type { SeenImage } from './images.ts';
import { type PodActions, podActions } from './pod-actions.ts';
import type { Refusal } from './pod-admission.ts';
import { ephemeralContainers, everyContainer } from './pod-containers.ts';
import type { PodEvents } from './pod-events.ts';
import type { PodNotes } from './pod-notes.ts';
import type { PodPreparation } from './pod-preparation.ts';
import type { PodReporter } from './pod-reporter.ts';
import type { Probes } from './probes/probes.ts';
import type { ReferencedObjects } from './referenced-objects.ts';
import type { Allocations } from './resize/allocations.ts';
import { isNothing, type ResizeActions, resizeActions } from './resize/resize-actions.ts';
import type { Resizer } from './resize/resizer.ts';
import type { Resizes } from './resize/resizes.ts';
import { isAlive, newestOf, type RuntimePod, type RuntimePods } from './runtime-pods.ts';
import { SyncFailed } from './sync-failed.ts';
import type { MountedVolumes, PodVolumes } from './volumes/pod-volumes.ts';
import { VolumeNotYet } from './volumes/volume-problem.ts';

export interface PodSyncOptions {
  runtime: ContainerRuntime;
  runtimePods: RuntimePods;
  clock: Clock;
  events: PodEvents;
  notes: PodNotes;
  reporter: PodReporter;
  probes: Probes;
  volumes: PodVolumes;
  references: ReferencedObjects;
  starter: ContainerStarter;
  killer: ContainerKiller;
  restarts: ContainerRestarts;
  preparation: PodPreparation;
  allocations: Allocations;
  resizes: Resizes;
  resizer: Resizer;
  /** Why a pod that has not begun may not run here; undefined when it may. */
  refusalOf(pod: Pod): Promise<Refusal | undefined>;
}

export interface SyncResult {
  /** All containers have ended and none will be started again. */
  finished: boolean;
  /** Look again then, even if nothing happens. undefined: at the next ordinary time. */
  againAfterMs: number | undefined;
}

const RETRY_MS = 5_000;

export class PodSync {
  readonly #options: PodSyncOptions;

  constructor(options: PodSyncOptions) {
    this.#options = options;
  }

  /**
   * @param isRoutine nothing has happened: only its time has come again
   * @throws SyncFailed, the signal's reason, or what the API or the runtime throws
   */
  async sync(wanted: Pod, signal: AbortSignal, isRoutine = false): Promise<SyncResult> {
    const { runtimePods, reporter, notes, references, allocations, resizes, resizer } = this.#options;
    references.follow(wanted);
    const pod = resizes.decide(wanted);
    const before = (isRoutine && this.#asItWas(pod)) || (await runtimePods.read(pod.metadata.uid));
    const deadlineMs = this.#deadlineLeftMs(pod);
    if (deadlineMs !== undefined && deadlineMs <= 0) return this.#pastDeadline(pod, before);
    const refusal = before.sandboxes.length === 0 ? await this.#options.refusalOf(pod) : undefined;
    if (refusal) return this.#refuse(pod, refusal, before);
    if (!allocations.has(pod.metadata.uid)) allocations.allocate(pod);
    const actions = podActions(pod, before, reporter.healthOf(pod));
    const resize = resizeActions(pod, before, allocations.actuated(pod.metadata.uid));
    this.#restartResized(pod, resize, actions);
    this.#forgetOldReasons(pod, actions);
    reporter.report(pod, before);
    if (actions.killPod && !actions.createSandbox) return { finished: true, againAfterMs: undefined };

    const waits = await this.#act(pod, { actions, before, signal });
    const resizeAgainMs = isNothing(resize) ? undefined : await resizer.resize(pod, resize);
    if (resizeAgainMs === undefined) resizer.completed(pod);
    else waits.push(resizeAgainMs);
    const hasActed = isAnything(actions) || !isNothing(resize);
    const now = hasActed ? await runtimePods.readKnown(pod.metadata.uid) : before;
    this.#followProbes(pod, now);
    const { startTime } = reporter.report(pod, now);
    // An init container or sidecar that has just started may let the next one begin.
    const more = podActions(pod, now, reporter.healthOf(pod));
    const { waiting } = notes.of(pod.metadata.uid);
    if (more.start.some(({ name }) => !waiting.has(name))) waits.push(0);
    const leftMs = this.#deadlineLeftMs(pod, startTime);
    if (leftMs !== undefined) waits.push(leftMs);
    return { finished: false, againAfterMs: waits.length > 0 ? Math.min(...waits) : undefined };
  }

  /** As it was seen last, where that asks for nothing: what is to be acted on is looked at. */
  #asItWas(pod: Pod): RuntimePod | undefined {
    const { runtimePods, reporter } = this.#options;
    const known = runtimePods.remembered(pod.metadata.uid);
    return known && !isAnything(podActions(pod, known, reporter.healthOf(pod))) ? known : undefined;
  }

  /** Containers that may not be changed while they run. */
  #restartResized(pod: Pod, resize: ResizeActions, actions: PodActions): void {
    if (isNothing(resize)) return;
    const note = this.#options.notes.of(pod.metadata.uid);
    note.resizing ??= { generation: pod.metadata.generation ?? 0 };
    for (const { container, status } of resize.restart) {
      if (actions.kill.some(({ status: { id } }) => id === status.id)) continue;
      const message = `Container ${container.name} resize requires restart`;
      actions.kill.push({ status, container, message, reason: 'Changed' });
      actions.start.push(container);
    }
  }

  /** Only says again how it is, unless that `isLate` when the runtime has answered: what it said may not be true any more. */
  async refresh(wanted: Pod, isLate: () => boolean): Promise<void> {
    const pod = this.#options.allocations.allocatedPod(wanted);
    const now = await this.#options.runtimePods.look(pod.metadata.uid);
    if (!isLate()) this.#options.reporter.report(pod, now);
  }

  /** @returns waits in ms after which something is to be tried again */
  async #act(
    pod: Pod,
    { actions, before, signal }: { actions: PodActions; before: RuntimePod; signal: AbortSignal },
  ): Promise<number[]> {
    const { preparation, starter } = this.#options;
    if (actions.killPod) await this.#clearSandboxes(pod, before, signal);
    await this.#killSome(pod, actions, signal);
    await this.#reset(pod, actions, signal);
    signal.throwIfAborted();
    const seen = actions.createSandbox && starter.look(actions.start);
    const { volumes, sandboxId, config, podIPs } = await preparation.prepare({ pod, actions, before, signal });
    const pullSecrets = actions.start.length > 0 ? await this.#pullSecrets(pod) : [];
    const waits: number[] = [];
    for (const container of actions.start) {
      signal.throwIfAborted();
      const wait = await this.#startOne(pod, container, {
        before,
        signal,
        sandboxId,
        sandboxConfig: config,
        podIPs,
        volumes: volumes.paths,
        imageFailures: volumes.imageFailures,
        pullSecrets,
        seen: seen?.get(container),
      });
      if (wait !== undefined) waits.push(wait);
    }
    return waits;
  }

  async #clearSandboxes(pod: Pod, before: RuntimePod, signal: AbortSignal): Promise<void> {
    const { events, killer, runtime } = this.#options;
    if (before.sandboxes.length > 0)
      events.normal(pod, undefined, 'SandboxChanged', 'Pod sandbox changed, it will be killed and re-created.');
    await killer.killAll(pod, before, { graceSeconds: pod.spec.terminationGracePeriodSeconds, signal });
    for (const { id } of before.sandboxes) await runtime.stopPodSandbox(id);
  }

  async #killSome(pod: Pod, { kill }: PodActions, signal: AbortSignal): Promise<void> {
    await Promise.all(
      kill.map(({ status, container, message, reason }) => {
        const probe = container?.livenessProbe ?? container?.startupProbe;
        const own = reason === 'Unhealthy' ? probe?.terminationGracePeriodSeconds : undefined;
        const graceSeconds = own ?? pod.spec.terminationGracePeriodSeconds;
        return this.#options.killer.kill(pod, status, { container, graceSeconds, message, signal });
      }),
    );
  }

  /** Their logs stay until the pod goes. */
  async #reset(pod: Pod, { reset }: PodActions, signal: AbortSignal): Promise<void> {
    const { killer, runtime, runtimePods } = this.#options;
    for (const { container, status } of reset) {
      if (isAlive(status)) await killer.kill(pod, status, { container, graceSeconds: 0, message: 'killing', signal });
      signal.throwIfAborted();
      await runtime.removeContainer(status.id);
      runtimePods.forget(status.id);
    }
  }

  /** Those that exist. A missing one is told, and the pull is tried without it, as upstream does. */
  async #pullSecrets(pod: Pod): Promise<Secret[]> {
    const { references, events } = this.#options;
    const found: Secret[] = [];
    const missing: string[] = [];
    for (const { name = '' } of pod.spec.imagePullSecrets ?? []) {
      const secret = await references.secret(pod.metadata.namespace ?? '', name);
      if (secret) found.push(secret);
      else missing.push(name);
    }
    if (missing.length > 0)
      events.warning(
        pod,
        undefined,
        'FailedToRetrieveImagePullSecret',
        `Unable to retrieve some image pull secrets (${missing.join(', ')}); attempting to pull the image may not succeed.`,
      );
    return found;
  }

  /** @returns when to try again, if it did not come to run */
  async #startOne(
    pod: Pod,
    container: Container,
    inputs: {
      before: RuntimePod;
      signal: AbortSignal;
      sandboxId: string;
      sandboxConfig: PodSandboxConfig;
      podIPs: string[];
      volumes: Map<string, string>;
      imageFailures: MountedVolumes['imageFailures'];
      pullSecrets: Secret[];
      seen: SeenImage;
    },
  ): Promise<number | undefined> {
    const { starter, restarts, notes, runtime, volumes, runtimePods } = this.#options;
    const { before, ...rest } = inputs;
    const note = notes.of(pod.metadata.uid);
    const last = newestOf(before, container.name);
    const backOffMs = restarts.backOff(pod, container, before);
    if (backOffMs > 0) return backOffMs;
    try {
      await removeUnstarted(runtime, last);
      this.#options.allocations.actuate(pod.metadata.uid, container);
      await starter.start({
        ...rest,
        pod,
        container,
        restartCount: restarts.countOf(pod, container, before),
        podFolder: volumes.folderOf(pod.metadata.uid),
        targetId: await this.#targetOf(pod, container, runtimePods),
      });
      note.waiting.delete(container.name);
      return undefined;
    } catch (error) {
      if (!(error instanceof StartFailed)) throw error;
      note.waiting.set(container.name, { reason: error.reason, message: error.message });
      return error.againAfterMs ?? RETRY_MS;
    }
  }

  async #targetOf(pod: Pod, container: Container, runtimePods: RuntimePods): Promise<string | undefined> {
    const target = ephemeralContainers(pod).find(({ name }) => name === container.name)?.targetContainerName;
    if (!target) return undefined;
    return newestOf(await runtimePods.read(pod.metadata.uid), target)?.id;
  }

  #forgetOldReasons(pod: Pod, actions: PodActions): void {
    const { waiting } = this.#options.notes.of(pod.metadata.uid);
    const names = new Set(actions.start.map(({ name }) => name));
    for (const name of waiting.keys()) if (!names.has(name)) waiting.delete(name);
  }

  #followProbes(pod: Pod, now: RuntimePod): void {
    const { preparation, probes } = this.#options;
    const running = everyContainer(pod).flatMap((container) => {
      const status = newestOf(now, container.name);
      return status?.state === 'CONTAINER_RUNNING' ? [{ container, status }] : [];
    });
    const [podIP = ''] = preparation.ipsOf(pod, now.sandboxes[0]?.ips ?? []);
    probes.follow(pod, running, podIP);
  }

  #deadlineLeftMs({ spec, status }: Pod, startTime = status?.startTime): number | undefined {
    if (spec.activeDeadlineSeconds === undefined || !startTime) return undefined;
    return Date.parse(startTime) + spec.activeDeadlineSeconds * 1000 - this.#options.clock.now();
  }

  #refuse(pod: Pod, { reason, message }: Refusal, before: RuntimePod): SyncResult {
    const { notes, events, reporter } = this.#options;
    notes.of(pod.metadata.uid).ended = { reason, message: `Pod was rejected: ${message}` };
    events.warning(pod, undefined, reason, message);
    reporter.report(pod, before);
    return { finished: true, againAfterMs: undefined };
  }

  #pastDeadline(pod: Pod, before: RuntimePod): SyncResult {
    const { notes, events, reporter } = this.#options;
    const message = 'Pod was active on the node longer than the specified deadline';
    notes.of(pod.metadata.uid).ended = { reason: 'DeadlineExceeded', message };
    events.normal(pod, undefined, 'DeadlineExceeded', message);
    reporter.report(pod, before);
    return { finished: true, againAfterMs: undefined };
  }
}

const isAnything = ({ killPod, createSandbox, kill, start, reset }: PodActions): boolean =>
  killPod || createSandbox !== undefined || kill.length > 0 || start.length > 0 || reset.length > 0;

/** A refusal or silence of the API or the runtime: worth another try. */
export const isWorthRetrying = (error: unknown): error is Error =>
  error instanceof SyncFailed ||
  error instanceof RuntimeError ||
  error instanceof StatusError ||
  error instanceof Unreachable ||
  error instanceof VolumeNotYet ||
  (error instanceof Error && 'code' in error);
