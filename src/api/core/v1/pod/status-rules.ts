/** What may be written into the status of a pod. Source: API reference, core/v1; texts as kube-apiserver has them. */
import type {
  Container,
  ContainerExtendedResourceRequest,
  ContainerStatus,
  Pod,
  PodCondition,
  PodExtendedResourceClaimStatus,
  PodResourceClaimStatus,
  PodSpec,
  PodStatus,
  ResourceHealth,
  ResourceStatus,
} from '#api/generated/schema.ts';
import type { Change } from '#api/machinery/define-kind.ts';
import {
  duplicateValue,
  type FieldError,
  forbiddenField,
  invalidValue,
  notSupportedValue,
  requiredValue,
  tooLong,
} from '#api/machinery/field-error.ts';
import type { At, Path } from '#api/machinery/field-path.ts';
import { familyOf, follows, isImmutable } from '#api/machinery/field-rules.ts';
import { isLegacyIp } from '#api/machinery/ip-rules.ts';
import { between, dns1123Label, dns1123Subdomain, qualifiedName } from '#api/machinery/names.ts';
import { withParts } from '#api/machinery/object.ts';
import { byteLength } from '#api/machinery/object-meta.ts';
import { repeatedIn } from '#api/machinery/repeated.ts';
import { mayRestart } from './restart-rules.ts';

const NOT_NEGATIVE = 'must be a non-negative integer';
const SYSTEM_CONDITIONS = new Set(['PodScheduled', 'Ready', 'Initialized']);
const HEALTHS = ['Healthy', 'Unhealthy', 'Unknown'];
const MAX_ID = 2_147_483_647;
const MAX_HEALTH_MESSAGE = 1024;

/** What the server keeps or fills in: the class of service, generations that were not told, one of the two forms of an address. */
export function preparePodStatus(next: Pod, current: Pod): Pod {
  const { status } = next;
  const before = current.status;
  if (!status) return next;
  const { nodeAllocatableResourceClaimStatuses: _off, podIP, podIPs, ...rest } = status;
  const prepared = Object.assign(
    rest, // a copy
    addresses({ podIP, podIPs }),
    !status.qosClass && before?.qosClass && { qosClass: before.qosClass },
    !status.observedGeneration && before?.observedGeneration && { observedGeneration: before.observedGeneration },
    status.conditions && { conditions: withGenerations(status.conditions, before?.conditions ?? []) },
  );
  return withParts(next, { status: prepared });
}

/** Where they differ the single one counts: old kubelets know no other. */
function addresses({ podIP, podIPs }: { podIP: string | undefined; podIPs: PodStatus['podIPs'] }): Partial<PodStatus> {
  const [first] = podIPs ?? [];
  if (podIP && podIP !== first?.ip) return { podIP, podIPs: [{ ip: podIP }] };
  return Object.assign({}, first?.ip && { podIP: first.ip }, podIPs && { podIPs });
}

/** There may be several of a type. */
function withGenerations(conditions: readonly PodCondition[], before: readonly PodCondition[]): PodCondition[] {
  if (conditions.every(({ observedGeneration }) => observedGeneration)) return [...conditions];
  const known = [...before];
  return conditions.map((condition) => {
    const index = known.findIndex(({ type }) => type === condition.type);
    const [old] = index < 0 ? [] : known.splice(index, 1);
    return condition.observedGeneration || !old?.observedGeneration
      ? condition
      : { ...condition, observedGeneration: old.observedGeneration };
  });
}

const LISTS = ['containerStatuses', 'initContainerStatuses', 'ephemeralContainerStatuses'] as const;

/** All but the metadata. */
export function validatePodStatus({ next, current, at: { status: at } }: Change<Pod>): FieldError[] {
  const { status = {} as PodStatus, spec } = next;
  const before = current.status ?? ({} as PodStatus);
  return [
    ...validateConditions(status.conditions ?? [], at.conditions),
    ...validateNomination(next, current, at.nominatedNodeName),
    ...((status.observedGeneration ?? 0) < 0
      ? [invalidValue(at.observedGeneration, status.observedGeneration, NOT_NEGATIVE)]
      : []),
    ...isImmutable(at.qosClass, status.qosClass ?? '', before.qosClass ?? ''),
    ...LISTS.flatMap((list) =>
      validateTransitions(status[list] ?? [], before[list] ?? [], { list, spec: current.spec, at: at[list] }),
    ),
    ...validateClaims(status.resourceClaimStatuses ?? [], spec, at.resourceClaimStatuses),
    ...(status.extendedResourceClaimStatus
      ? validateExtendedClaim(status.extendedResourceClaimStatus, spec, at.extendedResourceClaimStatus)
      : []),
    ...validateIps(status.podIPs ?? [], before.podIPs ?? [], at.podIPs),
    ...validateHostIps(status, before, at),
    ...LISTS.flatMap((list) => validateUsers(status[list] ?? [], spec, at[list])),
    ...validateAllocated(status.containerStatuses ?? [], spec.containers, at.containerStatuses),
    ...validateAllocated(status.initContainerStatuses ?? [], spec.initContainers ?? [], at.initContainerStatuses),
    ...(status.ephemeralContainerStatuses ?? []).flatMap(({ allocatedResourcesStatus }, i) =>
      allocatedResourcesStatus?.length
        ? [
            forbiddenField(
              at.ephemeralContainerStatuses[i]!.allocatedResourcesStatus,
              'must not be specified in container status',
            ),
          ]
        : [],
    ),
  ];
}

const validateConditions = (conditions: readonly PodCondition[], at: At<PodCondition[]>): FieldError[] =>
  conditions.flatMap(({ type = '', observedGeneration = 0 }, i) => [
    ...(observedGeneration < 0 ? [invalidValue(at[i]!.observedGeneration, observedGeneration, NOT_NEGATIVE)] : []),
    ...(SYSTEM_CONDITIONS.has(type)
      ? []
      : follows((at[i]! as unknown as At<{ Type: string }>).Type, type, qualifiedName)),
  ]);

/** A pod that has a node is not to be put anywhere else. */
function validateNomination({ status }: Pod, current: Pod, at: Path): FieldError[] {
  const name = status?.nominatedNodeName;
  if (!name || name === current.status?.nominatedNodeName) return [];
  return [
    ...follows(at, name, dns1123Subdomain),
    ...(current.spec.nodeName ? [forbiddenField(at, 'may not be set on pods that are already bound to a node')] : []),
  ];
}

/** A container that has come to its end and must not run again stays there. */
function validateTransitions(
  next: readonly ContainerStatus[],
  before: readonly ContainerStatus[],
  { list, spec, at }: { list: (typeof LISTS)[number]; spec: PodSpec; at: At<ContainerStatus[]> },
): FieldError[] {
  const declared = list === 'containerStatuses' ? spec.containers : (spec.initContainers ?? []);
  const isEphemeral = list === 'ephemeralContainerStatuses';
  return before.flatMap(({ name, state }, i) => {
    if (!state?.terminated) return [];
    const found = next.find((status) => status.name === name && !status.state?.terminated);
    if (!found) return [];
    const container = declared.find((one) => one.name === name);
    if (!isEphemeral && mayRestart(spec, container, state.terminated.exitCode)) return [];
    return [forbiddenField(at[i]!.state, 'may not be transitioned to non-terminated state')];
  });
}

const validateClaims = (
  statuses: readonly PodResourceClaimStatus[],
  { resourceClaims = [] }: PodSpec,
  at: At<PodResourceClaimStatus[]>,
): FieldError[] => {
  const known = new Set(resourceClaims.map(({ name }) => name));
  const repeated = repeatedIn(statuses.map(({ name = '' }) => name));
  return statuses.flatMap(({ name = '', resourceClaimName }, i) => [
    ...(known.has(name)
      ? []
      : [invalidValue(at[i]!.name, name, 'must match the name of an entry in `spec.resourceClaims`')]),
    ...(repeated.has(i) ? [duplicateValue(at[i]!.name, name)] : []),
    ...(resourceClaimName === undefined ? [] : follows(at[i]!.resourceClaimName, resourceClaimName, dns1123Subdomain)),
  ]);
};

function validateExtendedClaim(
  { requestMappings = [], resourceClaimName }: PodExtendedResourceClaimStatus,
  { containers, initContainers = [] }: PodSpec,
  at: At<PodExtendedResourceClaimStatus>,
): FieldError[] {
  const known = new Map([...initContainers, ...containers].map((container) => [container.name, container]));
  const seen = new Set<string>();
  const errors =
    requestMappings.length === 0 ? [requiredValue(at.requestMappings, 'at least one request mapping is required')] : [];
  for (const [i, mapping] of requestMappings.entries()) {
    const here = at.requestMappings[i]!;
    errors.push(...validateMapping(mapping, known, here));
    const { containerName = '', resourceName = '', requestName = '' } = mapping;
    errors.push(...follows((at as unknown as At<typeof mapping>).requestName, requestName, dns1123Label));
    const key = JSON.stringify([containerName, resourceName, requestName]);
    if (seen.has(key))
      errors.push(
        duplicateValue(here.containerName, containerName),
        duplicateValue(here.resourceName, resourceName),
        duplicateValue(here.requestName, requestName),
      );
    seen.add(key);
  }
  const claim = at.resourceClaimName;
  return [
    ...errors,
    ...(resourceClaimName ? follows(claim, resourceClaimName, dns1123Subdomain) : [requiredValue(claim)]),
  ];
}

function validateMapping(
  { containerName = '', resourceName = '' }: ContainerExtendedResourceRequest,
  known: ReadonlyMap<string, Container>,
  at: At<ContainerExtendedResourceRequest>,
): FieldError[] {
  const container = known.get(containerName);
  const lists = 'spec.initContainers.resources.requests or spec.containers.resources.requests';
  if (!container)
    return [
      invalidValue(
        at.containerName,
        containerName,
        'must match the name of an entry in spec.initContainers.name or spec.containers.name',
      ),
    ];
  if (container.resources?.requests?.[resourceName] !== undefined) return [];
  const text = `must match the extended resource name of an entry in ${lists}`;
  return [invalidValue(at.resourceName, resourceName, text)];
}

/** Whatever form they had stays. */
function validateIps(ips: readonly { ip: string }[], before: readonly { ip: string }[], at: At<{ ip: string }[]>) {
  const known = before.map(({ ip }) => ip);
  const errors = ips.flatMap(({ ip = '' }, i) => isLegacyIp(at[i]!, ip, known));
  const [one, other] = ips;
  const isPair = ips.length < 2 || (ips.length === 2 && familyOf(one!.ip ?? '') !== familyOf(other!.ip ?? ''));
  return isPair ? errors : [...errors, invalidValue(at, ips, 'may specify no more than one IP for each IP family')];
}

function validateHostIps({ hostIP = '', hostIPs = [] }: PodStatus, before: PodStatus, at: At<PodStatus>): FieldError[] {
  const [first] = hostIPs;
  if (!first) return [];
  return [
    ...(first.ip === hostIP ? [] : [invalidValue(at.hostIPs[0]!.ip, first.ip ?? '', 'must be equal to `hostIP`')]),
    ...validateIps(hostIPs, before.hostIPs ?? [], at.hostIPs),
  ];
}

const validateUsers = (
  statuses: readonly ContainerStatus[],
  { os }: PodSpec,
  at: At<ContainerStatus[]>,
): FieldError[] =>
  statuses.flatMap(({ user }, i) => {
    if (!user?.linux) return [];
    const here = at[i]!.user.linux;
    if (os?.name === 'windows') return [forbiddenField(here, 'cannot be set for a windows pod')];
    const { uid = 0, gid = 0, supplementalGroups = [] } = user.linux;
    return [
      ...validateId(uid, here.uid),
      ...validateId(gid, here.gid),
      ...supplementalGroups.flatMap((group, j) => validateId(group, here.supplementalGroups[j]!)),
    ];
  });

const validateId = (id: number, at: Path): FieldError[] =>
  id < 0 || id > MAX_ID ? [invalidValue(at, id, between(0, MAX_ID))] : [];

function validateAllocated(
  statuses: readonly ContainerStatus[],
  containers: readonly Container[],
  at: At<ContainerStatus[]>,
): FieldError[] {
  return statuses.flatMap(({ name, allocatedResourcesStatus = [] }, i) => {
    if (allocatedResourcesStatus.length === 0) return [];
    const container = containers.find((one) => one.name === name);
    return allocatedResourcesStatus.flatMap((resource, j) => {
      const here = at[i]!.allocatedResourcesStatus[j]!;
      return [
        ...(container ? validateAllocatedName(resource, container, here.name) : []),
        ...validateHealths(resource.resources ?? [], here.resources),
      ];
    });
  });
}

function validateAllocatedName({ name = '' }: ResourceStatus, { resources }: Container, at: Path): FieldError[] {
  const isClaim = name.startsWith('claim:');
  const claims = (resources?.claims ?? []).map(
    (claim) => `claim:${claim.name}${claim.request ? `/${claim.request}` : ''}`,
  );
  if (isClaim ? claims.includes(name) : resources?.requests?.[name] !== undefined) return [];
  const text = isClaim
    ? "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or 'claim:<claimName>' if request is empty"
    : "must match one of the container's resource requests";
  return [invalidValue(at, name, text)];
}

const validateHealths = (healths: readonly ResourceHealth[], at: At<ResourceHealth[]>): FieldError[] =>
  healths.flatMap(({ resourceID = '', health = '', message }, k) => [
    ...(HEALTHS.includes(health) ? [] : [notSupportedValue(at[k]!.health, health, HEALTHS)]),
    ...(message === '' ? [requiredValue(at[k]!.message, 'must be non-empty if specified')] : []),
    ...(message !== undefined && byteLength(message) > MAX_HEALTH_MESSAGE
      ? [tooLong(at[k]!.message, MAX_HEALTH_MESSAGE)]
      : []),
    ...(healths.findIndex((other) => (other.resourceID ?? '') === resourceID) < k
      ? [duplicateValue(at[k]!.resourceID, resourceID)]
      : []),
  ]);
