/** Reading a pod's lists of containers. */
import { isRestartableInit } from '#api/core/v1/pod-conditions.ts';
import type { Container, EphemeralContainer, Pod } from '#api/generated/schema.ts';

export { isRestartableInit as isSidecar } from '#api/core/v1/pod-conditions.ts';
export const initContainers = ({ spec }: Pod): Container[] => spec.initContainers ?? [];
export const sidecars = (pod: Pod): Container[] => initContainers(pod).filter(isRestartableInit);
/** An ephemeral container has the fields of a container, less what it may not have. */
export const ephemeralContainers = ({ spec }: Pod): (Container & EphemeralContainer)[] =>
  (spec.ephemeralContainers ?? []) as (Container & EphemeralContainer)[];
export const everyContainer = (pod: Pod): Container[] => [
  ...initContainers(pod),
  ...pod.spec.containers,
  ...ephemeralContainers(pod),
];
export const containerNamed = (pod: Pod, name: string): Container | undefined =>
  everyContainer(pod).find((container) => container.name === name);

/** How events and messages name a pod: `web_default(4a…)`. */
export const podText = ({ metadata }: Pod): string => `${metadata.name}_${metadata.namespace}(${metadata.uid})`;

/** `spec.containers{web}`: what events about a container point to. */
export function fieldPathOf(pod: Pod, { name }: { name: string }): string {
  if (initContainers(pod).some((container) => container.name === name)) return `spec.initContainers{${name}}`;
  if (ephemeralContainers(pod).some((container) => container.name === name)) return `spec.ephemeralContainers{${name}}`;
  return `spec.containers{${name}}`;
}
