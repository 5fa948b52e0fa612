/** A container's `hostPort` is a port of the node with one endpoint. In our own table: the portmap plugin costs 30 ms a pod. */
import { isRestartableInit } from '#api/core/v1/pod-conditions.ts';
import type { ContainerPort, Pod } from '#api/generated/schema.ts';
import { canonicalIp } from '#api/machinery/ip.ts';
import { keyOf } from '#api/machinery/object.ts';
import { familyOf, type IpFamily } from '#network/netfilter/ip-family.ts';
import { protocolOf } from '#network/netfilter/protocol.ts';
import type { FlowPort } from './conntrack.ts';
import type { Front, Wanted } from './fronts.ts';

/** undefined when the pod asks for none, or has no address yet. */
export function hostPortsOf(pod: Pod, family: IpFamily): Wanted | undefined {
  const ips = (pod.status?.podIPs ?? []).flatMap(({ ip }) => canonicalIp(ip ?? '') ?? []);
  const podIp = ips.find((ip) => familyOf(ip) === family);
  if (!podIp || pod.spec.hostNetwork || isOver(pod)) return undefined;
  const ports = declaredIn(pod);
  if (ports.length === 0) return undefined;

  const of = `${keyOf(pod)} host port`;
  const fronts = ports.flatMap(({ hostPort = 0, hostIP, protocol, containerPort }): Front[] => {
    const at = canonicalIp(hostIP ?? '');
    const isBound = at !== undefined && at !== '0.0.0.0' && at !== '::';
    if (isBound && familyOf(at) !== family) return [];
    return [
      {
        of,
        family: isBound ? 'lbl' : 'npl',
        ip: isBound ? at : undefined,
        protocol: protocolOf(protocol),
        port: hostPort,
        endpoints: [{ ip: podIp, port: containerPort, isLocal: true }],
        inside: undefined,
        isForbiddenHere: false,
        affinitySeconds: undefined,
        sourceRanges: undefined,
      },
    ];
  });
  return { since: pod.metadata.creationTimestamp, fronts, clusterIPs: [], hairpins: [podIp] };
}

/** @param wanted of a pod. */
export const flowPortsOf = (wanted: Wanted | undefined): FlowPort[] =>
  (wanted?.fronts ?? []).map((front) => ({
    protocol: front.protocol,
    port: front.port,
    clusterIPs: [],
    externalIPs: front.ip === undefined ? [] : [front.ip],
    nodePort: front.ip === undefined ? front.port : undefined,
    servingIPs: front.endpoints.map(({ ip }) => ip),
  }));

/** Whether its ports are to be looked at, now or when it has an address. */
export const hasHostPorts = (pod: Pod | undefined): boolean => pod !== undefined && declaredIn(pod).length > 0;

/** Of containers that go on: those that only initialize are over when somebody could ask. */
const declaredIn = ({ spec }: Pod): ContainerPort[] =>
  [...(spec.initContainers ?? []).filter(isRestartableInit), ...spec.containers].flatMap(({ ports }) =>
    (ports ?? []).filter(({ hostPort }) => hostPort),
  );

const isOver = ({ status }: Pod) => status?.phase === 'Succeeded' || status?.phase === 'Failed';
