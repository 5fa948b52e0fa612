/** From a container of the spec to a running one: image, configuration, creation, start, postStart. */
import type { Container, LifecycleHandler, Secret } from '#api/generated/schema.ts';
import type { Clock } from '#base/clock.ts';
import type { ContainerStatus } from '#node/runtime/container.ts';
import { DevicePluginFailed } from '#node/runtime/devices/device-plugin.ts';
import type { PodSandboxConfig } from '#node/runtime/pod-sandbox.ts';
import type { ContainerRuntime } from '#node/runtime/runtime.ts';
import { RuntimeError } from '#node/runtime/runtime-error.ts';
import { type ContainerFacts, type ContainerInputs, containerConfigOf } from './container-config.ts';
import type { ContainerKiller } from './container-killer.ts';
import type { Devices } from './devices/devices.ts';
import { UnresolvedField } from './field-values.ts';
import { HookFailed, runHook } from './hooks.ts';
import { ImageFailed, type Images, type SeenImage } from './images.ts';
import type { Limiter } from './limiter.ts';
import type { PodEvents } from './pod-events.ts';
import { ClaimsFailed } from './resource-claims/claims-failed.ts';
import type { ResourceClaims } from './resource-claims/resource-claims.ts';
import type { RuntimePods } from './runtime-pods.ts';
import { RefusedSecurity } from './security-context.ts';
import { NODE_USERS } from './user-namespaces/user-namespaces.ts';

/** Why it does not run; `reason` and `message` are its waiting state. */
export class StartFailed extends Error {
  readonly reason: string;
  readonly againAfterMs: number | undefined;

  constructor(reason: string, message: string, againAfterMs?: number) {
    super(message);
    this.reason = reason;
    this.againAfterMs = againAfterMs;
  }
}

export interface ContainerStarterOptions {
  runtime: ContainerRuntime;
  runtimePods: Pick<RuntimePods, 'made'>;
  clock: Clock;
  events: PodEvents;
  images: Images;
  killer: ContainerKiller;
  facts: ContainerFacts;
  /** How many containers may be started at once on this node. */
  starts: Limiter;
  devices: Devices;
  claims: ResourceClaims;
}

export interface StartInputs extends Omit<ContainerInputs, 'image' | 'users'> {
  sandboxId: string;
  sandboxConfig: PodSandboxConfig;
  pullSecrets: readonly Secret[];
  /** What `look` gave for it. */
  seen?: SeenImage;
  /** Volumes that are not there, as their image is not. */
  imageFailures: ReadonlyMap<string, ImageFailed>;
  signal: AbortSignal;
}

export class ContainerStarter {
  readonly #options: ContainerStarterOptions;

  constructor(options: ContainerStarterOptions) {
    this.#options = options;
  }

  /** Before what the containers stand in is made: what is asked of the runtime meanwhile is not waited for afterwards. */
  look(containers: readonly Container[]): Map<Container, SeenImage> {
    return new Map(containers.map((container) => [container, this.#options.images.look(container)]));
  }

  /** @throws StartFailed */
  async start(inputs: StartInputs): Promise<void> {
    const { pod, container, signal } = inputs;
    const { images, events, starts } = this.#options;
    const image = await asStartFailure(
      () => {
        this.#refuseWithoutVolumes(inputs);
        return images.ensure(pod, container, inputs);
      },
      (error) => {
        if (!(error instanceof ImageFailed)) return undefined;
        events.warning(pod, container, 'Failed', `Error: ${error.reason}`);
        return new StartFailed(error.reason, error.message, error.againAfterMs);
      },
    );
    signal.throwIfAborted();
    const containerId = await starts.run(async () => {
      signal.throwIfAborted();
      return this.#createAndStart({ ...inputs, image });
    });
    const hook = container.lifecycle?.postStart;
    if (hook) await this.#postStart(hook, containerId, inputs);
  }

  /** Throws ImageFailed. */
  #refuseWithoutVolumes({ container, imageFailures }: StartInputs): void {
    for (const { name } of container.volumeMounts ?? []) {
      const failure = imageFailures.get(name);
      if (failure) throw failure;
    }
  }

  async #createAndStart(inputs: StartInputs & Pick<ContainerInputs, 'image'>): Promise<string> {
    const { pod, container, sandboxId, sandboxConfig } = inputs;
    const { usernsOptions: users = NODE_USERS } = sandboxConfig.linux.securityContext.namespaceOptions;
    const { runtime, runtimePods, events, facts, devices, claims } = this.#options;
    const [grant, claimed] = await asStartFailure(
      async () => [await devices.grantFor(pod, container), claims.cdiDevicesFor(pod, container)] as const,
      (error) => {
        if (!(error instanceof DevicePluginFailed) && !(error instanceof ClaimsFailed)) return undefined;
        events.warning(pod, container, 'Failed', `Error: ${error.message}`);
        return new StartFailed('CreateContainerConfigError', error.message);
      },
    );
    const config = await asStartFailure(
      () => containerConfigOf({ ...inputs, users, grant, claimed }, facts),
      (error) => {
        if (!(error instanceof UnresolvedField) && !(error instanceof RefusedSecurity)) return undefined;
        events.warning(pod, container, 'Failed', `Error: ${error.message}`);
        return new StartFailed('CreateContainerConfigError', error.message);
      },
    );
    const runtimeFailure = (reason: string) => (error: unknown) => {
      if (!(error instanceof RuntimeError)) return undefined;
      events.warning(pod, container, 'Failed', `Error: ${error.message}`);
      return new StartFailed(reason, error.message);
    };
    const create = () => runtime.createContainer(sandboxId, config, sandboxConfig);
    const id = await asStartFailure(create, runtimeFailure('CreateContainerError'));
    runtimePods.made(pod.metadata.uid, id, 'container');
    events.normal(pod, container, 'Created', 'Container created');
    await asStartFailure(() => runtime.startContainer(id), runtimeFailure('RunContainerError'));
    events.normal(pod, container, 'Started', 'Container started');
    return id;
  }

  async #postStart(hook: LifecycleHandler, containerId: string, inputs: StartInputs): Promise<void> {
    const { pod, container, podIPs, signal } = inputs;
    const { events, killer, runtime } = this.#options;
    try {
      await runHook(hook, { container, containerId, podIP: podIPs[0] ?? '', signal }, this.#options);
    } catch (error) {
      if (!(error instanceof HookFailed)) throw error;
      events.warning(pod, container, 'FailedPostStartHook', 'PostStartHook failed');
      const status = await runtime.containerStatus(containerId);
      const graceSeconds = pod.spec.terminationGracePeriodSeconds;
      if (status)
        await killer.kill(pod, status, {
          container,
          graceSeconds,
          signal,
          message: 'FailedPostStartHook',
          withPreStop: false,
        });
      throw new StartFailed('PostStartHookError', error.message);
    }
  }
}

async function asStartFailure<T>(
  attempt: () => Promise<T>,
  failureOf: (error: unknown) => StartFailed | undefined,
): Promise<T> {
  try {
    return await attempt();
  } catch (error) {
    throw failureOf(error) ?? error;
  }
}

/** An earlier run that was made but never started is in the way of the next. */
export async function removeUnstarted(runtime: ContainerRuntime, status: ContainerStatus | undefined): Promise<void> {
  if (status?.state === 'CONTAINER_CREATED') await runtime.removeContainer(status.id);
}
