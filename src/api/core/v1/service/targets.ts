/** Which pods a Service means, and the port of theirs that it leads to. Source: API reference, Service. */
import type { Container, Pod, Service, ServicePort } from '#api/generated/schema.ts';
import { matchesLabels, selectorOfLabels } from '#api/machinery/label-selector.ts';
import { isRestartableInit } from '../pod-conditions.ts';

/** Only such a Service has endpoints made for it: those of others are left to whoever made them. */
export const hasSelector = ({ spec }: Service): boolean =>
  spec.type !== 'ExternalName' && Object.keys(spec.selector ?? {}).length > 0;

export const selects = ({ spec }: Service, pod: Pod): boolean =>
  matchesLabels(selectorOfLabels(spec.selector ?? {}), pod.metadata.labels);

/** The number behind a targetPort on this pod; undefined when the pod has no port of that name. */
export function targetPortOn(pod: Pod, { targetPort, protocol, port }: ServicePort): number | undefined {
  if (typeof targetPort === 'number') return targetPort || port;
  if (!targetPort) return port;
  const isAsked = (container: Container) =>
    container.ports?.find(({ name, protocol: of }) => name === targetPort && of === protocol)?.containerPort;
  const sidecars = (pod.spec.initContainers ?? []).filter(isRestartableInit);
  return [...pod.spec.containers, ...sidecars].map(isAsked).find((found) => found !== undefined);
}
