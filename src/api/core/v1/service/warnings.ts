/** What of a Service has no meaning, or soon has none. Texts as kube-apiserver has them. */
import type { Service } from '#api/generated/schema.ts';
import { root } from '#api/machinery/field-path.ts';
import { warningsOfCidr, warningsOfIp } from '#api/machinery/ip-rules.ts';

const OLD_HINTS = 'service.kubernetes.io/topology-aware-hints';

export function warningsOfService({ metadata, spec }: Service): string[] {
  const { spec: at } = root<Service>();
  const { clusterIPs = [], externalIPs = [], loadBalancerSourceRanges: ranges = [], loadBalancerIP } = spec;
  const isExternalName = spec.type === 'ExternalName';
  const isHeadless = clusterIPs[0] === 'None';
  const hasOwnIps = !isExternalName && !isHeadless;
  return [
    ...(metadata.annotations?.[OLD_HINTS] === undefined
      ? []
      : [`annotation ${OLD_HINTS} is deprecated, please use service.kubernetes.io/topology-mode instead`]),
    ...(hasOwnIps ? clusterIPs.flatMap((ip, i) => warningsOfIp(at.clusterIPs[i]!, ip)) : []),
    ...(isHeadless && loadBalancerIP ? ['spec.loadBalancerIP is ignored for headless services'] : []),
    ...(isHeadless && externalIPs.length > 0 ? ['spec.externalIPs is ignored for headless services'] : []),
    ...(isHeadless && spec.sessionAffinity !== 'None' ? ['spec.SessionAffinity is ignored for headless services'] : []),
    ...externalIPs.flatMap((ip, i) => warningsOfIp(at.externalIPs[i]!, ip)),
    ...(hasOwnIps && externalIPs.length > 0
      ? ['spec.externalIPs is deprecated and may no longer be implemented in some clusters']
      : []),
    ...(loadBalancerIP ? warningsOfIp(at.loadBalancerIP, loadBalancerIP) : []),
    ...ranges.flatMap((range, i) => warningsOfCidr(at.loadBalancerSourceRanges[i]!, range)),
    ...(isExternalName && externalIPs.length > 0
      ? ['spec.externalIPs is ignored when spec.type is "ExternalName"']
      : []),
    ...(!isExternalName && spec.externalName
      ? ['spec.externalName is ignored when spec.type is not "ExternalName"']
      : []),
    ...(spec.trafficDistribution === 'PreferClose'
      ? ['spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"']
      : []),
  ];
}
