/** What policies need to know of a pod. */
import type { Pod } from '#api/generated/schema.ts';
import { familyOf, type IpFamily } from '#network/netfilter/ip-family.ts';
import { type Protocol, protocolOf } from '#network/netfilter/protocol.ts';

export interface PodFacts {
  namespace: string;
  labels: Readonly<Record<string, string>>;
  /** Of one family. */
  address: string;
  ports: readonly { name: string; protocol: Protocol; port: number }[];
  isLocal: boolean;
}

/**
 * undefined for a pod that has no address of its own: it has none yet, it has the node's (no policy applies to those), or it
 * is over and its address may be another's by now.
 */
export function podFactsOf(
  { metadata, spec, status }: Pod,
  { family, nodeName }: { family: IpFamily; nodeName: string },
): PodFacts | undefined {
  const ips = status?.podIPs ?? (status?.podIP ? [{ ip: status.podIP }] : []);
  const address = ips.find(({ ip }) => ip && familyOf(ip) === family)?.ip;
  const isOver = status?.phase === 'Succeeded' || status?.phase === 'Failed';
  if (!address || spec.hostNetwork || isOver) return undefined;
  const sidecars = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  return {
    namespace: metadata.namespace ?? '',
    labels: metadata.labels ?? {},
    address,
    ports: [...sidecars, ...spec.containers].flatMap(({ ports = [] }) =>
      ports.flatMap(({ name, protocol, containerPort }) =>
        name ? [{ name, protocol: protocolOf(protocol), port: containerPort }] : [],
      ),
    ),
    isLocal: spec.nodeName === nodeName,
  };
}
