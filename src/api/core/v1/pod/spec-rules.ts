/** What the specification of a pod may say, in a Pod and in a template. Source: API reference, PodSpec. */
import type { HostAlias, Pod, PodDNSConfig, PodSpec } from '#api/generated/schema.ts';
import {
  duplicateValue,
  type FieldError,
  forbiddenField,
  invalidValue,
  notSupportedValue,
  requiredValue,
  tooLong,
} from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows, isBetween, mustBeOneOf } from '#api/machinery/field-rules.ts';
import { isLegacyIp } from '#api/machinery/ip-rules.ts';
import { dns1123Label, dns1123Subdomain, dns1123SubdomainWithUnderscore, qualifiedName } from '#api/machinery/names.ts';
import { validateLabels } from '#api/machinery/object-meta.ts';
import { repeatedIn } from '#api/machinery/repeated.ts';
import { validateContainers, validateFileVolumes, validateHostNetwork, validateImages } from './container-rules.ts';
import { validatePodResources } from './pod-level-resources.ts';
import { validateResources } from './resources.ts';
import { validateAffinity, validateSpread, validateTolerations } from './scheduling.ts';
import { validateHostUsers, validatePodSecurityContext } from './security-context.ts';
import { checkVolumes } from './volume-rules.ts';
import { validateForLinux, validateForWindows, validateHostProcess } from './windows.ts';

const RESTART_POLICIES = ['Always', 'OnFailure', 'Never'];
const DNS_POLICIES = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'];
const MAX_HOSTNAME = 64;
const MAX_SECONDS = 2_147_483_647;
const MAX_NAMESERVERS = 3;
const MAX_SEARCHES = 32;
const MAX_SEARCH_CHARACTERS = 2048;

/** `pod`: the metadata, where it is a pod's and not a template's. */
export function validatePodSpec(spec: PodSpec, at: At<PodSpec>, pod?: Pod['metadata']): FieldError[] {
  const volumes = checkVolumes(spec, at, pod);
  return [
    ...volumes.errors,
    ...validateClaims(spec, at),
    ...validateContainers(spec, at, volumes.usable),
    ...validatePodResources(spec, at),
    ...validateHostNetwork(spec, at),
    ...mustBeOneOf(at.restartPolicy, spec.restartPolicy, RESTART_POLICIES),
    ...mustBeOneOf(at.dnsPolicy, spec.dnsPolicy, DNS_POLICIES),
    ...validateLabels(spec.nodeSelector, at.nodeSelector),
    ...validatePodSecurityContext(spec.securityContext ?? {}, spec, at.securityContext),
    ...(spec.affinity ? validateAffinity(spec.affinity, at.affinity) : []),
    ...validateDns(spec, at),
    ...validateGates(spec, at),
    ...validateSpread(spec.topologySpreadConstraints ?? [], at.topologySpreadConstraints),
    ...validateHostProcess(spec, at),
    ...validateHostUsers(spec, at),
    ...validateHostnameOverride(spec, at),
    ...validateName(spec, at, 'serviceAccountName'),
    ...validateName(spec, at, 'nodeName'),
    ...isBetween(at.activeDeadlineSeconds, spec.activeDeadlineSeconds, [1, MAX_SECONDS]),
    ...validateName(spec, at, 'hostname'),
    ...validateName(spec, at, 'subdomain'),
    ...validateTolerations(spec.tolerations ?? [], at.tolerations),
    ...(spec.hostAliases ?? []).flatMap((alias, i) => validateAlias(alias, at.hostAliases[i]!)),
    ...validateName(spec, at, 'priorityClassName'),
    ...(spec.runtimeClassName === undefined
      ? []
      : follows(at.runtimeClassName, spec.runtimeClassName, dns1123Subdomain)),
    ...(spec.preemptionPolicy === undefined
      ? []
      : mustBeOneOf(at.preemptionPolicy, spec.preemptionPolicy, ['PreemptLowerPriority', 'Never'])),
    ...(spec.overhead ? validateResources({ limits: spec.overhead }, at.overhead as never) : []),
    ...validateOs(spec, at),
    ...validateFileVolumes(spec, at),
  ];
}

/** What a template may say, because nobody ever looked. */
export const validateOnlyForPod = (spec: PodSpec, at: At<PodSpec>): FieldError[] => [
  ...(spec.serviceAccountName
    ? []
    : (spec.volumes ?? []).flatMap(({ projected }, i) =>
        (projected?.sources ?? []).flatMap(({ serviceAccountToken }, j) =>
          serviceAccountToken
            ? [
                forbiddenField(
                  at.volumes[i]!.projected.sources[j]!.serviceAccountToken,
                  'must not be specified when serviceAccountName is not set',
                ),
              ]
            : [],
        ),
      )),
  ...validateImages(spec, at),
];

export const validateOnCreate = (spec: PodSpec, at: At<PodSpec>): FieldError[] => [
  ...(spec.ephemeralContainers?.length ? [forbiddenField(at.ephemeralContainers, 'cannot be set on create')] : []),
  ...(spec.nodeName && spec.schedulingGates?.length
    ? [forbiddenField(at.nodeName, 'cannot be set until all schedulingGates have been cleared')]
    : []),
];

function validateOs(spec: PodSpec, at: At<PodSpec>): FieldError[] {
  if (!spec.os) return [];
  const { name } = spec.os;
  if (name === 'linux') return validateForLinux(spec, at);
  if (name === 'windows') return validateForWindows(spec, at);
  return name ? [notSupportedValue(at.os, name, ['linux', 'windows'])] : [requiredValue(at.os.name)];
}

function validateHostnameOverride(spec: PodSpec, at: At<PodSpec>): FieldError[] {
  const { hostnameOverride: name, setHostnameAsFQDN, hostNetwork } = spec;
  if (name === undefined) return [];
  const here = at.hostnameOverride;
  return [
    ...(setHostnameAsFQDN ? [forbiddenField(here, 'may not be specified when setHostnameAsFQDN is true')] : []),
    ...(hostNetwork ? [forbiddenField(here, 'may not be specified when hostNetwork is true')] : []),
    ...(name.length > MAX_HOSTNAME ? [tooLong(here, MAX_HOSTNAME)] : []),
    ...follows(here, name, dns1123Subdomain),
  ];
}

const NAME_RULES = {
  serviceAccountName: dns1123Subdomain,
  nodeName: dns1123Subdomain,
  hostname: dns1123Label,
  subdomain: dns1123Label,
  priorityClassName: dns1123Subdomain,
};

function validateName(spec: PodSpec, at: At<PodSpec>, field: keyof typeof NAME_RULES): FieldError[] {
  const name = spec[field];
  return name ? follows(at[field], name, NAME_RULES[field]) : [];
}

function validateDns({ dnsPolicy, dnsConfig }: PodSpec, at: At<PodSpec>): FieldError[] {
  if (dnsPolicy === 'None' && !dnsConfig)
    return [requiredValue(at.dnsConfig, 'must provide `dnsConfig` when `dnsPolicy` is None')];
  if (dnsPolicy === 'None' && !dnsConfig?.nameservers?.length)
    return [
      requiredValue(at.dnsConfig.nameservers, 'must provide at least one DNS nameserver when `dnsPolicy` is None'),
    ];
  return dnsConfig ? validateDnsConfig(dnsConfig, at.dnsConfig) : [];
}

function validateDnsConfig(config: PodDNSConfig, at: At<PodDNSConfig>): FieldError[] {
  const { nameservers = [], searches = [], options = [] } = config;
  const errors: FieldError[] = [];
  if (nameservers.length > MAX_NAMESERVERS)
    errors.push(invalidValue(at.nameservers, nameservers, `must not have more than ${MAX_NAMESERVERS} nameservers`));
  errors.push(...nameservers.flatMap((server, i) => isLegacyIp(at.nameservers[i]!, server)));
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
    const domain = search.replace(/\.$/, '');
    if (search !== '.') errors.push(...follows(at.searches[index]!, domain, dns1123SubdomainWithUnderscore));
  }
  for (const [index, { name }] of options.entries())
    if (!name) errors.push(requiredValue(at.options[index]!, 'must not be empty'));
  return errors;
}

const validateAlias = ({ ip, hostnames = [] }: HostAlias, at: At<HostAlias>): FieldError[] => [
  ...isLegacyIp(at.ip, ip ?? ''),
  ...hostnames.flatMap((hostname, i) => follows(at.hostnames[i]!, hostname, dns1123Subdomain)),
];

function validateGates({ readinessGates = [], schedulingGates = [] }: PodSpec, at: At<PodSpec>): FieldError[] {
  const names = schedulingGates.map(({ name }) => name);
  const repeated = repeatedIn(names);
  return [
    ...readinessGates.flatMap(({ conditionType }, i) =>
      follows(at.readinessGates[i]!.conditionType, conditionType ?? '', qualifiedName),
    ),
    ...names.flatMap((name, i) => [
      ...follows(at.schedulingGates[i]!, name ?? '', qualifiedName),
      ...(repeated.has(i) ? [duplicateValue(at.schedulingGates[i]!, name)] : []),
    ]),
  ];
}

function validateClaims({ resourceClaims = [] }: PodSpec, at: At<PodSpec>): FieldError[] {
  const repeated = repeatedIn(resourceClaims.map(({ name }) => name));
  return resourceClaims.flatMap((claim, index) => {
    const { name, resourceClaimName, resourceClaimTemplateName } = claim;
    const here = at.resourceClaims[index]!;
    const given = [resourceClaimName, resourceClaimTemplateName].filter((one) => one !== undefined);
    const shown = {
      Name: name ?? '',
      ResourceClaimName: resourceClaimName ?? null,
      ResourceClaimTemplateName: resourceClaimTemplateName ?? null,
    };
    return [
      ...(!name
        ? [requiredValue(here.name)]
        : repeated.has(index)
          ? [duplicateValue(here.name, name)]
          : follows(here.name, name, dns1123Label)),
      ...(given.length === 2
        ? [
            invalidValue(
              here,
              shown,
              'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified',
            ),
          ]
        : []),
      ...(given.length === 0
        ? [invalidValue(here, shown, 'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`')]
        : []),
      ...(resourceClaimName === undefined ? [] : follows(here.resourceClaimName, resourceClaimName, dns1123Subdomain)),
      ...(resourceClaimTemplateName === undefined
        ? []
        : follows(here.resourceClaimTemplateName, resourceClaimTemplateName, dns1123Subdomain)),
    ];
  });
}
