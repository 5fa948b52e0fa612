/**
 * A pod's status from what the runtime has of it. Pure. Phases, reasons and texts are upstream's: clients match them.
 * Source: API reference, PodStatus; "Pod Lifecycle".
 */
import { timestampOf } from '#api/machinery/timestamp.ts';
import type {
  Container,
  ContainerState,
  ContainerStatus,
  Pod,
  PodCondition,
  PodStatus,
  ResourceStatus,
} from '#api/generated/schema.ts';
import { ephemeralContainers, initContainers, isSidecar } from './pod-containers.ts';
import { OWN_CONDITIONS, podConditions } from './pod-conditions.ts';
import type { PodNote } from './pod-notes.ts';
import { isRestartingAll, removedForAll, wasRemovedForAll } from './restart-all.ts';
import { mayRestart } from './restart-policy.ts';
import type { PodResources } from './resize/allocations.ts';
import { qosClassOf } from '#api/core/v1/pod-qos.ts';
import { podRequests } from '#api/core/v1/pod-resources.ts';
import { restartCountOf } from './runtime-labels.ts';
import { newestOf, olderOf, type RuntimePod } from './runtime-pods.ts';
import type { ContainerStatus as RuntimeContainerStatus } from '#node/runtime/runtime.ts';

/** Why a container is not running, known to the kubelet only: the last attempt's outcome. */
export interface WaitingReason {
  reason: string;
  message?: string;
}

export interface StatusInputs {
  pod: Pod;
  now: RuntimePod;
  nowMs: number;
  hostIPs: readonly string[];
  /** By container name. */
  waiting: ReadonlyMap<string, WaitingReason>;
  isReady(container: Container, status: RuntimeContainerStatus): boolean;
  hasStarted(container: Container, status: RuntimeContainerStatus): boolean;
  /** What an exited container left to say. */
  terminationMessage(status: RuntimeContainerStatus): string;
  /** Its containers have stopped for good. */
  isTerminal: boolean;
  /** `ended` is set when the kubelet itself ended the pod: `Evicted`, `DeadlineExceeded`, … */
  note: Pick<PodNote, 'ended' | 'resizePending' | 'resizing'>;
  /** What the containers that run may really use; undefined: what the pod says. */
  actuated: PodResources | undefined;
  /** How well the devices of a container are. */
  devicesOf(container: Container): readonly ResourceStatus[];
}

export function podStatusOf(inputs: StatusInputs): PodStatus {
  const { pod, now, nowMs, hostIPs } = inputs;
  const old = pod.status;
  const before = (name: string, list: ContainerStatus[] | undefined) => list?.find((status) => status.name === name);
  const init = initContainers(pod).map((container) =>
    containerStatusOf(container, before(container.name, old?.initContainerStatuses), inputs),
  );
  const regular = pod.spec.containers.map((container) => {
    const status = containerStatusOf(container, before(container.name, old?.containerStatuses), inputs);
    const devices = inputs.devicesOf(container);
    return devices.length > 0 ? { ...status, allocatedResourcesStatus: [...devices] } : status;
  });
  const ephemeral = ephemeralContainers(pod).map((container) =>
    containerStatusOf(container, before(container.name, old?.ephemeralContainerStatuses), inputs),
  );
  const { ended } = inputs.note;
  const phase = ended ? 'Failed' : phaseOf(pod, { init, regular, isTerminal: inputs.isTerminal });
  const ips = pod.spec.hostNetwork ? [...hostIPs] : (now.sandboxes[0]?.ips ?? []);
  const hasSandbox = now.sandboxes[0]?.state === 'SANDBOX_READY' && ips.length > 0;
  const isRestarting = now.containers.length > 0 && isRestartingAll(pod, now);
  const own: PodCondition[] = podConditions({ pod, phase, init, regular, hasSandbox, isRestarting, note: inputs.note });
  return {
    ...(pod.metadata.generation !== undefined && { observedGeneration: pod.metadata.generation }),
    phase,
    conditions: mergeConditions(old?.conditions ?? [], own, timestampOf(nowMs)),
    ...(ended ? { reason: ended.reason, message: ended.message } : endedBefore(old)),
    ...(hostIPs[0] && { hostIP: hostIPs[0], hostIPs: hostIPs.map((ip) => ({ ip })) }),
    ...(ips[0] ? { podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) } : keptIPs(old)),
    startTime: old?.startTime ?? timestampOf(nowMs),
    ...(init.length > 0 && { initContainerStatuses: init }),
    containerStatuses: regular,
    ...(ephemeral.length > 0 && { ephemeralContainerStatuses: ephemeral }),
    qosClass: old?.qosClass ?? qosClassOf(pod),
    ...(pod.spec.resources && {
      allocatedResources: podRequests(pod.spec),
      resources: inputs.actuated?.pod ?? pod.spec.resources,
    }),
  };
}

/** Addresses stay readable after the sandbox has gone. */
const keptIPs = (old: PodStatus | undefined): Partial<PodStatus> =>
  old?.podIP ? { podIP: old.podIP, podIPs: old.podIPs } : {};
const endedBefore = (old: PodStatus | undefined): Partial<PodStatus> =>
  old?.phase === 'Failed' && old.reason ? { reason: old.reason, message: old.message } : {};

function mergeConditions(old: PodCondition[], own: PodCondition[], now: string): PodCondition[] {
  const dated = own.map((condition) => {
    const before = old.find(({ type }) => type === condition.type);
    const changed = before?.status !== condition.status;
    const at = changed ? now : before?.lastTransitionTime;
    return { ...condition, ...(at && { lastTransitionTime: at }) };
  });
  return [
    ...dated,
    ...old.filter(({ type }) => !OWN_CONDITIONS.has(type) && !own.some((condition) => condition.type === type)),
  ];
}

export function containerStatusOf(
  container: Container,
  old: ContainerStatus | undefined,
  inputs: StatusInputs,
): ContainerStatus {
  const { pod, now, waiting } = inputs;
  const status = newestOf(now, container.name);
  const why = waiting.get(container.name);
  if (!status) return withoutRuntime(container, old, inputs);

  const last = olderOf(now, container.name);
  const isWaiting = why !== undefined && status.state !== 'CONTAINER_RUNNING';
  const state = isWaiting ? { waiting: why } : stateOf(status, inputs);
  const lastState = isWaiting ? stateOf(status, inputs) : last ? stateOf(last, inputs) : keptLastState(old, status);
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
    ...resourcesOf(container, isRunning ? inputs.actuated?.containers[container.name] : undefined),
    ...volumeMountsOf(container),
  };
}

/** The runtime has (or no longer has) nothing of it. */
function withoutRuntime(
  container: Container,
  old: ContainerStatus | undefined,
  { pod, now, waiting, isTerminal }: StatusInputs,
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
    exitCode: 137,
    reason: 'ContainerStatusUnknown',
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

function stateOf(status: RuntimeContainerStatus, inputs: StatusInputs): ContainerState {
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
    default:
      return { waiting: { reason: 'ContainerCreating' } };
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

interface PhaseInputs {
  init: ContainerStatus[];
  regular: ContainerStatus[];
  isTerminal: boolean;
}

export function phaseOf(pod: Pod, { init, regular, isTerminal }: PhaseInputs): PodStatus['phase'] {
  const states = initContainers(pod).map((container) => initPhase(pod, container, init));
  if (states.includes('failed')) return 'Failed';

  const running = regular.filter(({ state }) => state?.running).length;
  const stopped = regular.filter(
    ({ state, lastState }) => state?.terminated ?? (state?.waiting && lastState?.terminated),
  );
  const waiting = regular.length - running - stopped.length;
  const succeeded = stopped.filter(({ state }) => state?.terminated?.exitCode === 0).length;
  const mainEverRan = running + stopped.length > 0;

  if (isTerminal && waiting === 0 && running === 0 && stopped.length > 0)
    return succeeded === stopped.length ? 'Succeeded' : 'Failed';
  if (isTerminal && running === 0) return 'Failed';
  if (!mainEverRan && states.some((state) => state !== 'done')) return 'Pending';
  if (waiting > 0) return 'Pending';
  const runsAgain = pod.spec.containers.some((container) => {
    const { state, lastState } = regular.find(({ name }) => name === container.name) ?? {};
    const { exitCode } = state?.terminated ?? lastState?.terminated ?? {};
    const isToBegin = state?.waiting !== undefined && wasRemovedForAll(lastState);
    return exitCode !== undefined && (isToBegin || mayRestart(pod, container, exitCode));
  });
  if (running > 0 || runsAgain) return 'Running';
  return succeeded === stopped.length ? 'Succeeded' : 'Failed';
}

/** `failed`: and it will not be tried again. */
function initPhase(pod: Pod, container: Container, statuses: ContainerStatus[]): 'done' | 'pending' | 'failed' {
  const status = statuses.find(({ name }) => name === container.name);
  if (isSidecar(container)) return status?.started ? 'done' : 'pending';
  const terminated = status?.state?.terminated;
  if (!terminated) return 'pending';
  if (terminated.exitCode === 0) return 'done';
  return mayRestart(pod, container, terminated.exitCode) ? 'pending' : 'failed';
}
