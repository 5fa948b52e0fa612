/** Node: a machine that runs pods, as its kubelet reports it. Source: API reference, core/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn, wideColumn } from '#api/machinery/define-kind.ts';
import { validateNode, validateNodeStatus, validateNodeUpdate } from './node-rules.ts';

export type Node = schema.Node;

const ROLE_PREFIX = 'node-role.kubernetes.io/';
const ROLE_LABEL = 'kubernetes.io/role';

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

  defaults: (node) => ({ ...node, spec: withCidrs(node.spec), status: defaultStatus(node.status) }) as schema.Node,
  createdWithStatus: true,
  prepareForCreate: withoutConfig,
  prepareForUpdate: withoutConfig,
  prepareForStatusUpdate: withoutConfig,

  validate: validateNode,
  validateUpdate: validateNodeUpdate,
  validateStatusUpdate: validateNodeStatus,
  warnings: ({ spec }) =>
    spec.externalID ? ['spec.externalID: this field is deprecated, and is unused by Kubernetes'] : [],

  columns: [
    nameColumn(),
    column('Status', 'string', statusOf),
    column('Roles', 'string', (node) => rolesOf(node).join(',') || '<none>'),
    ageColumn(),
    column('Version', 'string', ({ status }) => status?.nodeInfo?.kubeletVersion ?? ''),
    wideColumn('Internal-IP', 'string', (node) => addressOf(node, 'InternalIP') ?? '<none>'),
    wideColumn('External-IP', 'string', (node) => addressOf(node, 'ExternalIP') ?? '<none>'),
    wideColumn('OS-Image', 'string', ({ status }) => status?.nodeInfo?.osImage || '<unknown>'),
    wideColumn('Kernel-Version', 'string', kernelOf),
    wideColumn('Container-Runtime', 'string', ({ status }) => status?.nodeInfo?.containerRuntimeVersion || '<unknown>'),
  ],
  selectableFields: { 'spec.unschedulable': ({ spec }) => String(spec.unschedulable ?? false) },
});

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

function kernelOf({ status }: schema.Node): string {
  const { kernelVersion, architecture } = status?.nodeInfo ?? {};
  return `${kernelVersion || '<unknown>'}${architecture ? ` (${architecture})` : ''}`;
}

function statusOf({ spec, status }: schema.Node): string {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  const health = ready ? (ready.status === 'True' ? 'Ready' : 'NotReady') : 'Unknown';
  return spec.unschedulable ? `${health},SchedulingDisabled` : health;
}

/** The one and the list say the same; where they do not, the one counts. */
function withCidrs(spec: schema.Submitted<schema.NodeSpec> = {}): schema.Submitted<schema.NodeSpec> {
  const { podCIDR, podCIDRs = [] } = spec;
  const cidrs = podCIDR && podCIDR !== podCIDRs[0] ? [podCIDR] : podCIDRs;
  return cidrs.length > 0 ? { ...spec, podCIDR: cidrs[0]!, podCIDRs: cidrs } : spec;
}

const NO_SYSTEM = {
  machineID: '',
  systemUUID: '',
  bootID: '',
  kernelVersion: '',
  osImage: '',
  containerRuntimeVersion: '',
  kubeletVersion: '',
  kubeProxyVersion: '',
  operatingSystem: '',
  architecture: '',
};

/** What a kubelet that does not say otherwise promises is all that the machine has. */
const defaultStatus = ({ capacity, allocatable = capacity, ...status }: schema.Submitted<schema.NodeStatus> = {}) =>
  Object.assign(status, capacity && { capacity }, allocatable && { allocatable }, {
    daemonEndpoints: {
      ...status.daemonEndpoints,
      kubeletEndpoint: status.daemonEndpoints?.kubeletEndpoint ?? { Port: 0 },
    },
    nodeInfo: status.nodeInfo ?? NO_SYSTEM,
  });

/** Kubelets were once configured through their nodes; that is gone, and its fields stay empty. */
function withoutConfig(node: schema.Node): schema.Node {
  if (node.spec.configSource === undefined && node.status?.config === undefined) return node;
  const { configSource: _source, ...spec } = node.spec;
  if (!node.status) return { ...node, spec };
  const { config: _config, ...status } = node.status;
  return { ...node, spec, status };
}
