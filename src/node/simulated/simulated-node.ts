/** The objects of a node that exists on paper only. Pure. */
import { withAdvertised } from '#api/core/v1/advertised-resources.ts';
import { DECLARED_FEATURES } from '#api/core/v1/node-features.ts';
import type { Lease, Node, NodeStatus, Taint } from '#api/generated/schema.ts';
import { microTimestampOf, timestampOf } from '#api/machinery/timestamp.ts';
import type { Draft } from '#client/client.ts';

export const SIMULATED_LABEL = 'kedge.dev/simulated';
/** On a Node: `true` stops it as a power failure would; without it, it comes back. */
export const STOPPED = 'kedge.dev/simulated-stopped';
/** On a Node: what it is given once it has been given. */
export const GIVEN_TAINTS = 'kedge.dev/simulated-tainted';
export const LEASE_NAMESPACE = 'kube-node-lease';

export type SimulatedCapacity = Readonly<Record<string, string>>;

export const DEFAULT_CAPACITY: SimulatedCapacity = {
  cpu: '8',
  memory: '32Gi',
  pods: '110',
  'ephemeral-storage': '100Gi',
};

/** What nodes are made of that are alike. */
export interface NodeTemplate {
  labels?: Readonly<Record<string, string>>;
  annotations?: Readonly<Record<string, string>>;
  taints?: readonly Taint[];
  /** Given once, also to a node that is there already: who takes them away from it is heard. */
  givenOnce?: readonly Taint[];
  capacity: SimulatedCapacity;
}

/** With its status: a kubelet says both at once. */
export function nodeDraft(
  name: string,
  { index, template, nowMs }: { index: number; template: NodeTemplate; nowMs: number },
): Draft<Node> {
  const range = podRangeOf(index);
  const { capacity, givenOnce = [] } = template;
  const taints = [...givenOnce, ...(template.taints ?? [])];
  const annotations = { ...template.annotations, ...(givenOnce.length > 0 && GIVEN) };
  const isAnnotated = Object.keys(annotations).length > 0;
  return {
    metadata: { name, labels: labelsOf(name, template), ...(isAnnotated && { annotations }) },
    spec: { podCIDR: range, podCIDRs: [range], ...(taints.length > 0 && { taints }) },
    status: nodeStatus(name, { address: addressOf(index), capacity, nowMs, before: undefined }),
  };
}

const GIVEN = { [GIVEN_TAINTS]: 'true' };

/** What makes a node that is there one of the template; its status aside. */
export function takeOverPatch(node: Node, template: NodeTemplate) {
  const labels = labelsOf(node.metadata.name, template);
  const { givenOnce = [] } = template;
  if (givenOnce.length === 0 || node.metadata.annotations?.[GIVEN_TAINTS]) return { metadata: { labels } };
  const taints = node.spec?.taints ?? [];
  const missing = givenOnce.filter(
    ({ key, effect }) => !taints.some((one) => one.key === key && one.effect === effect),
  );
  const { resourceVersion } = node.metadata; // others write taints too, and the list is written whole
  return { metadata: { labels, annotations: GIVEN, resourceVersion }, spec: { taints: [...taints, ...missing] } };
}

export const labelsOf = (name: string, { labels }: NodeTemplate): Record<string, string> => ({
  'beta.kubernetes.io/arch': 'amd64',
  'beta.kubernetes.io/os': 'linux',
  'kubernetes.io/arch': 'amd64',
  'kubernetes.io/hostname': name,
  'kubernetes.io/os': 'linux',
  [SIMULATED_LABEL]: 'true',
  ...labels,
});

export function nodeStatus(
  name: string,
  { address, capacity, had, nowMs, before }: Amounts & { address: string; nowMs: number },
): NodeStatus {
  const now = timestampOf(nowMs);
  const condition = (type: string, status: string, reason: string, message: string) => {
    const old = before?.conditions?.find((one) => one.type === type);
    const lastTransitionTime = old?.status === status ? (old.lastTransitionTime ?? now) : now;
    return { type, status, reason, message, lastHeartbeatTime: now, lastTransitionTime };
  };
  return {
    addresses: [
      { type: 'InternalIP', address },
      { type: 'Hostname', address: name },
    ],
    ...amountsOf({ capacity, had, before }),
    conditions: [
      condition('MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
      condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
      condition('PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
      condition('Ready', 'True', 'KubeletReady', 'kubelet is posting ready status'),
    ],
    declaredFeatures: [...DECLARED_FEATURES],
    nodeInfo: {
      machineID: name,
      systemUUID: name,
      bootID: name,
      kernelVersion: 'simulated',
      osImage: 'simulated',
      containerRuntimeVersion: 'simulated://1',
      kubeletVersion: 'v1.36.0',
      kubeProxyVersion: '',
      operatingSystem: 'linux',
      architecture: 'amd64',
    },
  };
}

export interface Amounts {
  capacity: SimulatedCapacity;
  /** What the node had by itself as it was written last: of what there is besides, others have said that it is there. */
  had?: SimulatedCapacity | undefined;
  before: NodeStatus | undefined;
}

/** As a merge patch takes it: `null` for what the node has no more. */
export function amountsOf({ capacity: own, had = {}, before }: Amounts): Pick<NodeStatus, 'capacity' | 'allocatable'> {
  const others = (amounts: Record<string, string> = {}) =>
    Object.fromEntries(Object.entries(amounts).filter(([name]) => !Object.hasOwn(had, name)));
  const said = before && { ...before, capacity: others(before.capacity), allocatable: others(before.allocatable) };
  const { capacity, allocatable } = withAdvertised({ capacity: own, allocatable: own }, said);
  return {
    capacity: { ...nothingOf(before?.capacity), ...capacity },
    allocatable: { ...nothingOf(before?.allocatable), ...allocatable },
  };
}

const nothingOf = (amounts: Readonly<Record<string, string>> = {}): Record<string, string> =>
  Object.fromEntries(Object.keys(amounts).map((name) => [name, null])) as unknown as Record<string, string>;

export const leaseSpec = (name: string, { seconds, nowMs }: { seconds: number; nowMs: number }): Lease['spec'] => ({
  holderIdentity: name,
  leaseDurationSeconds: seconds,
  renewTime: microTimestampOf(nowMs),
});

/** 16,384 nodes in 10.128.0.0/10, each with a range of 254 pods. Nothing routes there. */
export const podRangeOf = (index: number): string => `${podNetworkOf(index)}.0/24`;
export const podNetworkOf = (index: number): string => `10.${128 + ((index >> 8) & 63)}.${index & 255}`;
/** From the range for benchmarks (RFC 2544): whoever dials a simulated kubelet must not reach a stranger. */
export const addressOf = (index: number): string =>
  `198.${18 + ((index >> 16) & 1)}.${(index >> 8) & 255}.${index & 255}`;

export function indexOfPodRange(range: string): number | undefined {
  const [, second, third] = /^10\.(\d+)\.(\d+)\.0\/24$/.exec(range) ?? [];
  const index = (Number(second) - 128) * 256 + Number(third);
  return index >= 0 && podRangeOf(index) === range ? index : undefined;
}
