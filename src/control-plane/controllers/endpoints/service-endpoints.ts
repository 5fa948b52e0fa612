/** Where a Service leads: its pods, and the ports that each of them offers. Source: endpointslice util, reconciler. */

import { conditionOf, isTerminal } from '#api/core/v1/pod-conditions.ts';
import { hasSelector, selects } from '#api/core/v1/service/targets.ts';
import type { Pod, Service } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { isIpv6 } from '#api/machinery/ip.ts';
import { matchesLabels, selectorOfLabels } from '#api/machinery/label-selector.ts';
import type { ObjectKey } from '#api/machinery/object.ts';
import { keyOf } from '#api/machinery/object.ts';
import type { Informer } from '#client/informer.ts';

export const HEADLESS_LABEL = 'service.kubernetes.io/headless';
/** When the last change that these endpoints show has happened. */
export const LAST_CHANGE = 'endpoints.kubernetes.io/last-change-trigger-time';

export const isHeadless = ({ spec }: Service): boolean => spec.clusterIP === 'None';

/** Of all of its namespace those that may be an endpoint, ready or not: they have an address and have not run to their end. */
export function podsOf({ spec }: Service, pods: readonly Pod[]): Pod[] {
  const selector = selectorOfLabels(spec.selector ?? {});
  return pods.filter(
    (pod) => matchesLabels(selector, pod.metadata.labels) && !isTerminal(pod) && addressesOf(pod).length > 0,
  );
}

export const addressesOf = ({ status }: Pod): string[] => {
  const all = (status?.podIPs ?? []).map(({ ip }) => ip).filter(Boolean);
  return all.length > 0 ? all : status?.podIP ? [status.podIP] : [];
};

export const addressOfFamily = (pod: Pod, family: 'IPv4' | 'IPv6'): string | undefined =>
  addressesOf(pod).find((ip) => isIpv6(ip) === (family === 'IPv6'));

/** The families that the Service is offered in; a Service from before dual stack says so by its address. */
export function familiesOf({ spec }: Service): ('IPv4' | 'IPv6')[] {
  const families = (spec.ipFamilies ?? []).filter((family) => family !== '');
  if (families.length > 0) return families;
  return [spec.clusterIP && isIpv6(spec.clusterIP) ? 'IPv6' : 'IPv4'];
}

/** A pod has a DNS name of its own under a headless Service that is its subdomain. */
export const hostnameOf = (pod: Pod, service: Service): string | undefined =>
  pod.spec.hostname && pod.spec.subdomain === service.metadata.name ? pod.spec.hostname : undefined;

/** The Services whose endpoints a pod is, or was, one of. */
export const servicesOf = (pod: Pod, services: Informer<Service>): ObjectKey[] =>
  services
    .inNamespace(pod.metadata.namespace ?? '')
    .filter((service) => hasSelector(service) && selects(service, pod))
    .map(keyOf);

/** Whether a change of a pod can show in endpoints. Asked of each: what is compared at once comes first. */
export const matters = (now: Pod, before: Pod): boolean =>
  now.metadata.deletionTimestamp !== before.metadata.deletionTimestamp ||
  now.status?.phase !== before.status?.phase ||
  now.spec.nodeName !== before.spec.nodeName ||
  now.spec.hostname !== before.spec.hostname ||
  now.spec.subdomain !== before.spec.subdomain ||
  conditionOf(now, 'Ready')?.status !== conditionOf(before, 'Ready')?.status ||
  !isEqual(now.metadata.labels, before.metadata.labels) ||
  !isEqual(addressesOf(now), addressesOf(before));
