/** What would have to change so that a plugin no longer refuses a node: the smallest change that is known. */
import { collide, hostPortsOf } from '#api/core/v1/host-ports.ts';
import type { Node } from '#api/core/v1/node.ts';
import { matchesNodeTerm } from '#api/core/v1/node-affinity.ts';
import { featuresOfPlacing } from '#api/core/v1/node-features.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import { untolerated } from '#api/core/v1/taint.ts';
import type { NodeSelectorRequirement, NodeSelectorTerm } from '#api/generated/schema.ts';
import { formatQuantity } from '#api/machinery/quantity.ts';
import type { NodeInfo } from '../node-info.ts';
import { amountOf, COMMON_NAMES, requestsOf } from '../resources.ts';
import type { Refused } from '../verdict.ts';

type Remedy = (pod: Pod, node: NodeInfo, verdict: Refused) => string[];

export const changesFor = (
  plugin: string,
  pod: Pod,
  { node, verdict }: { node: NodeInfo; verdict: Refused },
): string[] => {
  const missing = verdict.reasons.flatMap((reason) => MISSING.exec(reason)?.[1] ?? []);
  return missing.length > 0 ? missing.map((what) => `create ${what}`) : (REMEDIES[plugin]?.(pod, node, verdict) ?? []);
};

const MISSING =
  /^((?:persistentvolumeclaim|persistentvolume|resourceclaim|storageclass\.storage\.k8s\.io) "[^"]*") not found$/;

const REMEDIES: Readonly<Record<string, Remedy>> = Object.assign(Object.create(null), {
  NodeResourcesFit: lackingResources,
  TaintToleration: (pod, { node }) =>
    untolerated(node.spec.taints, pod.spec.tolerations).map(
      ({ key, value, effect }) => `tolerate taint ${key}${value ? `=${value}` : ''}:${effect}`,
    ),
  NodeUnschedulable: (_, { node }) => [`uncordon node ${node.metadata.name}`],
  NodeName: (pod) => [`the pod names node ${pod.spec.nodeName}`],
  NodeAffinity: (pod, { node }) => missingLabels(pod, node),
  NodePorts: (pod, { pods }) =>
    hostPortsOf(pod).flatMap((port) =>
      pods
        .filter((other) => hostPortsOf(other).some((used) => collide(port, used)))
        .map(
          ({ metadata }) => `free host port ${port.port}/${port.protocol} (pod ${metadata.namespace}/${metadata.name})`,
        ),
    ),
  PodTopologySpread: (pod, { node }) => {
    const keys = (pod.spec.topologySpreadConstraints ?? []).map(({ topologyKey }) => topologyKey);
    const missing = keys.filter((key) => node.metadata.labels?.[key] === undefined);
    return missing.length > 0
      ? missing.map((key) => `add label ${key}`)
      : ['have more of these pods in the other domains, or raise maxSkew'];
  },
  InterPodAffinity: (pod, { node }, { reasons }) => {
    const { podAffinity } = pod.spec.affinity ?? {};
    const required = podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
    const missing = required.filter(({ topologyKey }) => node.metadata.labels?.[topologyKey] === undefined);
    if (missing.length > 0) return missing.map(({ topologyKey }) => `add label ${topologyKey}`);
    return reasons.some((reason) => reason.includes('anti-affinity'))
      ? ['move away the pods that must not be beside it']
      : ['have a pod beside it that its affinity selects'];
  },
  VolumeBinding: (_, { node }, { reasons }) =>
    reasons.flatMap((reason) => {
      if (reason.includes("PersistentVolume's"))
        return [`its volume is bound to other nodes than ${node.metadata.name}`];
      if (reason.includes('available persistent volumes')) return ['add a PersistentVolume that the node reaches'];
      if (reason.includes('free storage')) return ['free storage of its class'];
      return reason.includes('unbound immediate') ? ['bind its claims: add a PersistentVolume or a provisioner'] : [];
    }),
  NodeDeclaredFeatures: ({ spec }, { node: { metadata, status } }) =>
    featuresOfPlacing(spec)
      .filter((feature) => !status?.declaredFeatures?.includes(feature))
      .map((feature) => `run a kubelet on node ${metadata.name} that declares ${feature}`),
  NodeVolumeLimits: () => ['detach a volume of the same driver'],
  VolumeZone: (_, { node }) => [`its volume is in another zone than ${node.metadata.name}`],
  VolumeRestrictions: () => ['end the pod that has the volume'],
  DynamicResources: (_pod, _node, { reasons }) =>
    reasons.some((reason) => reason.includes('cannot allocate')) ? ['free a device that its claims ask for'] : [],
} satisfies Record<string, Remedy>);

function lackingResources(pod: Pod, { allocatable, requested, pods }: NodeInfo): string[] {
  const wanted = requestsOf(pod);
  const names = [...COMMON_NAMES.filter((name) => name !== 'pods'), ...wanted.others.keys()];
  const changes = names.flatMap((name) => {
    const [asked, total, used] = [wanted, allocatable, requested].map((amounts) => amountOf(name, amounts)) as [
      number,
      number,
      number,
    ];
    if (asked === 0 || asked <= total - used) return [];
    return asked > total
      ? [`ask for no more than ${amountText(name, total)} ${name}`]
      : [`free ${amountText(name, asked - (total - used))} ${name}`];
  });
  const most = amountOf('pods', allocatable);
  return pods.length + 1 > most ? [most === 0 ? 'let the node take pods' : 'end one pod', ...changes] : changes;
}

/** cpu is counted in thousandths. */
function amountText(name: string, amount: number): string {
  if (name === 'cpu') return amount % 1000 === 0 ? String(amount / 1000) : `${amount}m`;
  if (!['memory', 'ephemeral-storage'].includes(name)) return String(amount);
  return formatQuantity({ nanos: BigInt(Math.ceil(amount)) * 1_000_000_000n, format: 'BinarySI' });
}

/** Of several terms the one that lacks least. */
function missingLabels({ spec }: Pod, node: Node): string[] {
  const labels = node.metadata.labels ?? {};
  const selected = Object.entries(spec.nodeSelector ?? {})
    .filter(([key, value]) => labels[key] !== value)
    .map(([key, value]) => `add label ${key}=${value}`);
  const terms = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  if (terms.length === 0 || terms.some((term) => matchesNodeTerm(term, node))) return selected;
  const lacking = terms.map((term) => lackingOf(term, node)).sort((a, b) => a.length - b.length)[0] ?? [];
  return [...selected, ...lacking];
}

const lackingOf = ({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, node: Node): string[] => [
  ...matchExpressions.filter((one) => !matchesNodeTerm({ matchExpressions: [one] }, node)).map(asChange),
  ...matchFields
    .filter((one) => !matchesNodeTerm({ matchFields: [one] }, node))
    .map(() => 'its affinity names other nodes'),
];

function asChange({ key, operator, values = [] }: NodeSelectorRequirement): string {
  switch (operator) {
    case 'In':
      return `add label ${key}=${values.join('|')}`;
    case 'Exists':
      return `add label ${key}`;
    case 'NotIn':
    case 'DoesNotExist':
      return `remove label ${key}`;
    default:
      return `set label ${key} ${operator === 'Gt' ? 'above' : 'below'} ${values[0]}`;
  }
}
