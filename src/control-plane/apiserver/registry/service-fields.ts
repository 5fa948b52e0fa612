/**
 * What a Service holds of addresses and node ports, and of which families it is to be. Pure. Source: API reference,
 * ServiceSpec.
 */
import { needsClusterIp, needsHealthCheckPort } from '#api/core/v1/service/type-change.ts';
import type { Service, ServiceSpec } from '#api/generated/schema.ts';
import { type FieldError, invalidValue } from '#api/machinery/field-error.ts';
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

export type Families = Required<Pick<ServiceSpec, 'ipFamilies' | 'ipFamilyPolicy'>> & Pick<ServiceSpec, 'clusterIPs'>;

/**
 * Which families a Service is to have, from what it says, what it had, and what the cluster can give (`available`, the primary
 * one first). A Service without a ClusterIP of any kind has none: undefined. Source: API reference, ServiceSpec; KEP-563.
 */
export function familiesOf(
  { spec }: Pick<Service, 'spec'>,
  before: ServiceSpec | undefined,
  available: readonly IpFamily[],
): Families | FieldError[] | undefined {
  if (!needsClusterIp(spec) || isKeptAsPreferred(spec, before)) return undefined;
  // Without a selector nobody knows what the endpoints will be: both, as far as somebody asks for names only.
  const isOpen = spec.clusterIP === HEADLESS && Object.keys(spec.selector ?? {}).length === 0;
  const policy = spec.ipFamilyPolicy ?? before?.ipFamilyPolicy ?? (isOpen ? 'RequireDualStack' : 'SingleStack');
  const isSingle = policy === 'SingleStack';
  // With the same addresses and families as before, the policy alone is clear intent: the secondary one is given back.
  const mayCut = (field: 'clusterIPs' | 'ipFamilies') =>
    isSingle && before !== undefined && isSame(spec, before, field);
  const clusterIPs = (spec.clusterIPs ?? []).slice(0, mayCut('clusterIPs') ? 1 : undefined);
  const ipFamilies = (spec.ipFamilies ?? []).slice(0, mayCut('ipFamilies') ? 1 : undefined) as IpFamily[];
  const errors = complaintsOf({ ...spec, clusterIPs, ipFamilies, ipFamilyPolicy: policy }, before);
  for (const [i, ip] of clusterIPs.entries()) {
    if (ip === HEADLESS || ip === '' || i < ipFamilies.length) continue;
    const family = familyOf(ip);
    if (available.includes(family)) ipFamilies.push(family);
    else errors.push(invalidValue(`spec.clusterIPs[${i}]`, clusterIPs, `${family} is not configured on this cluster`));
  }
  if (errors.length === 0 && !isOpen) errors.push(...missingIn({ ipFamilies, ipFamilyPolicy: policy }, available));
  if (errors.length > 0) return errors;
  if (ipFamilies.length === 0) ipFamilies.push(available[0] as IpFamily);
  const other = ipFamilies[0] === 'IPv4' ? 'IPv6' : 'IPv4';
  if (!isSingle && ipFamilies.length === 1 && (isOpen || available.includes(other))) ipFamilies.push(other);
  return { ipFamilies, ipFamilyPolicy: policy, ...(spec.clusterIPs && { clusterIPs }) };
}

/** A change of what the cluster can give is no wish of a Service that takes what there is. */
const isKeptAsPreferred = (spec: ServiceSpec, before: ServiceSpec | undefined): boolean =>
  before !== undefined &&
  spec.type === before.type &&
  spec.ipFamilyPolicy === 'PreferDualStack' &&
  before.ipFamilyPolicy === 'PreferDualStack' &&
  isSame(spec, before, 'clusterIPs') &&
  isSame(spec, before, 'ipFamilies') &&
  spec.clusterIPs !== undefined;

const isSame = (a: ServiceSpec, b: ServiceSpec, field: 'clusterIPs' | 'ipFamilies'): boolean =>
  (a[field] ?? []).join() === (b[field] ?? []).join();

/** What the policy does not go with. */
function complaintsOf(spec: ServiceSpec, before: ServiceSpec | undefined): FieldError[] {
  const { clusterIPs = [], ipFamilies = [], ipFamilyPolicy: policy } = spec;
  const errors: FieldError[] = [];
  const refuse = (why: string) => errors.push(invalidValue('spec.ipFamilyPolicy', policy, why));
  if (policy !== 'SingleStack') {
    const isFewer = (now: readonly string[], then: readonly string[] = []) =>
      then.length > 1 && now.length === 1 && then[0] === now[0];
    if (isFewer(clusterIPs, before?.clusterIPs)) refuse("must be 'SingleStack' to release the secondary cluster IP");
    if (isFewer(ipFamilies, before?.ipFamilies)) refuse("must be 'SingleStack' to release the secondary IP family");
    return errors;
  }
  const several = (what: string) =>
    refuse(`must be 'RequireDualStack' or 'PreferDualStack' when multiple ${what} are specified`);
  if (clusterIPs.length === 2) several('cluster IPs');
  if (ipFamilies.length === 2) several('IP families');
  return errors;
}

function missingIn({ ipFamilies, ipFamilyPolicy }: Families, available: readonly IpFamily[]): FieldError[] {
  const errors: FieldError[] = [];
  if (ipFamilyPolicy === 'RequireDualStack' && available.length < 2)
    errors.push(
      invalidValue('spec.ipFamilyPolicy', ipFamilyPolicy, 'this cluster is not configured for dual-stack services'),
    );
  for (const [i, family] of ipFamilies.entries())
    if (!available.includes(family as IpFamily))
      errors.push(invalidValue(`spec.ipFamilies[${i}]`, family, 'not configured on this cluster'));
  return errors;
}

export const familyOf = (ip: string): IpFamily => (parseIp(ip)?.length === 16 ? 'IPv6' : 'IPv4');
