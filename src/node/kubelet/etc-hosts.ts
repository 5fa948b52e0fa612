/** The /etc/hosts of a pod's containers. Source: "Adding entries to Pod /etc/hosts with HostAliases". */
import type { Pod } from '#api/generated/schema.ts';

/** What programs that edit the file by hand look for. */
const HEADER = '# Kubernetes-managed hosts file';

export function etcHosts(
  pod: Pod,
  {
    podIPs,
    hostname,
    clusterDomain,
    nodeHosts,
  }: { podIPs: readonly string[]; hostname: string; clusterDomain: string; nodeHosts: string },
): string {
  const base = pod.spec.hostNetwork
    ? `${HEADER} (host network).\n${nodeHosts}`
    : ownHosts(pod, { podIPs, hostname, clusterDomain });
  const aliases = (pod.spec.hostAliases ?? []).map(({ ip, hostnames = [] }) => `${[ip, ...hostnames].join('\t')}\n`);
  return aliases.length === 0 ? base : `${base}\n# Entries added by HostAliases.\n${aliases.join('')}`;
}

function ownHosts(
  pod: Pod,
  { podIPs, hostname, clusterDomain }: { podIPs: readonly string[]; hostname: string; clusterDomain: string },
): string {
  const { subdomain } = pod.spec;
  const domain = subdomain ? `${hostname}.${subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}\t` : '';
  return [
    `${HEADER}.`,
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
    ...podIPs.map((ip) => `${ip}\t${domain}${hostname}`),
    '',
  ].join('\n');
}

const MAX_HOSTNAME = 63;

/** What a pod calls itself. */
export function hostnameOf(pod: Pod, { nodeName, clusterDomain }: { nodeName: string; clusterDomain: string }): string {
  const { hostnameOverride, hostname, hostNetwork, subdomain, setHostnameAsFQDN } = pod.spec;
  if (hostnameOverride) return hostnameOverride;
  if (hostNetwork) return nodeName;
  const short = (hostname || pod.metadata.name).slice(0, MAX_HOSTNAME).replace(/[-.]+$/, '');
  const isFull = setHostnameAsFQDN && subdomain;
  return isFull ? `${short}.${subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}` : short;
}
