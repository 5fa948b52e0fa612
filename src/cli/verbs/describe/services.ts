/** Services, their endpoints, and the Ingresses in front of them. */

import { SERVICE_NAME } from '#api/discovery/v1/endpoint-slice.ts';
import type {
  EndpointSlice,
  Endpoints,
  Ingress,
  IngressBackend,
  LoadBalancerIngress,
  Service,
  ServicePort,
} from '#api/generated/schema.ts';
import { formatLabels } from '#api/machinery/label-selector.ts';
import { isNotFound } from '../fetched-target.ts';
import { type DescribeContext, type Describer, fetched, listed } from './describer.ts';
import { describeEvents } from './events.ts';
import { orNone, orUnset, type Report } from './report.ts';

const MOST_ENDPOINTS = 3;

export const serviceDescriber: Describer<Service> = {
  kind: 'Service',
  async describe(report, service, context) {
    const { metadata, spec, status } = service;
    report.field('Name', metadata.name);
    report.field('Namespace', metadata.namespace);
    report.labels('Labels', metadata.labels);
    report.annotations('Annotations', metadata.annotations);
    report.field('Selector', formatLabels(spec.selector));
    report.field('Type', spec.type);
    report.fieldIf('IP Family Policy', spec.ipFamilyPolicy);
    report.field('IP Families', orNone((spec.ipFamilies ?? []).join(',')));
    report.field('IP', spec.clusterIP ?? '');
    report.field('IPs', orNone((spec.clusterIPs ?? []).join(',')));
    report.fieldIf('External IPs', (spec.externalIPs ?? []).join(','));
    report.fieldIf('Desired LoadBalancer IP', spec.loadBalancerIP);
    report.fieldIf('External Name', spec.externalName);
    report.fieldIf('LoadBalancer Ingress', (status?.loadBalancer?.ingress ?? []).map(ingressText).join(', '));
    const slices = await slicesOf(context, metadata.namespace, metadata.name);
    for (const port of spec.ports ?? []) describePort(report, port, slices);
    report.field('Session Affinity', spec.sessionAffinity ?? '');
    report.fieldIf('External Traffic Policy', spec.externalTrafficPolicy);
    report.fieldIf('Internal Traffic Policy', spec.internalTrafficPolicy);
    if (spec.healthCheckNodePort) report.field('HealthCheck NodePort', spec.healthCheckNodePort);
    report.fieldIf('LoadBalancer Source Ranges', (spec.loadBalancerSourceRanges ?? []).join(','));
    report.fieldIf('Traffic Distribution', spec.trafficDistribution);
    await describeEvents(report, service, context);
  },
};

function describePort(report: Report, port: ServicePort, slices: readonly EndpointSlice[]): void {
  const { name, port: number, protocol, targetPort, appProtocol, nodePort } = port;
  report.line(0, `Port:\t${name || '<unset>'}\t${number}/${protocol}`);
  report.field('TargetPort', `${targetPort}/${protocol}`);
  report.fieldIf('AppProtocol', appProtocol);
  if (nodePort) report.line(0, `NodePort:\t${name || '<unset>'}\t${nodePort}/${protocol}`);
  report.field('Endpoints', endpointsText(slices, name ?? ''));
}

const ingressText = ({ ip, hostname, ipMode }: LoadBalancerIngress): string =>
  ip ? `${ip}${ipMode ? ` (${ipMode})` : ''}` : (hostname ?? '');

const slicesOf = (context: DescribeContext, namespace: string | undefined, service: string): Promise<EndpointSlice[]> =>
  listed<EndpointSlice>(context, 'endpointslices.discovery.k8s.io', {
    namespace,
    labelSelector: `${SERVICE_NAME}=${service}`,
  });

/** The first few ready ones of a port, and how many more there are. */
export function endpointsText(slices: readonly EndpointSlice[], portName: string): string {
  if (slices.length === 0) return '<none>';
  const all = slices.flatMap(({ endpoints = [], ports = [] }) => {
    const ready = endpoints
      .filter(({ conditions }) => conditions?.ready !== false)
      .map(({ addresses }) => addresses[0] ?? '');
    if (ports.length === 0) return ready;
    const matching = ports.filter(({ name = '' }) => name === portName);
    return matching.flatMap(({ port }) =>
      ready.map((address) => `${address.includes(':') ? `[${address}]` : address}:${port}`),
    );
  });
  const shown = all.slice(0, MOST_ENDPOINTS).join(',');
  return all.length > MOST_ENDPOINTS ? `${shown} + ${all.length - MOST_ENDPOINTS} more...` : shown;
}

export const endpointsDescriber: Describer<Endpoints> = {
  kind: 'Endpoints',
  async describe(report, endpoints, context) {
    const { metadata, subsets = [] } = endpoints;
    report.field('Name', metadata.name);
    report.field('Namespace', metadata.namespace);
    report.labels('Labels', metadata.labels);
    report.annotations('Annotations', metadata.annotations);
    report.line(0, 'Subsets:');
    for (const { addresses = [], notReadyAddresses = [], ports = [] } of subsets) {
      report.field('Addresses', orNone(addresses.map(({ ip }) => ip).join(',')), 1);
      report.field('NotReadyAddresses', orNone(notReadyAddresses.map(({ ip }) => ip).join(',')), 1);
      if (ports.length > 0) {
        report.line(1, 'Ports:');
        report.line(2, 'Name\tPort\tProtocol');
        report.line(2, '----\t----\t--------');
        for (const { name, port, protocol } of ports) report.line(2, `${name || '<unset>'}\t${port}\t${protocol}`);
      }
      report.line(0, '');
    }
    await describeEvents(report, endpoints, context);
  },
};

export const endpointSliceDescriber: Describer<EndpointSlice> = {
  kind: 'EndpointSlice.discovery.k8s.io',
  async describe(report, slice, context) {
    const { metadata, addressType, endpoints = [], ports = [] } = slice;
    report.field('Name', metadata.name);
    report.field('Namespace', metadata.namespace);
    report.labels('Labels', metadata.labels);
    report.annotations('Annotations', metadata.annotations);
    report.field('AddressType', addressType);
    if (ports.length === 0) report.line(0, 'Ports: <unset>');
    else {
      const rows = ports.map(({ name, port, protocol }) => [name || '<unset>', orUnset(port), protocol]);
      report.table('Ports', ['Name', 'Port', 'Protocol'], rows);
    }
    report.line(0, endpoints.length === 0 ? 'Endpoints: <none>' : 'Endpoints:');
    for (const { addresses, conditions, hostname, targetRef, nodeName, zone } of endpoints) {
      report.line(1, `- Addresses:\t${orNone(addresses.join(', '))}`);
      report.line(2, 'Conditions:');
      report.field('Ready', orUnset(conditions?.ready), 3);
      report.field('Hostname', orUnset(hostname), 2);
      if (targetRef) report.field('TargetRef', `${targetRef.kind}/${targetRef.name}`, 2);
      report.field('NodeName', orUnset(nodeName), 2);
      report.field('Zone', orUnset(zone), 2);
    }
    await describeEvents(report, slice, context);
  },
};

export const ingressDescriber: Describer<Ingress> = {
  kind: 'Ingress.networking.k8s.io',
  async describe(report, ingress, context) {
    const { metadata, spec = {}, status } = ingress;
    const backendOf = (backend: IngressBackend) => backendText(backend, metadata.namespace, context);
    report.field('Name', metadata.name);
    report.labels('Labels', metadata.labels);
    report.field('Namespace', metadata.namespace);
    report.field('Address', (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip ?? hostname).join(','));
    report.field('Ingress Class', spec.ingressClassName ?? '<none>');
    const otherwise = spec.defaultBackend ? await backendOf(spec.defaultBackend) : '<default>';
    report.field('Default backend', otherwise);
    if (spec.tls?.length) report.line(0, 'TLS:');
    for (const { secretName, hosts = [] } of spec.tls ?? [])
      report.line(1, secretName ? `${secretName} terminates ${hosts.join(',')}` : `SNI routes ${hosts.join(',')}`);
    report.line(0, 'Rules:\n  Host\tPath\tBackends');
    report.line(1, '----\t----\t--------');
    const rules = (spec.rules ?? []).filter(({ http }) => http);
    for (const { host, http } of rules) {
      report.line(1, `${host || '*'}\t`);
      for (const { path = '', backend } of http!.paths) report.line(2, `\t${path} \t${await backendOf(backend)}`);
    }
    if (rules.length === 0) report.line(1, `*\t*\t${otherwise}`);
    report.annotations('Annotations', metadata.annotations);
    await describeEvents(report, ingress, context);
  },
};

async function backendText(
  { service, resource }: IngressBackend,
  namespace: string | undefined,
  context: DescribeContext,
): Promise<string> {
  if (resource) return `APIGroup: ${resource.apiGroup ?? '<none>'}, Kind: ${resource.kind}, Name: ${resource.name}`;
  if (!service) return '';
  const told = `${service.name}:${service.port?.name || (service.port?.number ?? '')}`;
  try {
    const slices = await slicesOf(context, namespace, service.name);
    const { spec } = await fetched<Service>(context, 'services', {
      ...(namespace && { namespace }),
      name: service.name,
    });
    const port = spec.ports?.find(({ name, port: number }) =>
      service.port?.number ? number === service.port.number : name === service.port?.name,
    );
    return `${told} (${endpointsText(slices, port?.name ?? '')})`;
  } catch (error) {
    if (isNotFound(error)) return `${told} (<error: ${(error as Error).message}>)`;
    throw error;
  }
}
