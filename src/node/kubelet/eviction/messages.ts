/** Why a pod was evicted, in upstream's words: clients and people look for them. */
import type { Pod } from '#api/generated/schema.ts';
import { compareQuantities } from '#api/machinery/quantity.ts';
import { initContainers, isSidecar } from '../pod-containers.ts';
import { amountText, binaryText, resourceOf, type Threshold } from './thresholds.ts';
import type { Observations, PodUsage } from './usage.ts';

export function pressureMessage(
  pod: Pod,
  threshold: Threshold,
  { observations, usage }: { observations: Observations; usage: PodUsage | undefined },
): string {
  const resource = resourceOf(threshold.signal);
  const observed = observations.get(threshold.signal);
  const parts = [`The node was low on resource: ${resource}. `];
  if (observed) {
    const quantity = amountText(threshold.limit, observed.capacity);
    parts.push(`Threshold quantity: ${quantity}, available: ${binaryText(observed.available)}. `);
  }
  const containers = [...initContainers(pod).filter(isSidecar), ...pod.spec.containers];
  for (const { name, memoryBytes, diskBytes } of usage?.containers ?? []) {
    const container = containers.find((each) => each.name === name);
    const used = resource === 'memory' ? memoryBytes : resource === 'ephemeral-storage' ? diskBytes : undefined;
    if (!container || used === undefined) continue;
    const request = container.resources?.requests?.[resource] ?? '0';
    const text = binaryText(used);
    if (compareQuantities(text, request) > 0)
      parts.push(`Container ${name} was using ${text}, request is ${request}, has larger consumption of ${resource}. `);
  }
  return parts.join('');
}

export const emptyDirMessage = (volume: string, limit: string): string =>
  `Usage of EmptyDir volume ${JSON.stringify(volume)} exceeds the limit ${JSON.stringify(limit)}. `;
export const containerStorageMessage = (container: string, limit: string): string =>
  `Container ${container} exceeded its local ephemeral storage limit ${JSON.stringify(limit)}. `;
export const podStorageMessage = (limit: string): string =>
  `Pod ephemeral local storage usage exceeds the total limit of containers ${limit}. `;
