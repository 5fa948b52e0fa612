/** The pod and the container that a path names. Texts are upstream's. */
import type { Container, Pod } from '#api/generated/schema.ts';
import type { ContainerStatus } from '#node/runtime/runtime.ts';
import type { Kubelet } from '../kubelet.ts';
import { containerNamed } from '../pod-containers.ts';
import { containerNameOf, type RuntimePod } from '../runtime-pods.ts';
import { HttpError } from './http-error.ts';

export interface Found {
  pod: Pod;
  now: RuntimePod;
}

export async function findPod(kubelet: Kubelet, namespace: string, name: string): Promise<Found> {
  const pod = kubelet.pods.get(`${namespace}/${name}`);
  if (!pod) throw new HttpError(404, `pod does not exist`);
  return { pod, now: await kubelet.runtimePods.look(pod.metadata.uid) };
}

export function findContainer({ pod, now }: Found, name: string): { container: Container; runs: ContainerStatus[] } {
  const container = containerNamed(pod, name);
  if (!container) throw new HttpError(404, `container not found ("${name}")`);
  return { container, runs: now.containers.filter((status) => containerNameOf(status) === name) };
}

/** The one that lives. */
export function findRunning(found: Found, name: string): { container: Container; id: string } {
  const { container, runs } = findContainer(found, name);
  const running = runs.find(({ state }) => state === 'CONTAINER_RUNNING');
  if (!running) throw new HttpError(500, `container not found ("${name}")`);
  return { container, id: running.id };
}
