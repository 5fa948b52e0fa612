/** Pods of the API that are this node's own business go to the workers; what only shows static pods goes elsewhere. */
import type { Pod } from '#api/core/v1/pod.ts';
import { keyOf } from '#api/machinery/object.ts';
import type { Informer } from '#client/informer.ts';
import type { PodWorkers } from './pod-workers.ts';
import type { StatusWriter } from './status-writer.ts';
import { CONFIG_MIRROR, isMirror, isStatic } from './static-pods/static-pod.ts';

/** @param onMirror called for what shows static pods: its pods are not the API's to say */
export function followPods(
  pods: Informer<Pod>,
  { workers, writer }: { workers: PodWorkers; writer: StatusWriter },
  onMirror: (mirror: Pod | undefined, isNew: boolean) => void,
): () => void {
  const unsubscribe = pods.onChange(({ now, before }) => {
    if ((now && isMirror(now)) || (before && isMirror(before)))
      return onMirror(now, now?.metadata.uid !== before?.metadata.uid);
    // The same name may come back as another pod between two looks.
    if (before && before.metadata.uid !== now?.metadata.uid) workers.gone(before);
    if (!now) return;
    workers.configure(now);
    writer.seen(now);
  });
  for (const pod of pods.list()) if (!isMirror(pod)) workers.configure(pod);
  return unsubscribe;
}

/** The pod itself; for a static one, what shows it in the API. */
export function shownInApi(pod: Pod, api: Informer<Pod>): Pod | undefined {
  if (!isStatic(pod)) return pod;
  const found = api.get(keyOf(pod));
  return found?.metadata.annotations?.[CONFIG_MIRROR] === pod.metadata.uid ? found : undefined;
}

/** The pod with the newest status that the API has of it. */
export function withApiStatus(pod: Pod, api: Informer<Pod>): Pod {
  const found = api.get(keyOf(pod));
  if (!isStatic(pod)) return found?.metadata.uid === pod.metadata.uid ? found : pod;
  const status = shownInApi(pod, api)?.status;
  return status ? { ...pod, status } : pod;
}
