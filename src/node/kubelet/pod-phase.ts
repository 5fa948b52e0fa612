/** A pod's phase from the statuses of its containers. Pure. Source: "Pod Lifecycle". */
import type { Container, ContainerStatus, Pod, PodStatus } from '#api/generated/schema.ts';
import { initContainers, isSidecar } from './pod-containers.ts';
import { wasRemovedForAll } from './restart-all.ts';
import { mayRestart } from './restart-policy.ts';

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
