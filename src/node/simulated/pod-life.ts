/** What comes next in the life of a pod on paper, and when. Pure: all it knows stands in the pod. */
import { isTerminal } from '#api/core/v1/pod-conditions.ts';
import type { Pod, PodStatus } from '#api/generated/schema.ts';
import type { SimulatedPodBehaviour } from '#api/kedge/v1alpha1/simulated-node-pool.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import { exitCodeOf } from './pod-behaviour.ts';
import {
  crashedStatus,
  endedStatus,
  lastStateOf,
  type PodTimes,
  restartsOf,
  runningStatus,
  startedAtOf,
  terminated,
  waitingReasonOf,
  waitingStatus,
} from './simulated-pod.ts';

export interface Step {
  afterMs: number;
  /** Given the time at which it happens. */
  status(times: PodTimes): PodStatus;
}

export const DEFAULT_START_MS = 500;
const CRASHED = 'CrashLoopBackOff';
/** Source: kubelet, MaxContainerBackOff: doubled from ten seconds to five minutes; the first restart is at once. */
const FIRST_BACK_OFF_SECONDS = 10;
const MOST_BACK_OFF_SECONDS = 300;

/**
 * undefined: nothing, unless somebody changes the pod. `vary` makes times differ from pod to pod.
 */
export function nextStep(
  pod: Pod,
  behaviour: SimulatedPodBehaviour,
  { nowMs, startMs = DEFAULT_START_MS, vary }: { nowMs: number; startMs?: number; vary(ms: number): number },
): Step | undefined {
  if (isTerminal(pod) || pod.metadata.deletionTimestamp) return undefined;
  if (pod.status?.phase !== 'Running') {
    const { waiting, startSeconds } = behaviour;
    if (waiting && waitingReasonOf(pod) === waiting.reason) return undefined;
    const afterMs = startSeconds === undefined ? vary(startMs) : startSeconds * 1000;
    return {
      afterMs,
      status: (times) => (waiting ? waitingStatus(pod, times, waiting) : runningStatus(pod, times)),
    };
  }
  if (waitingReasonOf(pod) === CRASHED) return restart(pod, nowMs);
  if (behaviour.runSeconds === undefined) return undefined;
  const startedMs = Date.parse(startedAtOf(pod) ?? '') || nowMs;
  return {
    afterMs: Math.max(0, startedMs + behaviour.runSeconds * 1000 - nowMs),
    status: (times) => ended(pod, exitCodeOf(pod, behaviour), times),
  };
}

function ended(pod: Pod, exitCode: number, times: PodTimes): PodStatus {
  const { restartPolicy } = pod.spec;
  if (restartPolicy === 'Never' || (restartPolicy === 'OnFailure' && exitCode === 0))
    return endedStatus(pod, times, exitCode);
  const restarts = restartsOf(pod);
  const backOffSeconds = backOffSecondsAfter(restarts);
  if (backOffSeconds > 0) return crashedStatus(pod, times, { exitCode, backOffSeconds });
  const finishedAt = timestampOf(times.nowMs);
  const last = terminated(exitCode, { startedAt: startedAtOf(pod) ?? finishedAt, finishedAt });
  return runningStatus(pod, times, { count: restarts + 1, last });
}

function restart(pod: Pod, nowMs: number): Step {
  const last = lastStateOf(pod) ?? {};
  const finishedMs = Date.parse(last.terminated?.finishedAt ?? '') || nowMs;
  const dueMs = finishedMs + backOffSecondsAfter(restartsOf(pod)) * 1000;
  return {
    afterMs: Math.max(0, dueMs - nowMs),
    status: (times) => runningStatus(pod, times, { count: restartsOf(pod) + 1, last }),
  };
}

const backOffSecondsAfter = (restarts: number): number =>
  restarts === 0 ? 0 : Math.min(FIRST_BACK_OFF_SECONDS * 2 ** (restarts - 1), MOST_BACK_OFF_SECONDS);
