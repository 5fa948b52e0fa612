/** The status of a pod whose containers run on paper only. Pure. */

import { isRestartableInit } from '#api/core/v1/pod-conditions.ts';
import { qosClassOf } from '#api/core/v1/pod-qos.ts';
import type {
  Container,
  ContainerState,
  ContainerStatus,
  Pod,
  PodCondition,
  PodStatus,
} from '#api/generated/schema.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';

export interface PodTimes {
  nowMs: number;
  hostIP: string;
  podIP: string;
}

/** What a container was and is, of all containers of the pod alike. */
interface Life {
  state: ContainerState;
  lastState?: ContainerState;
  restartCount: number;
  startedAt: string;
}

/** `restarts`: how often its containers have ended before. */
export function runningStatus(
  pod: Pod,
  times: PodTimes,
  restarts?: { count: number; last: ContainerState },
): PodStatus {
  const startedAt = timestampOf(times.nowMs);
  const life: Life = {
    state: { running: { startedAt } },
    restartCount: restarts?.count ?? 0,
    startedAt,
    ...(restarts && { lastState: restarts.last }),
  };
  return {
    phase: 'Running',
    ...common(pod, times),
    conditions: conditions(pod, { ready: 'True', now: startedAt }),
    ...containerStatuses(pod, life),
  };
}

/** Its containers cannot be started, and wait. */
export function waitingStatus(pod: Pod, times: PodTimes, waiting: { reason: string; message?: string }): PodStatus {
  const now = timestampOf(times.nowMs);
  return {
    ...common(pod, times),
    phase: 'Pending',
    conditions: conditions(pod, { ready: 'False', started: 'True', now, ...notReady(pod) }),
    ...containerStatuses(pod, { state: { waiting: { ...waiting } }, restartCount: 0, startedAt: now }),
  };
}

/** Its containers have ended and will be started again after `backOffSeconds`. */
export function crashedStatus(
  pod: Pod,
  times: PodTimes,
  { exitCode, backOffSeconds }: { exitCode: number; backOffSeconds: number },
): PodStatus {
  const now = timestampOf(times.nowMs);
  const { namespace, name, uid } = pod.metadata;
  const startedAt = startedAtOf(pod) ?? now;
  const [container] = pod.spec.containers;
  const message = `back-off ${goSeconds(backOffSeconds)} restarting failed container=${container?.name} pod=${name}_${namespace}(${uid})`;
  return {
    phase: 'Running',
    ...common(pod, times),
    conditions: conditions(pod, { ready: 'False', started: 'True', now, ...notReady(pod) }),
    ...containerStatuses(pod, {
      state: { waiting: { reason: 'CrashLoopBackOff', message } },
      lastState: terminated(exitCode, { startedAt, finishedAt: now }),
      restartCount: restartsOf(pod),
      startedAt,
    }),
  };
}

/** All its containers have ended and will not run again. */
export function endedStatus(pod: Pod, times: PodTimes, exitCode: number): PodStatus {
  const now = timestampOf(times.nowMs);
  const startedAt = startedAtOf(pod) ?? now;
  const reason = exitCode === 0 ? 'PodCompleted' : 'PodFailed';
  const state = terminated(exitCode, { startedAt, finishedAt: now });
  return {
    phase: exitCode === 0 ? 'Succeeded' : 'Failed',
    conditions: conditions(pod, { ready: 'False', reason, now }),
    ...common(pod, times),
    ...containerStatuses(pod, { state, restartCount: restartsOf(pod), startedAt }),
  };
}

export const terminated = (exitCode: number, times: { startedAt: string; finishedAt: string }): ContainerState => ({
  terminated: { exitCode, reason: exitCode === 0 ? 'Completed' : 'Error', ...times },
});

const firstStatusOf = ({ status }: Pod): ContainerStatus | undefined => status?.containerStatuses?.[0];
export const restartsOf = (pod: Pod): number => firstStatusOf(pod)?.restartCount ?? 0;
/** Since when its containers run; undefined when they do not. */
export const startedAtOf = (pod: Pod): string | undefined => firstStatusOf(pod)?.state?.running?.startedAt;
/** Of its first container, as all of them run together: since when, and until when unless it still runs. */
export function lastRunOf(pod: Pod): { startedAt?: string; finishedAt?: string } | undefined {
  const { state, lastState } = firstStatusOf(pod) ?? {};
  return state?.running ?? state?.terminated ?? lastState?.terminated;
}
export const waitingReasonOf = (pod: Pod): string | undefined => firstStatusOf(pod)?.state?.waiting?.reason;
export const lastStateOf = (pod: Pod): ContainerState | undefined => firstStatusOf(pod)?.lastState;

const notReady = ({ spec }: Pod) => ({
  reason: 'ContainersNotReady',
  message: `containers with unready status: [${spec.containers.map(({ name }) => name).join(' ')}]`,
});

/** As Go prints a duration. */
const goSeconds = (seconds: number): string =>
  seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;

function common(pod: Pod, { nowMs, hostIP, podIP }: PodTimes): Omit<PodStatus, 'phase'> {
  const ip = pod.spec.hostNetwork ? hostIP : podIP;
  const { generation } = pod.metadata;
  return {
    hostIP,
    hostIPs: [{ ip: hostIP }],
    podIP: ip,
    podIPs: [{ ip }],
    startTime: pod.status?.startTime ?? timestampOf(nowMs),
    qosClass: pod.status?.qosClass ?? qosClassOf(pod),
    ...(generation !== undefined && { observedGeneration: generation }),
  };
}

interface Readiness {
  ready: string;
  /** Whether its sandbox is there; as `ready` unless told. */
  started?: string;
  reason?: string;
  message?: string;
  now: string;
}

function conditions(pod: Pod, { ready, started = ready, reason, message, now }: Readiness): PodCondition[] {
  const before = pod.status?.conditions ?? [];
  const generation = pod.metadata.generation;
  const own = (
    [
      ['PodReadyToStartContainers', started],
      ['Initialized', 'True'],
      ['Ready', ready],
      ['ContainersReady', ready],
      ['PodScheduled', 'True'],
    ] as const
  ).map(([type, status]): PodCondition => {
    const old = before.find((condition) => condition.type === type);
    return {
      type,
      ...(generation !== undefined && { observedGeneration: generation }),
      status,
      ...(reason && status === 'False' && { reason }),
      ...(message && status === 'False' && { message }),
      lastTransitionTime: old?.status === status ? (old.lastTransitionTime ?? now) : now,
    };
  });
  return [...own, ...before.filter(({ type }) => !own.some((condition) => condition.type === type))];
}

function containerStatuses(pod: Pod, life: Life): Partial<PodStatus> {
  const { startedAt } = life;
  const done: Life = { state: terminated(0, { startedAt, finishedAt: startedAt }), restartCount: 0, startedAt };
  const init = (pod.spec.initContainers ?? []).map((container) =>
    statusOf(pod, container, isRestartableInit(container) ? life : done),
  );
  return {
    ...(init.length > 0 && { initContainerStatuses: init }),
    containerStatuses: pod.spec.containers.map((container) => statusOf(pod, container, life)),
  };
}

function statusOf(
  pod: Pod,
  { name, image = '' }: Container,
  { state, lastState = {}, restartCount }: Life,
): ContainerStatus {
  const isRunning = state.running !== undefined;
  return {
    name,
    state,
    lastState,
    ready: isRunning || state.terminated?.reason === 'Completed',
    started: isRunning,
    restartCount,
    image,
    imageID: state.waiting && restartCount === 0 && !lastState.terminated ? '' : `simulated://${image}`,
    ...(!(state.waiting && !lastState.terminated) && { containerID: `simulated://${pod.metadata.uid}/${name}` }),
  };
}
