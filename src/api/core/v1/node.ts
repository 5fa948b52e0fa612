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
import { keyed } from '#api/machinery/field-path.ts';
import { familyOf, follows, isNotNegativeQuantity } from '#api/machinery/field-rules.ts';
import { parseCidr } from '#api/machinery/ip.ts';
import { labelValue, qualifiedName } from '#api/machinery/names.ts';

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
    ...validateTaints(node.spec.taints ?? [], at.spec.taints),
    ...validatePodCidrs(node.spec.podCIDRs ?? [], at.spec.podCIDRs),
    ...validateResources(node, at),
  ],
  validateUpdate: ({ next, current, at }) => {
    const errors: FieldError[] = [];
    if (current.spec.podCIDRs?.length && !isEqual(next.spec.podCIDRs, current.spec.podCIDRs))
      errors.push(forbiddenField(at.spec.podCIDRs, 'node updates may not change podCIDR except from "" to valid'));
    if (current.spec.providerID && next.spec.providerID !== current.spec.providerID)
      errors.push(forbiddenField(at.spec.providerID, 'node updates may not change providerID except from "" to valid'));
    const text =
      'node updates may only change labels, taints, or capacity (or configSource, if the DynamicKubeletConfig feature gate is enabled)';
    if (!isEqual(withoutChangeable(next), withoutChangeable(current))) errors.push(forbiddenField('', text));
    return errors;
  },
  validateStatusUpdate: ({ next, at }) => [
    ...validateResources(next, at),
    ...(next.status?.addresses ?? []).flatMap((address, index, all) =>
      all.findIndex((other) => isEqual(other, address)) < index
        ? [duplicateValue(at.status.addresses[index]!, address)]
        : [],
    ),
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

function withoutChangeable({ spec }: schema.Node): Partial<schema.NodeSpec> {
  const { taints: _, unschedulable: __, podCIDR: ___, podCIDRs: ____, providerID: _____, ...fixed } = spec;
  return fixed;
}

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
    const effect = !taint.effect
      ? [requiredValue(here.effect)]
      : EFFECTS.includes(taint.effect)
        ? []
        : [invalidValue(here.effect, taint.effect, `supported values: ${EFFECTS.join(', ')}`)];
    return [
      ...follows(here.key, taint.key ?? '', qualifiedName),
      ...follows(here.value, taint.value ?? '', labelValue),
      ...effect,
      ...(twice ? [duplicateValue(here, `taints must be unique by key and effect pair`)] : []),
    ];
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
    isNotNegativeQuantity(keyed(at.status.capacity, name), amount),
  ),
  ...Object.entries(status.allocatable ?? {}).flatMap(([name, amount]) =>
    isNotNegativeQuantity(keyed(at.status.allocatable, name), amount),
  ),
];
