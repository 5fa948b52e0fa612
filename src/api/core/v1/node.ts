/** Node: a machine that runs pods, as its kubelet reports it. Source: API reference, core/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn, wideColumn } from '#api/machinery/define-kind.ts';
import { isEqual } from '#api/machinery/equal.ts';
import {
  duplicateValue,
  type FieldError,
  forbiddenField,
  invalidValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { familyOf, follows, mustBeOneOf } from '#api/machinery/field-rules.ts';
import { parseCidr } from '#api/machinery/ip.ts';
import { labelValue, qualifiedName } from '#api/machinery/names.ts';
import { validateResourceAmount } from './resource-names.ts';

export type Node = schema.Node;

const ROLE_PREFIX = 'node-role.kubernetes.io/';
const ROLE_LABEL = 'kubernetes.io/role';
const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

export const Node = defineKind<schema.Node>({
  group: '',
  version: 'v1',
  kind: 'Node',
  plural: 'nodes',
  scope: 'Cluster',
  shortNames: ['no'],
  storagePrefix: 'minions',
  subresources: [
    {
      name: 'proxy',
      serves: { group: '', version: 'v1', kind: 'NodeProxyOptions' },
      verbs: ['create', 'delete', 'get', 'patch', 'update'],
    },
    'status',
  ],

  defaults: ({ spec = {}, ...node }) => {
    const cidrs = spec.podCIDRs?.length ? spec.podCIDRs : spec.podCIDR ? [spec.podCIDR] : undefined;
    const withCidrs = cidrs ? { podCIDRs: cidrs, podCIDR: spec.podCIDR || cidrs[0] } : {};
    return { ...node, spec: { ...spec, ...withCidrs } } as schema.Node;
  },
  createdWithStatus: true,

  validate: (node, at) => [
    ...validateTaints(node.spec.taints ?? [], taintsPath(at)),
    ...validatePodCidrs(node.spec.podCIDRs ?? [], at.spec.podCIDRs),
    ...validateResources(node, at),
    ...validateFeatures(node.status?.declaredFeatures ?? [], at.status.declaredFeatures),
  ],
  validateUpdate: ({ next, current, at }) => {
    const errors: FieldError[] = [];
    if (current.spec.podCIDRs?.length && !isEqual(next.spec.podCIDRs, current.spec.podCIDRs))
      errors.push(forbiddenField(at.spec.podCIDRs, 'node updates may not change podCIDR except from "" to valid'));
    if (current.spec.providerID && next.spec.providerID !== current.spec.providerID)
      errors.push(forbiddenField(at.spec.providerID, 'node updates may not change providerID except from "" to valid'));
    if ((next.spec.externalID ?? '') !== (current.spec.externalID ?? ''))
      errors.push(forbiddenField(at.spec.externalID, 'may not be updated'));
    return errors;
  },
  validateStatusUpdate: ({ next, at }) => [
    ...validateResources(next, at),
    ...validateFeatures(next.status?.declaredFeatures ?? [], at.status.declaredFeatures),
    ...(next.status?.addresses ?? []).flatMap((one, index, all) =>
      all.findIndex((other) => isEqual(other, one)) < index
        ? [duplicateValue(at.status.addresses[index]!, { Type: one.type, Address: one.address })]
        : [],
    ),
    ...validateTaints(next.spec.taints ?? [], taintsPath(at)),
  ],

  columns: [
    nameColumn(),
    column('Status', 'string', statusOf),
    column('Roles', 'string', (node) => rolesOf(node).join(',') || '<none>'),
    ageColumn(),
    column('Version', 'string', ({ status }) => status?.nodeInfo?.kubeletVersion ?? ''),
    wideColumn('Internal-IP', 'string', (node) => addressOf(node, 'InternalIP') ?? '<none>'),
    wideColumn('External-IP', 'string', (node) => addressOf(node, 'ExternalIP') ?? '<none>'),
    wideColumn('OS-Image', 'string', ({ status }) => status?.nodeInfo?.osImage || '<unknown>'),
    wideColumn('Kernel-Version', 'string', ({ status }) => status?.nodeInfo?.kernelVersion || '<unknown>'),
    wideColumn('Container-Runtime', 'string', ({ status }) => status?.nodeInfo?.containerRuntimeVersion || '<unknown>'),
  ],
  selectableFields: { 'spec.unschedulable': ({ spec }) => String(spec.unschedulable ?? false) },
});

/** Upstream's messages look for taints in the metadata. */
const taintsPath = (at: At<schema.Node>): At<schema.Taint[]> =>
  (at.metadata as unknown as At<{ taints: schema.Taint[] }>).taints;

/** `control-plane,worker`, from the node's labels; sorted. */
export function rolesOf({ metadata }: schema.Node): string[] {
  const labels = Object.entries(metadata.labels ?? {});
  const roles = labels.flatMap(([key, value]) => {
    if (key.startsWith(ROLE_PREFIX)) return key.length > ROLE_PREFIX.length ? [key.slice(ROLE_PREFIX.length)] : [];
    return key === ROLE_LABEL && value ? [value] : [];
  });
  return [...new Set(roles)].sort();
}

/** The first address of a type. */
export const addressOf = ({ status }: schema.Node, type: string): string | undefined =>
  status?.addresses?.find((address) => address.type === type)?.address;

function statusOf({ spec, status }: schema.Node): string {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  const health = ready ? (ready.status === 'True' ? 'Ready' : 'NotReady') : 'Unknown';
  return spec.unschedulable ? `${health},SchedulingDisabled` : health;
}

function validateTaints(taints: readonly schema.Taint[], at: At<schema.Taint[]>): FieldError[] {
  return taints.flatMap((taint, index) => {
    const here = at[index]!;
    const twice = taints.findIndex((other) => other.key === taint.key && other.effect === taint.effect) < index;
    const { key = '', value = '', effect = '' } = taint;
    const complaints = labelValue(value);
    const shown = { Key: key, Value: value, Effect: effect, TimeAdded: taint.timeAdded ?? null };
    return [
      ...follows(here.key, key, qualifiedName),
      ...(complaints.length > 0 ? [invalidValue(here.value, value, complaints.join(';'))] : []),
      ...(effect ? mustBeOneOf(here.effect, effect, EFFECTS) : [requiredValue(here.effect)]),
      ...(twice ? [withDetail(duplicateValue(here, shown), 'taints must be unique by key and effect pair')] : []),
    ];
  });
}

const withDetail = (error: FieldError, detail: string): FieldError => ({
  ...error,
  message: `${error.message}: ${detail}`,
});

/** In order, each once. Which names a feature may have is the gates' affair. */
function validateFeatures(features: readonly string[], at: At<string[]>): FieldError[] {
  return features.flatMap((feature, index) => {
    const before = features[index - 1];
    if (before === undefined || before < feature) return [];
    return before === feature
      ? [duplicateValue(at[index]!, feature)]
      : [invalidValue(at[index]!, feature, 'list must be sorted alphabetically')];
  });
}

function validatePodCidrs(cidrs: readonly string[], at: At<string[]>): FieldError[] {
  const errors = cidrs.flatMap((cidr, index) =>
    parseCidr(cidr)
      ? []
      : [invalidValue(at[index]!, cidr, 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)')],
  );
  const families = new Set(cidrs.map((cidr) => familyOf(cidr.split('/')[0] ?? '')));
  if (errors.length === 0 && (cidrs.length > 2 || families.size < cidrs.length))
    errors.push(invalidValue(at, cidrs, 'may specify no more than one CIDR for each IP family'));
  return errors;
}

const validateResources = ({ status = {} }: schema.Node, at: At<schema.Node>): FieldError[] => [
  ...Object.entries(status.capacity ?? {}).flatMap(([name, amount]) =>
    validateResourceAmount(name, amount, at.status.capacity[name]!),
  ),
  ...Object.entries(status.allocatable ?? {}).flatMap(([name, amount]) =>
    validateResourceAmount(name, amount, at.status.allocatable[name]!),
  ),
];
