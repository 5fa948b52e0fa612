/** Fields of features that are off in this version: nobody gets to write them. */
import type { Container, Lifecycle, PodSpec, Volume } from '#api/generated/schema.ts';

export function withoutDisabledFields(spec: PodSpec): PodSpec {
  if (!usesAny(spec)) return spec;
  const { schedulingGroup: _group, ...rest } = spec;
  const without = <T extends Container>(list: readonly T[]): T[] => list.map(withoutStopSignal) as T[];
  return {
    ...rest,
    containers: without(spec.containers),
    ...(spec.initContainers && { initContainers: without(spec.initContainers) }),
    ...(spec.volumes && { volumes: spec.volumes.map(withoutProjections) }),
  };
}

const usesAny = ({ schedulingGroup, containers, initContainers = [], volumes = [] }: PodSpec): boolean =>
  schedulingGroup !== undefined ||
  [...containers, ...initContainers].some(({ lifecycle }) => lifecycle?.stopSignal !== undefined) ||
  volumes.some(({ projected }) => projected?.sources?.some((one) => one.clusterTrustBundle || one.podCertificate));

/** ContainerStopSignals. */
function withoutStopSignal(container: Container): Container {
  if (container.lifecycle?.stopSignal === undefined) return container;
  const { lifecycle, ...rest } = container;
  const { stopSignal: _signal, ...hooks } = lifecycle;
  return Object.keys(hooks).length > 0 ? { ...rest, lifecycle: hooks as Lifecycle } : rest;
}

/** ClusterTrustBundleProjection and PodCertificateRequest. */
function withoutProjections(volume: Volume): Volume {
  if (!volume.projected?.sources) return volume;
  const sources = volume.projected.sources.map(({ clusterTrustBundle: _bundle, podCertificate: _pod, ...one }) => one);
  return { ...volume, projected: { ...volume.projected, sources } };
}
