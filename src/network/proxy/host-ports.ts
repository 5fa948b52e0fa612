/** A container's `hostPort` is a port of the node with one endpoint. In our own table: the portmap plugin costs 30 ms a pod. */
import type { Pod } from '#api/generated/schema.ts';
import { keyOf } from '#api/machinery/object.ts';
import { familyOf, type IpFamily } from '#network/netfilter/ip-family.ts';
import { protocolOf } from '#network/netfilter/protocol.ts';
import type { Front, Wanted } from './fronts.ts';

/** undefined when the pod asks for none, or has no address yet. */
export function hostPortsOf(pod: Pod, family: IpFamily): Wanted | undefined {
  const ips = (pod.status?.podIPs ?? []).flatMap(({ ip }) => (ip ? [ip] : []));
  const podIp = ips.find((ip) => familyOf(ip) === family);
  if (!podIp || pod.spec.hostNetwork || isOver(pod)) return undefined;
  const containers = [
    ...(pod.spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always'),
    ...pod.spec.containers,
  ];
  const ports = containers.flatMap(({ ports: declared }) => declared ?? []).filter(({ hostPort }) => hostPort);
  if (ports.length === 0) return undefined;

  const of = `${keyOf(pod)} host port`;
  const fronts = ports.flatMap(({ hostPort = 0, hostIP, protocol, containerPort }): Front[] => {
    const isBound = hostIP && hostIP !== '0.0.0.0' && hostIP !== '::';
    if (isBound && familyOf(hostIP) !== family) return [];
    return [
      {
        of,
        family: isBound ? 'lbl' : 'npl',
        ip: isBound ? hostIP : undefined,
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
  return { fronts, clusterIPs: [], hairpins: [podIp] };
}

const isOver = ({ status }: Pod) => status?.phase === 'Succeeded' || status?.phase === 'Failed';
