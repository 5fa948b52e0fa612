/** A container's `hostPort` is a port of the node with one endpoint. In our own table: the portmap plugin costs 30 ms a pod. */
import type { Pod } from '#api/generated/schema.ts';
import { familyOf, type IpFamily } from '#network/netfilter/ip-family.ts';
import { endpointMap } from './chain-family.ts';
import type { Rendered } from './elements.ts';

/** undefined when the pod asks for none, or has no address yet. */
export function renderHostPorts(pod: Pod, family: IpFamily): Rendered | undefined {
  const ips = (pod.status?.podIPs ?? []).flatMap(({ ip }) => (ip ? [ip] : []));
  const podIp = ips.find((ip) => familyOf(ip) === family);
  if (!podIp || pod.spec.hostNetwork || isOver(pod)) return undefined;
  const containers = [
    ...(pod.spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always'),
    ...pod.spec.containers,
  ];
  const ports = containers.flatMap(({ ports: declared }) => declared ?? []).filter(({ hostPort }) => hostPort);
  if (ports.length === 0) return undefined;

  const rendered: Rendered = { elements: [], chains: [], affinities: [], hairpins: [podIp] };
  for (const { hostPort, hostIP, protocol, containerPort } of ports) {
    const isBound = hostIP && hostIP !== '0.0.0.0' && hostIP !== '::';
    if (isBound && familyOf(hostIP) !== family) continue;
    const chain = isBound ? 'lbl' : 'npl';
    const port = `${(protocol ?? 'TCP').toLowerCase()} . ${hostPort}`;
    const key = isBound ? `${hostIP} . ${port}` : port;
    rendered.chains.push({ family: chain, count: 1 });
    rendered.elements.push(
      { map: isBound ? 'svc' : 'np', key, value: `goto ${chain}1` },
      { map: endpointMap(chain, 1), key: `${key} . 0`, value: `${podIp} . ${containerPort}` },
    );
  }
  return rendered;
}

const isOver = ({ status }: Pod) => status?.phase === 'Succeeded' || status?.phase === 'Failed';
