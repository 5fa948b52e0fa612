/** Services as a large cluster has them: two endpoints each, every tenth with a node port. */

import { SERVICE_NAME } from '#api/discovery/v1/endpoint-slice.ts';
import type { EndpointSlice, Service } from '#api/generated/schema.ts';
import type { TableContext } from '#network/proxy/ruleset.ts';

export const SERVICES = 10_000;
export const NAMESPACE = 'proxied';

export const TABLE: TableContext = {
  family: 'ipv4',
  podRanges: ['10.244.0.0/16'],
  serviceRanges: ['10.96.0.0/16'],
  ownAddresses: ['10.96.0.10'],
};

/** Without a selector: its endpoints are nobody's but the measure's. */
export const serviceBody = (index: number) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: `svc-${index}`, namespace: NAMESPACE },
  spec: {
    type: index % 10 === 0 ? 'NodePort' : 'ClusterIP',
    ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: 8080 }],
  },
});

/** The nth time that its first endpoint is another. */
export const sliceBody = (index: number, change = 0) => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: sliceName(index), namespace: NAMESPACE, labels: { [SERVICE_NAME]: `svc-${index}` } },
  addressType: 'IPv4',
  ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
  endpoints: [endpoint(changedIp(index, change)), endpoint(`10.243.${(index >> 8) & 255}.${index & 255}`)],
});

export const sliceName = (index: number): string => `svc-${index}-abcde`;

/** No two changes of one Service give the same. */
export const changedIp = (index: number, change: number): string =>
  change === 0 ? `10.242.${(index >> 8) & 255}.${index & 255}` : `10.241.${(change >> 8) & 255}.${change & 255}`;

const endpoint = (ip: string) => ({
  addresses: [ip],
  nodeName: `node-${Number(ip.split('.')[3]) % 50}`,
  conditions: { ready: true, serving: true, terminating: false },
});

/** As an API server would have stored the two. */
export const storedService = (index: number): Service => {
  const { metadata, spec, ...type } = serviceBody(index);
  const ip = `10.96.${(index >> 8) + 1}.${index & 255}`;
  const ports = spec.ports.map((port) => ({
    ...port,
    ...(spec.type === 'NodePort' && { nodePort: 30_000 + index / 10 }),
  }));
  const families = { clusterIP: ip, clusterIPs: [ip], ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' };
  const policies = { sessionAffinity: 'None', internalTrafficPolicy: 'Cluster', externalTrafficPolicy: 'Cluster' };
  return { ...type, metadata, spec: { ...spec, ...families, ...policies, ports } } as unknown as Service;
};
export const storedSlice = (index: number): EndpointSlice => sliceBody(index) as unknown as EndpointSlice;
