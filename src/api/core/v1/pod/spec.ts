/** The specification of a pod, in a Pod and in the templates of those who make pods. */
import type { Container, EphemeralContainer, PodSpec, Submitted } from '#api/generated/schema.ts';
import { defaultContainer, withHostPorts, withRequestsFromLimits } from './containers.ts';
import { defaultVolume } from './volumes.ts';

/** What a pod and a template get when they do not say. */
export function defaultPodSpec(given: Submitted<PodSpec> = {}): PodSpec {
  const account = given.serviceAccountName || given.serviceAccount;
  return Object.assign({}, given as PodSpec, {
    containers: (given.containers ?? []).map(defaultContainer<Container>),
    ...(given.volumes && { volumes: given.volumes.map(defaultVolume) }),
    ...(given.initContainers && { initContainers: given.initContainers.map(defaultContainer<Container>) }),
    ...(given.ephemeralContainers && {
      ephemeralContainers: given.ephemeralContainers.map(defaultContainer<EphemeralContainer>),
    }),
    restartPolicy: given.restartPolicy || 'Always',
    terminationGracePeriodSeconds: given.terminationGracePeriodSeconds ?? 30,
    dnsPolicy: given.dnsPolicy || 'ClusterFirst',
    ...(account && { serviceAccountName: account, serviceAccount: account }),
    securityContext: given.securityContext ?? {},
    schedulerName: given.schedulerName || 'default-scheduler',
  });
}

/** What only a pod gets, not a template. */
export function defaultPod(spec: PodSpec): PodSpec {
  const own = <T extends Container | EphemeralContainer>(container: T): T => {
    const requesting = withRequestsFromLimits(container);
    return spec.hostNetwork ? withHostPorts(requesting) : requesting;
  };
  return Object.assign({}, spec, {
    containers: spec.containers.map(own),
    ...(spec.initContainers && { initContainers: spec.initContainers.map(own) }),
    enableServiceLinks: spec.enableServiceLinks ?? true,
  });
}
