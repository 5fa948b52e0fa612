/** What the kubelet says of its node. Pure, but for reading the disk. Texts and reasons are upstream's. */
import { withAdvertised } from '#api/core/v1/advertised-resources.ts';
import { DECLARED_FEATURES } from '#api/core/v1/node-features.ts';
import type { NodeCondition, NodeStatus } from '#api/generated/schema.ts';
import type { KubeletConfiguration } from '#api/kubelet-config/kubelet-configuration.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import type { Image } from '#node/runtime/image.ts';
import type { DiskFacts, MachineFacts } from '#node/runtime/machine-facts.ts';
import type { RuntimeStatus, RuntimeVersion } from '#node/runtime/runtime.ts';
import type { PressureCondition } from './eviction/thresholds.ts';
import { allocatableOf } from './node-allocatable.ts';

export interface NodeInputs {
  nodeName: string;
  addresses: readonly string[];
  machine: MachineFacts;
  disk: DiskFacts;
  maxPods: number;
  port: number;
  version: RuntimeVersion | undefined;
  runtimeStatus: RuntimeStatus | undefined;
  /** Why the runtime did not answer, if it did not. */
  runtimeError: string | undefined;
  images: readonly Image[];
  nowMs: number;
  kubeletVersion: string;
  configuration: KubeletConfiguration;
  /** What the node is short of. */
  pressures: ReadonlySet<PressureCondition>;
  isShuttingDown: boolean;
  devices: { capacity: Record<string, string>; allocatable: Record<string, string> };
}

/** Upstream's limit: the images list is for the scheduler, and must not make the node large. */
const MAX_IMAGES = 50;
const MAX_NAMES = 5;

export function nodeStatusOf(inputs: NodeInputs, before: NodeStatus | undefined): NodeStatus {
  const { machine, disk, maxPods, addresses, nodeName, port, images, version } = inputs;
  const capacity = {
    cpu: String(machine.cpus),
    'ephemeral-storage': `${Math.floor(disk.capacityBytes / 1024)}Ki`,
    'hugepages-1Gi': '0',
    'hugepages-2Mi': '0',
    memory: `${Math.floor(machine.memoryBytes / 1024)}Ki`,
    pods: String(maxPods),
  };
  return {
    addresses: [
      ...addresses.map((address) => ({ type: 'InternalIP', address })),
      { type: 'Hostname', address: nodeName },
    ],
    ...withAdvertised(
      {
        capacity: { ...capacity, ...inputs.devices.capacity },
        allocatable: { ...allocatableOf(capacity, inputs.configuration), ...inputs.devices.allocatable },
      },
      before,
    ),
    conditions: conditionsOf(inputs, before?.conditions ?? []),
    daemonEndpoints: { kubeletEndpoint: { Port: port } },
    images: imagesOf(images),
    nodeInfo: {
      machineID: machine.machineID,
      systemUUID: machine.systemUUID,
      bootID: machine.bootID,
      kernelVersion: machine.kernelVersion,
      osImage: machine.osImage,
      containerRuntimeVersion: version ? `${version.runtimeName}://${version.runtimeVersion}` : 'containerd://Unknown',
      kubeletVersion: inputs.kubeletVersion,
      kubeProxyVersion: '',
      operatingSystem: 'linux',
      architecture: machine.architecture,
      ...(machine.swapBytes > 0 && { swap: { capacity: machine.swapBytes } }),
    },
    declaredFeatures: [...DECLARED_FEATURES],
    runtimeHandlers: (inputs.runtimeStatus?.handlers ?? []).map(({ name, ...features }) => ({ name, features })),
    ...(inputs.runtimeStatus?.features && { features: inputs.runtimeStatus.features }),
  };
}

function imagesOf(images: readonly Image[]): NonNullable<NodeStatus['images']> {
  return [...images]
    .sort((a, b) => b.sizeBytes - a.sizeBytes || (a.id < b.id ? -1 : 1))
    .slice(0, MAX_IMAGES)
    .map(({ repoTags, repoDigests, sizeBytes }) => ({
      names: [...repoDigests, ...repoTags].slice(0, MAX_NAMES),
      sizeBytes,
    }))
    .filter(({ names }) => names.length > 0);
}

type Answer = Pick<NodeCondition, 'type' | 'status' | 'reason' | 'message'>;

function conditionsOf(inputs: NodeInputs, before: NodeCondition[]): NodeCondition[] {
  const { pressures, nowMs } = inputs;
  const answers: Answer[] = [
    pressure(
      'MemoryPressure',
      pressures.has('MemoryPressure'),
      ['KubeletHasInsufficientMemory', 'KubeletHasSufficientMemory'],
      ['kubelet has insufficient memory available', 'kubelet has sufficient memory available'],
    ),
    pressure(
      'DiskPressure',
      pressures.has('DiskPressure'),
      ['KubeletHasDiskPressure', 'KubeletHasNoDiskPressure'],
      ['kubelet has disk pressure', 'kubelet has no disk pressure'],
    ),
    pressure(
      'PIDPressure',
      pressures.has('PIDPressure'),
      ['KubeletHasInsufficientPID', 'KubeletHasSufficientPID'],
      ['kubelet has insufficient PID available', 'kubelet has sufficient PID available'],
    ),
    readyOf(inputs),
  ];
  const now = timestampOf(nowMs);
  const own = answers.map((answer) => {
    const old = before.find(({ type }) => type === answer.type);
    const lastTransitionTime = old?.status === answer.status ? (old.lastTransitionTime ?? now) : now;
    return { ...answer, lastHeartbeatTime: now, lastTransitionTime };
  });
  return [...before.filter(({ type }) => !own.some((condition) => condition.type === type)), ...own];
}

function pressure(type: string, is: boolean, [bad, good]: [string, string], [worse, fine]: [string, string]): Answer {
  return { type, status: is ? 'True' : 'False', reason: is ? bad : good, message: is ? worse : fine };
}

function readyOf({ runtimeStatus, runtimeError, isShuttingDown }: NodeInputs): Answer {
  const failed = (runtimeStatus?.conditions ?? []).filter(({ status }) => !status);
  const messages = runtimeError
    ? [`container runtime is down: ${runtimeError}`]
    : failed.map(({ type, reason, message }) =>
        type === 'NetworkReady'
          ? `container runtime network not ready: NetworkReady=false reason:${reason} message:${message}`
          : `container runtime not ready: ${type}=false reason:${reason} message:${message}`,
      );
  if (isShuttingDown) messages.push('node is shutting down');
  if (messages.length === 0)
    return { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' };
  const message = messages.length === 1 ? (messages[0] ?? '') : `[${messages.join(', ')}]`;
  return { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message };
}

/** Whether the API needs to be told: times alone are worth it only now and then. */
export const withoutTimes = ({ conditions = [], ...rest }: NodeStatus): unknown => ({
  ...rest,
  conditions: conditions.map(({ lastHeartbeatTime: _, ...condition }) => condition),
});

export const nodeLabels = ({
  nodeName,
  machine,
}: Pick<NodeInputs, 'nodeName' | 'machine'>): Record<string, string> => ({
  'beta.kubernetes.io/arch': machine.architecture,
  'beta.kubernetes.io/os': 'linux',
  'kubernetes.io/arch': machine.architecture,
  'kubernetes.io/hostname': nodeName,
  'kubernetes.io/os': 'linux',
});
