/** Pods that keep more on the node's disk than they may: the limit of a volume, of the whole pod, of a container. Pure. */
import { podLimits } from '#api/core/v1/pod-resources.ts';
import type { Pod } from '#api/generated/schema.ts';
import { quantityValue } from '#api/machinery/quantity.ts';
import { initContainers } from '../pod-containers.ts';
import { containerStorageMessage, emptyDirMessage, podStorageMessage } from './messages.ts';
import type { PodUsage } from './usage.ts';

const STORAGE = 'ephemeral-storage';

/** Whether its usage must be known at all. */
export const isLimited = (pod: Pod): boolean =>
  (pod.spec.volumes ?? []).some(({ emptyDir }) => emptyDir?.sizeLimit !== undefined) ||
  [...initContainers(pod), ...pod.spec.containers].some(({ resources }) => resources?.limits?.[STORAGE] !== undefined);

/** Why it must go. */
export function storageExcess(pod: Pod, usage: PodUsage): string | undefined {
  for (const { name, emptyDir } of pod.spec.volumes ?? []) {
    const limit = emptyDir?.sizeLimit;
    const size = quantityValue(limit);
    if (limit && size > 0 && (usage.volumes.get(name) ?? 0) > size) return emptyDirMessage(name, limit);
  }
  const limit = podLimits(pod.spec)[STORAGE];
  if (limit && usage.diskBytes > quantityValue(limit)) return podStorageMessage(limit);
  for (const { name, diskBytes = 0 } of usage.containers) {
    const own = pod.spec.containers.find((container) => container.name === name)?.resources?.limits?.[STORAGE];
    if (own && diskBytes > quantityValue(own)) return containerStorageMessage(name, own);
  }
  return undefined;
}
