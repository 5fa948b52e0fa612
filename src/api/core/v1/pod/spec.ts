/** The specification of a pod, in a Pod and in the templates of those who make pods. */
import type { Container, EphemeralContainer, PodSpec, Submitted } from '#api/generated/schema.ts';
import { eachWith, withFields } from '#api/machinery/with-fields.ts';
import { defaultContainer, withHostPorts, withRequestsFromLimits } from './containers.ts';
import { defaultVolume } from './volumes.ts';

/** What a pod and a template get when they do not say. */
export function defaultPodSpec(given: Submitted<PodSpec> = {}): PodSpec {
  const account = given.serviceAccountName || given.serviceAccount;
  return withFields<Submitted<PodSpec>>(given, {
    containers: eachWith(given.containers, defaultContainer<Container>) ?? [],
    volumes: eachWith(given.volumes, defaultVolume),
    initContainers: eachWith(given.initContainers, defaultContainer<Container>),
    ephemeralContainers: eachWith(given.ephemeralContainers, defaultContainer<EphemeralContainer>),
    restartPolicy: given.restartPolicy || 'Always',
    terminationGracePeriodSeconds: given.terminationGracePeriodSeconds ?? 30,
    dnsPolicy: given.dnsPolicy || 'ClusterFirst',
    serviceAccountName: account || undefined,
    serviceAccount: account || undefined,
    securityContext: given.securityContext ?? {},
    schedulerName: given.schedulerName || 'default-scheduler',
  }) as PodSpec;
}

/** What only a pod gets, not a template. */
export function defaultPod(spec: PodSpec): PodSpec {
  const own = <T extends Container | EphemeralContainer>(container: T): T => {
    const requesting = withRequestsFromLimits(container);
    return spec.hostNetwork ? withHostPorts(requesting) : requesting;
  };
  return withFields(spec, {
    containers: eachWith(spec.containers, own),
    initContainers: eachWith(spec.initContainers, own),
    enableServiceLinks: spec.enableServiceLinks ?? true,
  });
}
