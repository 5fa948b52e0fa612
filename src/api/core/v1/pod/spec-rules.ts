/** What the specification of a pod may say, in a Pod and in a template. Source: API reference, PodSpec. */
import type { HostAlias, PodDNSConfig, PodSpec } from '#api/generated/schema.ts';
import {
  duplicateValue,
  type FieldError,
  forbiddenField,
  invalidValue,
  notSupportedValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows, isBetween, isIp, isNotNegative, isOneOf } from '#api/machinery/field-rules.ts';
import { dns1123Label, dns1123Subdomain, qualifiedName } from '#api/machinery/names.ts';
import { validateLabels } from '#api/machinery/object-meta.ts';
import { validateContainers } from './container-rules.ts';
import { validateAffinity, validateSpread, validateTolerations } from './scheduling.ts';
import { validateHostUsers, validatePodSecurityContext } from './security-context.ts';
import { validateVolumes } from './volume-rules.ts';

const RESTART_POLICIES = ['Always', 'OnFailure', 'Never'];
const DNS_POLICIES = ['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None'];
const MAX_SECONDS = 2_147_483_647;
const MAX_NAMESERVERS = 3;
const MAX_SEARCHES = 32;
const MAX_SEARCH_CHARACTERS = 2048;

export function validatePodSpec(spec: PodSpec, at: At<PodSpec>): FieldError[] {
  return [
    ...validateVolumes(spec, at),
    ...validateContainers(spec, at),
    ...validateLife(spec, at),
    ...validateDns(spec, at),
    ...validateLabels(spec.nodeSelector, at.nodeSelector),
    ...validateHostUsers(spec, at),
    ...validatePodSecurityContext(spec.securityContext ?? {}, spec, at.securityContext),
    ...(spec.imagePullSecrets ?? []).flatMap(({ name }, i) =>
      name ? [] : [requiredValue(at.imagePullSecrets[i]!.name)],
    ),
    ...(spec.affinity ? validateAffinity(spec.affinity, at.affinity) : []),
    ...validateNames(spec, at),
    ...validateTolerations(spec.tolerations ?? [], at.tolerations),
    ...(spec.hostAliases ?? []).flatMap((alias, i) => validateAlias(alias, at.hostAliases[i]!)),
    ...validateSpread(spec.topologySpreadConstraints ?? [], at.topologySpreadConstraints),
    ...validateGates(spec, at),
    ...validateClaims(spec, at),
    ...isOneOf(at.preemptionPolicy, spec.preemptionPolicy, ['Never', 'PreemptLowerPriority']),
    ...(spec.os ? isOneOf(at.os.name, spec.os.name, ['linux', 'windows']) : []),
  ];
}

function validateLife(spec: PodSpec, at: At<PodSpec>): FieldError[] {
  const { restartPolicy, terminationGracePeriodSeconds: grace, activeDeadlineSeconds: deadline } = spec;
  return [
    ...(!restartPolicy
      ? [requiredValue(at.restartPolicy)]
      : RESTART_POLICIES.includes(restartPolicy)
        ? []
        : [notSupportedValue(at.restartPolicy, restartPolicy, RESTART_POLICIES)]),
    ...isNotNegative(at.terminationGracePeriodSeconds, grace),
    ...isBetween(at.activeDeadlineSeconds, deadline, [1, MAX_SECONDS]),
  ];
}

function validateNames(spec: PodSpec, at: At<PodSpec>): FieldError[] {
  const rules = {
    serviceAccountName: dns1123Subdomain,
    nodeName: dns1123Subdomain,
    hostname: dns1123Label,
    subdomain: dns1123Label,
    priorityClassName: dns1123Subdomain,
    runtimeClassName: dns1123Subdomain,
    schedulerName: dns1123Subdomain,
  };
  return (Object.keys(rules) as (keyof typeof rules)[]).flatMap((field) => {
    const name = spec[field];
    return name ? follows(at[field], name, rules[field]) : [];
  });
}

function validateDns({ dnsPolicy, dnsConfig }: PodSpec, at: At<PodSpec>): FieldError[] {
  const errors: FieldError[] = [];
  if (!dnsPolicy) errors.push(requiredValue(at.dnsPolicy));
  else if (!DNS_POLICIES.includes(dnsPolicy)) errors.push(notSupportedValue(at.dnsPolicy, dnsPolicy, DNS_POLICIES));
  if (dnsPolicy === 'None' && !dnsConfig)
    return [...errors, requiredValue(at.dnsConfig, 'must provide `dnsConfig` when `dnsPolicy` is None')];
  if (dnsPolicy === 'None' && !dnsConfig?.nameservers?.length)
    errors.push(
      requiredValue(at.dnsConfig.nameservers, 'must provide at least one DNS nameserver when `dnsPolicy` is None'),
    );
  return dnsConfig ? [...errors, ...validateDnsConfig(dnsConfig, at.dnsConfig)] : errors;
}

function validateDnsConfig(config: PodDNSConfig, at: At<PodDNSConfig>): FieldError[] {
  const { nameservers = [], searches = [], options = [] } = config;
  const errors: FieldError[] = [];
  if (nameservers.length > MAX_NAMESERVERS)
    errors.push(invalidValue(at.nameservers, nameservers, `must not have more than ${MAX_NAMESERVERS} nameservers`));
  errors.push(...nameservers.flatMap((server, i) => isIp(at.nameservers[i]!, server)));
  if (searches.length > MAX_SEARCHES)
    errors.push(invalidValue(at.searches, searches, `must not have more than ${MAX_SEARCHES} search paths`));
  if (searches.join(' ').length > MAX_SEARCH_CHARACTERS)
    errors.push(
      invalidValue(
        at.searches,
        searches,
        `must not have more than ${MAX_SEARCH_CHARACTERS} characters (including spaces) in the search list`,
      ),
    );
  for (const [index, search] of searches.entries()) {
    const domain = search.replace(/\.$/, '').replaceAll('_', '-').replace(/^-/, '');
    if (search !== '.') errors.push(...follows(at.searches[index]!, domain, dns1123Subdomain));
  }
  for (const [index, { name }] of options.entries())
    if (!name) errors.push(requiredValue(at.options[index]!, 'must not be empty'));
  return errors;
}

const validateAlias = ({ ip, hostnames = [] }: HostAlias, at: At<HostAlias>): FieldError[] => [
  ...isIp(at.ip, ip ?? ''),
  ...hostnames.flatMap((hostname) => follows(at.hostnames, hostname, dns1123Subdomain)),
];

function validateGates(
  { readinessGates = [], schedulingGates = [], nodeName }: PodSpec,
  at: At<PodSpec>,
): FieldError[] {
  const names = schedulingGates.map(({ name }) => name);
  return [
    ...readinessGates.flatMap(({ conditionType }, i) =>
      follows(at.readinessGates[i]!.conditionType, conditionType ?? '', qualifiedName),
    ),
    ...names.flatMap((name, i) => [
      ...follows(at.schedulingGates[i]!, name ?? '', qualifiedName),
      ...(names.indexOf(name) < i ? [duplicateValue(at.schedulingGates[i]!, name)] : []),
    ]),
    ...(nodeName && names.length > 0
      ? [forbiddenField(at.nodeName, 'cannot be set until all schedulingGates have been cleared')]
      : []),
  ];
}

const validateClaims = ({ resourceClaims = [] }: PodSpec, at: At<PodSpec>): FieldError[] =>
  resourceClaims.flatMap(({ name, resourceClaimName, resourceClaimTemplateName }, index) => {
    const here = at.resourceClaims[index]!;
    const errors = name ? follows(here.name, name, dns1123Label) : [requiredValue(here.name)];
    if (name && resourceClaims.findIndex((claim) => claim.name === name) < index)
      errors.push(duplicateValue(here, name));
    const text = 'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`';
    if (!resourceClaimName && !resourceClaimTemplateName) errors.push(requiredValue(here, text));
    if (resourceClaimName && resourceClaimTemplateName)
      errors.push(
        invalidValue(
          here,
          { name, resourceClaimName, resourceClaimTemplateName },
          'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified',
        ),
      );
    return errors;
  });
