/** GET /runningpods: what the runtime has, whatever the API says of it. */
import type { Container } from '#node/runtime/container.ts';
import type { ContainerRuntime } from '#node/runtime/runtime.ts';
import { CONTAINER_NAME, POD_NAME, POD_NAMESPACE, POD_UID } from '../runtime-labels.ts';

export async function runningPods(runtime: ContainerRuntime): Promise<object> {
  const running = (await runtime.listContainers()).filter(({ state }) => state === 'CONTAINER_RUNNING');
  const byPod = new Map<string, Container[]>();
  for (const container of running) {
    const uid = container.labels[POD_UID];
    if (uid) byPod.set(uid, [...(byPod.get(uid) ?? []), container]);
  }
  const items = [...byPod].map(([uid, containers]) => {
    const labels = containers[0]?.labels ?? {};
    return {
      metadata: { name: labels[POD_NAME], namespace: labels[POD_NAMESPACE], uid, creationTimestamp: null },
      spec: {
        containers: containers.map((each) => ({
          name: each.labels[CONTAINER_NAME],
          image: each.image || each.imageRef,
          resources: {},
        })),
      },
      status: {},
    };
  });
  return { kind: 'PodList', apiVersion: 'v1', metadata: {}, items };
}
