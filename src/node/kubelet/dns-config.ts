/** What stands in a container's resolv.conf. Source: "DNS for Services and Pods", dnsPolicy. */
import type { Pod } from '#api/generated/schema.ts';
import type { DNSConfig } from '#node/runtime/pod-sandbox.ts';

export interface DnsFacts {
  clusterDNS: readonly string[];
  clusterDomain: string;
  /** The text of the node's own resolv.conf. */
  resolvConf: string;
}

// glibc reads no more than these. Source: resolv.conf(5).
const MAX_SERVERS = 3;
const MAX_SEARCHES = 32;

export function dnsConfigOf(pod: Pod, facts: DnsFacts): DNSConfig {
  const own = pod.spec.dnsConfig;
  const base = baseOf(pod, facts);
  const options = new Map(base.options.map((option) => [option.split(':')[0] ?? '', option]));
  for (const { name = '', value } of own?.options ?? [])
    options.set(name, value === undefined ? name : `${name}:${value}`);
  return {
    servers: unique([...base.servers, ...(own?.nameservers ?? [])]).slice(0, MAX_SERVERS),
    searches: unique([...base.searches, ...(own?.searches ?? [])]).slice(0, MAX_SEARCHES),
    options: [...options.values()],
  };
}

const unique = (texts: string[]): string[] => [...new Set(texts)];

function baseOf({ spec, metadata }: Pod, { clusterDNS, clusterDomain, resolvConf }: DnsFacts): DNSConfig {
  const policy = spec.dnsPolicy;
  if (policy === 'None') return { servers: [], searches: [], options: [] };
  const node = parseResolvConf(resolvConf);
  const ofCluster =
    clusterDNS.length > 0 && (policy === 'ClusterFirstWithHostNet' || (policy === 'ClusterFirst' && !spec.hostNetwork));
  if (!ofCluster) return node;
  const searches = [`${metadata.namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain];
  return { servers: [...clusterDNS], searches: [...searches, ...node.searches], options: ['ndots:5'] };
}

export function parseResolvConf(text: string): DNSConfig {
  const config: DNSConfig = { servers: [], searches: [], options: [] };
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line.trim().split(/\s+/);
    if (keyword === 'nameserver' && values[0]) config.servers.push(values[0]);
    else if (keyword === 'search') config.searches = values;
    else if (keyword === 'options') config.options = values;
  }
  return config;
}
