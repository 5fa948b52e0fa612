/** Ends containers: what they want done first (preStop), then the stop signal, then KILL when the grace is over. */
import type { Container, Pod } from '#api/generated/schema.ts';
import { type Clock, sleep } from '#base/clock.ts';
import type { ContainerStatus } from '#node/runtime/container.ts';
import type { ContainerRuntime } from '#node/runtime/runtime.ts';
import { HookFailed, runHook } from './hooks.ts';
import { containerNamed, isSidecar } from './pod-containers.ts';
import type { PodEvents } from './pod-events.ts';
import { containerNameOf, isAlive, type RuntimePod } from './runtime-pods.ts';

export interface ContainerKillerOptions {
  runtime: ContainerRuntime;
  clock: Clock;
  events: PodEvents;
}

export interface KillOptions {
  container: Container | undefined;
  graceSeconds: number;
  /** The event's text. */
  message?: string;
  withPreStop?: boolean;
  podIP?: string;
  /** Stops waiting; the runtime goes on stopping it. */
  signal: AbortSignal;
}

export type KillAllOptions = Pick<KillOptions, 'graceSeconds' | 'podIP' | 'signal'>;

/** A container is told to stop even when its hook has used up the grace. Source: upstream, minimumGracePeriodInSeconds. */
const LEAST_GRACE_SECONDS = 2;

export class ContainerKiller {
  readonly #options: ContainerKillerOptions;
  /** Calls that wait for containers to end: they wait for time as much as for the runtime. */
  waiting = 0;

  constructor(options: ContainerKillerOptions) {
    this.#options = options;
  }

  kill(pod: Pod, status: ContainerStatus, options: KillOptions): Promise<void> {
    return this.#counted(() => this.#kill(pod, status, options));
  }

  async #counted(work: () => Promise<void>): Promise<void> {
    this.waiting += 1;
    try {
      await work();
    } finally {
      this.waiting -= 1;
    }
  }

  async #kill(pod: Pod, status: ContainerStatus, options: KillOptions): Promise<void> {
    const { runtime, events, clock } = this.#options;
    const { container, graceSeconds, message, signal, withPreStop = true } = options;
    events.normal(pod, container, 'Killing', message ?? `Stopping container ${containerNameOf(status)}`);
    const began = clock.monotonicMs();
    if (withPreStop && graceSeconds > 0) await this.#preStop(pod, status, options);
    const usedSeconds = Math.floor((clock.monotonicMs() - began) / 1000);
    const left = graceSeconds === 0 ? 0 : Math.max(LEAST_GRACE_SECONDS, graceSeconds - usedSeconds);
    await abortable(runtime.stopContainer(status.id, left), signal);
  }

  /** All of a pod's: regular ones together, then sidecars in reverse order, which are there for the others. */
  killAll(pod: Pod, now: RuntimePod, options: KillAllOptions): Promise<void> {
    return this.#counted(() => this.#killAll(pod, now, options));
  }

  async #killAll(pod: Pod, now: RuntimePod, options: KillAllOptions): Promise<void> {
    const { clock } = this.#options;
    const began = clock.monotonicMs();
    const alive = now.containers.filter(isAlive);
    const isOfSidecar = (status: ContainerStatus) => {
      const container = containerNamed(pod, containerNameOf(status));
      return container !== undefined && pod.spec.initContainers?.includes(container) === true && isSidecar(container);
    };
    const left = () => Math.max(0, options.graceSeconds - Math.floor((clock.monotonicMs() - began) / 1000));
    const kill = (status: ContainerStatus) =>
      this.#kill(pod, status, {
        ...options,
        graceSeconds: left(),
        container: containerNamed(pod, containerNameOf(status)),
      });
    await Promise.all(alive.filter((status) => !isOfSidecar(status)).map(kill));
    const order = (pod.spec.initContainers ?? []).map(({ name }) => name);
    const rank = (status: ContainerStatus) => order.indexOf(containerNameOf(status));
    for (const status of alive.filter(isOfSidecar).sort((a, b) => rank(b) - rank(a))) await kill(status);
  }

  async #preStop(
    pod: Pod,
    status: ContainerStatus,
    { container, graceSeconds, podIP = '', signal }: KillOptions,
  ): Promise<void> {
    const hook = container?.lifecycle?.preStop;
    if (!hook || !container) return;
    const { clock, events } = this.#options;
    const over = new AbortController();
    const done = new AbortController();
    const limit = sleep(clock, graceSeconds * 1000, done.signal).then(
      () => over.abort(new HookFailed('grace period is over')),
      () => undefined, // the hook was faster
    );
    const both = AbortSignal.any([signal, over.signal]);
    try {
      const run = runHook(hook, { container, containerId: status.id, podIP, signal: both }, this.#options);
      await abortable(run, both);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof HookFailed)) throw error;
      if (!over.signal.aborted) events.warning(pod, container, 'FailedPreStopHook', 'PreStopHook failed');
    } finally {
      done.abort();
      await limit;
    }
  }
}

/** Waits no longer than the signal; what was begun goes on and its failure is nobody's any more. */
function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  if (signal.aborted) {
    work.catch(() => undefined);
    return Promise.resolve(undefined);
  }
  return new Promise((resolve, reject) => {
    const aborted = () => (signal.reason instanceof HookFailed ? reject(signal.reason) : resolve(undefined));
    signal.addEventListener('abort', aborted, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', aborted));
  });
}
