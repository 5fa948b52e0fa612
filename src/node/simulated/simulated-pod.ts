/** The status of a pod whose containers run on paper only. Pure. */
import type {
  Container,
  ContainerState,
  ContainerStatus,
  Pod,
  PodCondition,
  PodStatus,
} from '#api/generated/schema.ts';
import { isRestartableInit } from '#api/core/v1/pod-conditions.ts';
import { qosClassOf } from '#api/core/v1/pod-qos.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';

/** For how long the containers of a pod run, in seconds, before they end by themselves; and with which exit code. */
export const RUN_SECONDS = 'kedge.dev/simulated-run-seconds';
export const EXIT_CODE = 'kedge.dev/simulated-exit-code';

export interface PodTimes {
  nowMs: number;
  hostIP: string;
  podIP: string;
}

/** undefined: it runs until it is deleted. */
export function runMsOf({ metadata }: Pod): number | undefined {
  const seconds = Number(metadata.annotations?.[RUN_SECONDS] ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined;
}

export const exitCodeOf = ({ metadata }: Pod): number => Number(metadata.annotations?.[EXIT_CODE] ?? 0) || 0;

export function runningStatus(pod: Pod, times: PodTimes): PodStatus {
  const startedAt = timestampOf(times.nowMs);
  const state = { running: { startedAt } };
  return {
    ...common(pod, times),
    phase: 'Running',
    conditions: conditions(pod, { ready: 'True', reason: undefined, now: startedAt }),
    ...containerStatuses(pod, state, startedAt),
  };
}

/** All its containers have ended and will not run again. */
export function endedStatus(pod: Pod, times: PodTimes): PodStatus {
  const exitCode = exitCodeOf(pod);
  const now = timestampOf(times.nowMs);
  const startedAt = pod.status?.startTime ?? now;
  const reason = exitCode === 0 ? 'Completed' : 'Error';
  const phase = exitCode === 0 ? 'Succeeded' : 'Failed';
  const state = { terminated: { exitCode, reason, startedAt, finishedAt: now } };
  return {
    ...common(pod, times),
    phase,
    conditions: conditions(pod, { ready: 'False', reason: exitCode === 0 ? 'PodCompleted' : 'PodFailed', now }),
    ...containerStatuses(pod, state, startedAt),
  };
}

function common(pod: Pod, { nowMs, hostIP, podIP }: PodTimes): Omit<PodStatus, 'phase'> {
  const ip = pod.spec.hostNetwork ? hostIP : podIP;
  return {
    ...(pod.metadata.generation !== undefined && { observedGeneration: pod.metadata.generation }),
    hostIP,
    hostIPs: [{ ip: hostIP }],
    podIP: ip,
    podIPs: [{ ip }],
    startTime: pod.status?.startTime ?? timestampOf(nowMs),
    qosClass: pod.status?.qosClass ?? qosClassOf(pod),
  };
}

function conditions(
  pod: Pod,
  { ready, reason, now }: { ready: string; reason: string | undefined; now: string },
): PodCondition[] {
  const before = pod.status?.conditions ?? [];
  const generation = pod.metadata.generation;
  const own = (
    [
      ['PodReadyToStartContainers', ready],
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
      lastTransitionTime: old?.status === status ? (old.lastTransitionTime ?? now) : now,
    };
  });
  return [...own, ...before.filter(({ type }) => !own.some((condition) => condition.type === type))];
}

function containerStatuses(pod: Pod, state: ContainerState, startedAt: string): Partial<PodStatus> {
  const done: ContainerState = {
    terminated: { exitCode: 0, reason: 'Completed', startedAt, finishedAt: startedAt },
  };
  const init = (pod.spec.initContainers ?? []).map((container) =>
    statusOf(pod, container, isRestartableInit(container) ? state : done),
  );
  return {
    ...(init.length > 0 && { initContainerStatuses: init }),
    containerStatuses: pod.spec.containers.map((container) => statusOf(pod, container, state)),
  };
}

function statusOf(pod: Pod, { name, image = '' }: Container, state: ContainerState): ContainerStatus {
  const isRunning = state.running !== undefined;
  return {
    name,
    state,
    lastState: {},
    ready: isRunning || state.terminated?.reason === 'Completed',
    started: isRunning,
    restartCount: 0,
    image,
    imageID: `simulated://${image}`,
    containerID: `simulated://${pod.metadata.uid}/${name}`,
  };
}
