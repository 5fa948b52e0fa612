/** The pod and the container that a path names. Texts are upstream's. */
import type { Container, Pod } from '#api/generated/schema.ts';
import type { ContainerStatus } from '#node/runtime/container.ts';
import { RuntimeError } from '#node/runtime/runtime-error.ts';
import type { Kubelet } from '../kubelet.ts';
import { containerNamed } from '../pod-containers.ts';
import { containerNameOf, emptyRuntimePod, newestOf, type RuntimePod } from '../runtime-pods.ts';
import { HttpError } from './http-error.ts';

export interface Found {
  pod: Pod;
  now: RuntimePod;
}

export async function findPod(
  kubelet: Pick<Kubelet, 'pods' | 'runtimePods'>,
  namespace: string,
  name: string,
): Promise<Found> {
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

interface Named {
  namespace: string;
  pod: string;
  container: string;
}

/**
 * Asks something of the container that lives: of the one that was seen to at once, which costs no call. Only when the runtime
 * will not have it of that one is it looked for.
 */
export async function askRunning<T>(
  kubelet: Pick<Kubelet, 'pods' | 'runtimePods'>,
  { namespace, pod: podName, container: name }: Named,
  ask: (running: ReturnType<typeof findRunning>) => Promise<T>,
): Promise<T> {
  const seen = seenRunning(kubelet, { namespace, pod: podName, container: name });
  if (seen) {
    try {
      return await ask(seen);
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
    }
  }
  return ask(findRunning(await findPod(kubelet, namespace, podName), name));
}

function seenRunning(
  { pods, runtimePods }: Pick<Kubelet, 'pods' | 'runtimePods'>,
  { namespace, pod: podName, container: name }: Named,
): ReturnType<typeof findRunning> | undefined {
  const pod = pods.get(`${namespace}/${podName}`);
  const container = pod && containerNamed(pod, name);
  const status = pod && newestOf(runtimePods.remembered(pod.metadata.uid) ?? emptyRuntimePod(''), name);
  return container && status?.state === 'CONTAINER_RUNNING' ? { container, id: status.id } : undefined;
}
