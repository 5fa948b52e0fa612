/** What a resize asks of the containers that run: to be changed, or, where their policy says so, to be made anew. Pure. */
import type { Container, Pod, ResourceRequirements } from '#api/generated/schema.ts';
import type { ContainerStatus } from '#node/runtime/container.ts';
import { newestOf, type RuntimePod } from '../runtime-pods.ts';
import { type PodResources, resizableContainers, same, sameAmount } from './allocations.ts';

export interface ResizeActions {
  update: { container: Container; status: ContainerStatus }[];
  restart: { container: Container; status: ContainerStatus }[];
  /** What the pod as a whole may use has changed. */
  changesPod: boolean;
}

const RESIZABLE = ['cpu', 'memory'];

/** @param pod with what it was given */
export function resizeActions(pod: Pod, now: RuntimePod, actuated: PodResources | undefined): ResizeActions {
  const actions: ResizeActions = { update: [], restart: [], changesPod: false };
  if (!actuated) return actions;
  for (const container of resizableContainers(pod)) {
    const status = newestOf(now, container.name);
    const told = Object.hasOwn(actuated.containers, container.name) ? actuated.containers[container.name] : undefined;
    if (status?.state !== 'CONTAINER_RUNNING' || !told) continue;
    const changed = RESIZABLE.filter((name) => differs(name, told, container.resources));
    if (changed.length === 0) continue;
    const policies = container.resizePolicy ?? [];
    const mustRestart = policies.some(
      ({ resourceName, restartPolicy }) => restartPolicy === 'RestartContainer' && changed.includes(resourceName),
    );
    actions[mustRestart ? 'restart' : 'update'].push({ container, status });
  }
  actions.changesPod = actuated.pod !== undefined && !same(actuated.pod, pod.spec.resources);
  return actions;
}

export const isNothing = ({ update, restart, changesPod }: ResizeActions): boolean =>
  update.length === 0 && restart.length === 0 && !changesPod;

const differs = (name: string, a: ResourceRequirements, b: ResourceRequirements | undefined): boolean =>
  !sameAmount(a.requests?.[name], b?.requests?.[name]) || !sameAmount(a.limits?.[name], b?.limits?.[name]);
