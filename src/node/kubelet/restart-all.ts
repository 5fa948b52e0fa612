/**
 * A container that ends as one of its rules names has every container of its pod removed; then the pod begins again, in its
 * sandbox and with its volumes. Source: KEP-5532, RestartAllContainersOnContainerExits.
 */
import type { Container, ContainerState, Pod, PodCondition, PodStatus } from '#api/generated/schema.ts';
import type { ContainerStatus as RuntimeContainerStatus } from '#node/runtime/container.ts';
import { initContainers } from './pod-containers.ts';
import { ruleFor } from './restart-policy.ts';
import { containerNameOf, newestOf, type RuntimePod } from './runtime-pods.ts';

export interface ContainerToReset {
  container: Container;
  status: RuntimeContainerStatus;
}

const ACTION = 'RestartAllContainers';
const REASON = 'RestartingAllContainers';
const MESSAGE = 'The container is removed because RestartAllContainers in place';

const asks = (container: Container, exitCode: number): boolean => ruleFor(container, exitCode)?.action === ACTION;

const hasAsked = (container: Container, status: RuntimeContainerStatus | undefined): boolean =>
  status?.state === 'CONTAINER_EXITED' && asks(container, status.exitCode);

/** All that the runtime has of it when one has asked: last the one that did, so that a start in between asks again. */
export function containersToReset(pod: Pod, now: RuntimePod): ContainerToReset[] {
  const [init, regular] = [initContainers(pod), pod.spec.containers];
  if (![...init, ...regular].some((container) => hasAsked(container, newestOf(now, container.name)))) return [];
  const runsOf = (list: readonly Container[]) =>
    list.flatMap((container) =>
      now.containers
        .filter((status) => containerNameOf(status) === container.name)
        .map((status) => ({ container, status })),
    );
  const all = [...runsOf(regular), ...runsOf(init)];
  const isSource = ({ container, status }: ContainerToReset) => hasAsked(container, status);
  return [...all.filter((one) => !isSource(one)), ...all.filter(isSource)];
}

/** Whether one has asked, as far as the runtime or what was last said of the pod shows. */
export function isRestartingAll(pod: Pod, now: RuntimePod): boolean {
  const said = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  return [...initContainers(pod), ...pod.spec.containers].some((container) => {
    const terminated = said.find(({ name }) => name === container.name)?.state?.terminated;
    return hasAsked(container, newestOf(now, container.name)) || (terminated && asks(container, terminated.exitCode));
  });
}

/** What is said of a container that was removed for it. */
export const removedForAll: { state: ContainerState; lastState: ContainerState } = {
  state: { waiting: { reason: REASON, message: MESSAGE } },
  lastState: { terminated: { reason: REASON, message: MESSAGE, exitCode: 137 } },
};

export const wasRemovedForAll = ({ terminated }: ContainerState = {}): boolean => terminated?.reason === REASON;

/** undefined: none of its containers can ask. */
export function restartingAllCondition(
  pod: Pod,
  { phase, isRestarting }: { phase: PodStatus['phase']; isRestarting: boolean },
): PodCondition | undefined {
  const canAsk = ({ restartPolicyRules = [] }: Container) => restartPolicyRules.some(({ action }) => action === ACTION);
  if (![...initContainers(pod), ...pod.spec.containers].some(canAsk)) return undefined;
  const type = 'AllContainersRestarting';
  if (phase === 'Succeeded') return { type, status: 'False', reason: 'PodCompleted' };
  if (phase === 'Failed') return { type, status: 'False', reason: 'PodFailed' };
  if (!isRestarting) return { type, status: 'False' };
  const message = 'container exited with restart policy rule';
  return { type, status: 'True', reason: 'RestartAllContainersStarted', message };
}
