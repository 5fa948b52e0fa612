/**
 * What a Service holds of addresses and node ports, and of which families it is to be. Pure. Source: API reference,
 * ServiceSpec.
 */
import { needsClusterIp, needsHealthCheckPort } from '#api/core/v1/service/type-change.ts';
import type { Service, ServiceSpec } from '#api/generated/schema.ts';
import { parseIp } from '#api/machinery/ip.ts';
import type { IpFamily } from './address-range.ts';

export const HEADLESS = 'None';

const mayHaveNodePorts = ({ type }: ServiceSpec): boolean => type === 'NodePort' || type === 'LoadBalancer';

/** The addresses that are taken from the ranges. */
export const heldAddresses = (spec: ServiceSpec | undefined): string[] => {
  if (!spec || !needsClusterIp(spec)) return [];
  return (spec.clusterIPs?.length ? spec.clusterIPs : spec.clusterIP ? [spec.clusterIP] : []).filter(
    (ip) => ip !== '' && ip !== HEADLESS,
  );
};

/** Each once; several ports may share one when their protocols differ. */
export const heldNodePorts = (spec: ServiceSpec | undefined): number[] => {
  if (!spec || !mayHaveNodePorts(spec)) return [];
  const ports = (spec.ports ?? []).map(({ nodePort }) => nodePort ?? 0);
  if (spec.healthCheckNodePort && needsHealthCheckPort(spec)) ports.push(spec.healthCheckNodePort);
  return [...new Set(ports)].filter((port) => port !== 0);
};

/** `clusterIP` is the first of `clusterIPs`, whichever of the two was given. */
export function withSyncedClusterIps(next: ServiceSpec, current?: ServiceSpec): ServiceSpec {
  const { clusterIP = '', clusterIPs = [] } = next;
  if (!current) return clusterIP && clusterIPs.length === 0 ? { ...next, clusterIPs: [clusterIP] } : next;
  const changed = clusterIP !== (current.clusterIP ?? '');
  const listChanged = clusterIPs.join() !== (current.clusterIPs ?? []).join();
  if (changed && !clusterIP && !listChanged) return { ...next, clusterIPs: [] };
  if (changed && clusterIP && !listChanged) return { ...next, clusterIPs: [clusterIP] };
  return next;
}

export interface Families {
  ipFamilies: IpFamily[];
  ipFamilyPolicy: 'SingleStack' | 'PreferDualStack' | 'RequireDualStack';
}

/**
 * Which families a Service is to have, from what it says and what the cluster can give (`available`, the primary one
 * first). A Service without a ClusterIP of any kind has none: undefined.
 */
export function familiesOf({ spec }: Service, available: readonly IpFamily[]): Families | undefined {
  if (!needsClusterIp(spec)) return undefined;
  const addresses = spec.clusterIPs ?? [];
  const given = (spec.ipFamilies ?? []).filter((family): family is IpFamily => family !== '');
  const fromAddresses = addresses.filter((ip) => ip !== HEADLESS && ip !== '').map(familyOf);
  // Without a selector nobody knows what the endpoints will be: both, as far as somebody asks for names only.
  const isOpen = spec.clusterIP === HEADLESS && Object.keys(spec.selector ?? {}).length === 0;
  const isDual = given.length === 2 || fromAddresses.length === 2;
  const policy =
    spec.ipFamilyPolicy ?? (isOpen && !given.length ? 'RequireDualStack' : isDual ? 'RequireDualStack' : 'SingleStack');
  const families: IpFamily[] = given.length > 0 ? [...given] : [...fromAddresses];
  for (let i = families.length; i < fromAddresses.length; i++) families.push(fromAddresses[i]!);
  if (families.length === 0) families.push(available[0]!);
  if (policy !== 'SingleStack' && families.length === 1) {
    const other = families[0] === 'IPv4' ? 'IPv6' : 'IPv4';
    if (isOpen || available.includes(other)) families.push(other);
  }
  return { ipFamilies: families, ipFamilyPolicy: policy };
}

export const familyOf = (ip: string): IpFamily => (parseIp(ip)?.length === 16 ? 'IPv6' : 'IPv4');
