/** The pods that this node has to run: those of the API that are its own business, and those that files ask for. */
import type { Pod } from '#api/core/v1/pod.ts';
import type { Informer } from '#client/informer.ts';
import { isMirror } from './static-pods/static-pod.ts';

export interface NodePods {
  list(): Pod[];
  /** By `namespace/name`. A static pod is found instead of what shows it in the API. */
  get(key: string): Pod | undefined;
}

export const nodePods = (api: Informer<Pod>, files: NodePods | undefined): NodePods => ({
  list: () => [...api.list().filter((pod) => !isMirror(pod)), ...(files?.list() ?? [])],
  get(key) {
    const pod = files?.get(key) ?? api.get(key);
    return pod && isMirror(pod) ? undefined : pod;
  },
});
