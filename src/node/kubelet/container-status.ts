/** A container's status from what the runtime has of it, and what was said of it before. Pure. Reasons and texts are upstream's. */
import type { Container, ContainerState, ContainerStatus, Pod } from '#api/generated/schema.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import type { ContainerStatus as RuntimeContainerStatus } from '#node/runtime/container.ts';
import { initContainers, isSidecar } from './pod-containers.ts';
import type { PodResources } from './resize/allocations.ts';
import { isRestartingAll, removedForAll } from './restart-all.ts';
import { mayRestart } from './restart-policy.ts';
import { restartCountOf } from './runtime-labels.ts';
import { newestOf, olderOf, type RuntimePod } from './runtime-pods.ts';

/** Why a container is not running, known to the kubelet only: the last attempt's outcome. */
export interface WaitingReason {
  reason: string;
  message?: string;
}

export interface ContainerStatusInputs {
  pod: Pod;
  now: RuntimePod;
  /** By container name. */
  waiting: ReadonlyMap<string, WaitingReason>;
  isReady(container: Container, status: RuntimeContainerStatus): boolean;
  hasStarted(container: Container, status: RuntimeContainerStatus): boolean;
  /** What an exited container left to say. */
  terminationMessage(status: RuntimeContainerStatus): string;
  /** Its containers have stopped for good. */
  isTerminal: boolean;
  /** What the containers that run may really use; undefined: what the pod says. */
  actuated: PodResources | undefined;
}

export function containerStatusOf(
  container: Container,
  old: ContainerStatus | undefined,
  inputs: ContainerStatusInputs,
): ContainerStatus {
  const { pod, now, waiting } = inputs;
  const status = newestOf(now, container.name);
  const why = waiting.get(container.name);
  if (!status) return withoutRuntime(container, old, inputs);

  const last = olderOf(now, container.name);
  const isWaiting = why !== undefined && status.state !== 'CONTAINER_RUNNING';
  const own = () => stateOf(status, { container, old }, inputs);
  const state = isWaiting ? { waiting: why } : own();
  const lastState = isWaiting
    ? own()
    : last
      ? stateOf(last, { container, old: undefined }, inputs)
      : keptLastState(old, status);
  const isRunning = status.state === 'CONTAINER_RUNNING';
  const isInit = initContainers(pod).includes(container) && !isSidecar(container);
  const ready = isInit
    ? status.state === 'CONTAINER_EXITED' && status.exitCode === 0
    : isRunning && inputs.isReady(container, status);
  return {
    name: container.name,
    state,
    lastState,
    ready,
    restartCount: Math.max(restartCountOf(status), old?.restartCount ?? 0),
    image: status.image || (container.image ?? ''),
    imageID: status.imageRef,
    containerID: `containerd://${status.id}`,
    started: isRunning && inputs.hasStarted(container, status),
    ...(status.user && { user: { linux: status.user } }),
    ...resourcesOf(container, isRunning ? inputs.actuated?.containers[container.name] : undefined),
    ...volumeMountsOf(container),
  };
}

/** The runtime has (or no longer has) nothing of it. */
function withoutRuntime(
  container: Container,
  old: ContainerStatus | undefined,
  { pod, now, waiting, isTerminal }: ContainerStatusInputs,
): ContainerStatus {
  const why = waiting.get(container.name);
  const initial = initContainers(pod).length > 0 ? 'PodInitializing' : 'ContainerCreating';
  const terminated = old?.state?.terminated;
  const isRemoved = !isTerminal && old !== undefined && !old.state?.waiting && isRestartingAll(pod, now);
  if (terminated && !why && !isRemoved)
    return { ...old, ready: isDoneInit(pod, container, terminated.exitCode), started: false };
  const wasRunning = old?.state?.running;
  const base: ContainerStatus = {
    name: container.name,
    state: { waiting: why ?? { reason: initial } },
    lastState: terminated ? { terminated } : (old?.lastState ?? {}),
    ready: false,
    restartCount: old?.restartCount ?? 0,
    image: container.image ?? '',
    imageID: '',
    started: false,
    ...resourcesOf(container),
    ...volumeMountsOf(container),
  };
  if (isRemoved) return { ...base, ...removedForAll, restartCount: base.restartCount + 1 };
  if (!wasRunning) return base;
  const unknown = {
    exitCode: LOST_CODE,
    reason: STATUS_UNKNOWN,
    ...(old.containerID && { containerID: old.containerID }),
  };
  if (isTerminal) {
    const message = 'The container could not be located when the pod was terminated';
    return { ...base, state: { terminated: { ...unknown, message } } };
  }
  const message = 'The container could not be located when the pod was deleted.  The container used to be Running';
  return { ...base, restartCount: base.restartCount + 1, lastState: { terminated: { ...unknown, message } } };
}

const isDoneInit = (pod: Pod, container: Container, exitCode: number): boolean =>
  exitCode === 0 && initContainers(pod).some(({ name }) => name === container.name) && !isSidecar(container);

/** The runtime forgets dead containers sooner than users want to know why they died. */
function keptLastState(old: ContainerStatus | undefined, status: RuntimeContainerStatus): ContainerState {
  if (!old) return {};
  const isSame = old.containerID === `containerd://${status.id}`;
  if (!isSame && old.state?.terminated) return { terminated: old.state.terminated };
  // While it waited to be started again, this very run was shown as its last.
  const isThisRun = old.lastState?.terminated?.containerID === `containerd://${status.id}`;
  return isThisRun ? {} : (old.lastState ?? {});
}

const CREATING: ContainerState = { waiting: { reason: 'ContainerCreating' } };
const STATUS_UNKNOWN = 'ContainerStatusUnknown';
const LOST_CODE = 137;

/**
 * The runtime cannot say how it is; what ran is not said to wait, as if it had never begun.
 * @param mayEnd as the API has it, what has ended and never restarts does not run again, and this one will
 */
function lostState(
  old: ContainerStatus | undefined,
  { id, mayEnd }: { id: string; mayEnd: boolean },
): ContainerState | undefined {
  const containerID = `containerd://${id}`;
  const wasRunning = old?.state?.running ?? old?.state?.terminated?.reason === STATUS_UNKNOWN;
  if (!wasRunning || old?.containerID !== containerID) return undefined;
  if (!mayEnd) return old.state;
  const message = 'The container could not be located when the pod was terminated';
  return { terminated: { exitCode: LOST_CODE, reason: STATUS_UNKNOWN, message, containerID } };
}

function stateOf(
  status: RuntimeContainerStatus,
  { container, old }: { container: Container; old: ContainerStatus | undefined },
  inputs: ContainerStatusInputs,
): ContainerState {
  const { startedAt, finishedAt, exitCode, reason, id } = status;
  switch (status.state) {
    case 'CONTAINER_RUNNING':
      return { running: { startedAt: timestampOf(startedAt ?? 0) } };
    case 'CONTAINER_EXITED': {
      const message = inputs.terminationMessage(status);
      return {
        terminated: {
          exitCode,
          ...(reason && { reason }),
          ...(message && { message }),
          startedAt: timestampOf(startedAt ?? status.createdAt ?? 0),
          finishedAt: timestampOf(finishedAt ?? 0),
          containerID: `containerd://${id}`,
        },
      };
    }
    case 'CONTAINER_UNKNOWN':
      return lostState(old, { id, mayEnd: mayRestart(inputs.pod, container, LOST_CODE) }) ?? CREATING;
    default:
      return CREATING;
  }
}

/** @param actuated what it may really use, where that is known to differ */
function resourcesOf({ resources = {} }: Container, actuated = resources): Partial<ContainerStatus> {
  const { requests, limits } = actuated;
  return {
    ...(resources.requests && { allocatedResources: resources.requests }),
    resources: { ...(limits && { limits }), ...(requests && { requests }) },
  };
}

function volumeMountsOf({ volumeMounts = [] }: Container): Partial<ContainerStatus> {
  if (volumeMounts.length === 0) return {};
  return {
    volumeMounts: volumeMounts.map(({ name, mountPath, readOnly }) => ({
      name,
      mountPath,
      ...(readOnly && { readOnly, recursiveReadOnly: 'Disabled' }),
    })),
  };
}
