/**
 * What a Service is called in the cluster's domain. Pure: a Service and its EndpointSlices in, records out.
 * Source: Kubernetes DNS-Based Service Discovery, schema version 1.1.0.
 */
import type { EndpointSlice, Service } from '#api/generated/schema.ts';

export type DnsRecord =
  | { name: string; type: 'A' | 'AAAA'; address: string }
  | { name: string; type: 'SRV'; port: number; target: string }
  | { name: string; type: 'CNAME'; target: string }
  | { name: string; type: 'PTR'; target: string };

/** All names are relative to the cluster's domain, lower case, without a dot at the end; PTR names and targets are absolute. */
export function recordsFor(service: Service, slices: readonly EndpointSlice[], domain: string): DnsRecord[] {
  const base = `${service.metadata.name}.${service.metadata.namespace}.svc`;
  const { spec } = service;
  if (spec.type === 'ExternalName') {
    return spec.externalName ? [{ name: base, type: 'CNAME', target: withoutDot(spec.externalName) }] : [];
  }
  if (spec.clusterIP === 'None') return headless(service, slices, { base, domain });
  const addresses = (spec.clusterIPs ?? [spec.clusterIP]).filter((ip): ip is string => Boolean(ip));
  return [
    ...addresses.map((address) => addressRecord(base, address)),
    ...addresses.map(
      (address): DnsRecord => ({ name: reverseName(address), type: 'PTR', target: `${base}.${domain}` }),
    ),
    ...(spec.ports ?? []).flatMap(({ name, protocol, port }) =>
      name && addresses.length > 0 ? [srvRecord({ name, protocol, port }, { base, target: `${base}.${domain}` })] : [],
    ),
  ];
}

function headless(
  service: Service,
  slices: readonly EndpointSlice[],
  at: { base: string; domain: string },
): DnsRecord[] {
  const { base, domain } = at;
  const records: DnsRecord[] = [];
  for (const slice of slices) {
    if (slice.addressType === 'FQDN') continue;
    for (const endpoint of slice.endpoints ?? []) {
      const isPublished = service.spec.publishNotReadyAddresses || (endpoint.conditions?.ready ?? true);
      if (!isPublished) continue;
      for (const address of endpoint.addresses) {
        const host = `${endpoint.hostname || address.replaceAll(/[.:]/g, '-')}.${base}`;
        records.push(addressRecord(base, address), addressRecord(host, address));
        if (endpoint.hostname) records.push({ name: reverseName(address), type: 'PTR', target: `${host}.${domain}` });
        for (const { name, protocol, port } of slice.ports ?? []) {
          if (name && port) records.push(srvRecord({ name, protocol, port }, { base, target: `${host}.${domain}` }));
        }
      }
    }
  }
  return records;
}

const addressRecord = (name: string, address: string): DnsRecord => ({
  name,
  type: address.includes(':') ? 'AAAA' : 'A',
  address,
});

const srvRecord = (
  port: { name: string; protocol?: string; port: number },
  at: { base: string; target: string },
): DnsRecord => ({
  name: `_${port.name}._${(port.protocol ?? 'TCP').toLowerCase()}.${at.base}`,
  type: 'SRV',
  port: port.port,
  target: at.target,
});

/** `10.96.0.1` → `1.0.96.10.in-addr.arpa` (RFC 1035); IPv6 by nibbles (RFC 3596). */
export function reverseName(address: string): string {
  if (!address.includes(':')) return `${address.split('.').reverse().join('.')}.in-addr.arpa`;
  const [head = '', tail] = address.toLowerCase().split('::');
  const groups = (part: string | undefined) => (part ? part.split(':') : []);
  const missing = 8 - groups(head).length - groups(tail).length;
  const all = [
    ...groups(head),
    ...Array.from({ length: tail === undefined ? 0 : missing }, () => '0'),
    ...groups(tail),
  ];
  const nibbles = all.map((group) => group.padStart(4, '0')).join('');
  return `${[...nibbles].reverse().join('.')}.ip6.arpa`;
}

const withoutDot = (name: string): string => name.toLowerCase().replace(/\.$/, '');
