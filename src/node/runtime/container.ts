/** A container: what it is made from, how it is and what it uses. Names are the CRI's; instants as in `runtime.ts`. */
import type { ContainerSecurityContext, IDMapping } from './security-context.ts';

export type MountPropagation = 'PROPAGATION_PRIVATE' | 'PROPAGATION_HOST_TO_CONTAINER' | 'PROPAGATION_BIDIRECTIONAL';

export interface Mount {
  containerPath: string;
  hostPath: string;
  readonly: boolean;
  propagation: MountPropagation;
  recursiveReadOnly?: boolean;
  /** Whose files are whose in there, where the pod has users of its own. */
  uidMappings?: IDMapping[];
  gidMappings?: IDMapping[];
}

export interface LinuxContainerResources {
  /** µs */
  cpuPeriod?: number;
  /** µs in each period; 0 or less: no limit */
  cpuQuota?: number;
  cpuShares?: number;
  /** 0: no limit */
  memoryLimitInBytes?: number;
  oomScoreAdj?: number;
  cpusetCpus?: string;
  cpusetMems?: string;
  unified?: Record<string, string>;
}

export interface ContainerConfig {
  metadata: { name: string; attempt: number };
  /** An image ID or a reference that ImageStatus knows. */
  image: string;
  command: string[];
  args: string[];
  workingDir: string;
  envs: { key: string; value: string }[];
  mounts: Mount[];
  /** Of the node's, e.g. a GPU. */
  devices?: { containerPath: string; hostPath: string; permissions: string }[];
  /** By their names of the Container Device Interface; a runtime older than it knows none. */
  cdiDevices?: string[];
  labels: Record<string, string>;
  annotations: Record<string, string>;
  /** Below the sandbox's log directory. */
  logPath: string;
  stdin: boolean;
  stdinOnce: boolean;
  tty: boolean;
  linux: { resources: LinuxContainerResources; securityContext: ContainerSecurityContext };
}

export type ContainerState = 'CONTAINER_CREATED' | 'CONTAINER_RUNNING' | 'CONTAINER_EXITED' | 'CONTAINER_UNKNOWN';

export interface Container {
  id: string;
  podSandboxId: string;
  metadata: { name: string; attempt: number };
  image: string;
  imageRef: string;
  state: ContainerState;
  createdAt: number | undefined;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

export interface ContainerStatus {
  id: string;
  metadata: { name: string; attempt: number };
  state: ContainerState;
  createdAt: number | undefined;
  startedAt: number | undefined;
  finishedAt: number | undefined;
  exitCode: number;
  image: string;
  imageRef: string;
  /** `Completed`, `Error`, `OOMKilled`, `StartError`, … */
  reason: string;
  message: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  mounts: Mount[];
  /** Absolute. */
  logPath: string;
  resources?: LinuxContainerResources;
  /** As whom its first process began; absent: the runtime is older than this question. */
  user?: { uid: number; gid: number; supplementalGroups: number[] };
}

export interface ContainerStats {
  id: string;
  name: string;
  labels: Record<string, string>;
  /** When the CPU figure was taken. */
  cpuTimestamp: number | undefined;
  /** Cumulative CPU time in ns. May lose its last digits above 2^53 (104 days of CPU time). */
  cpuUsageCoreNanoSeconds: number | undefined;
  memoryTimestamp: number | undefined;
  memoryWorkingSetBytes: number | undefined;
  memoryUsageBytes: number | undefined;
  memoryRssBytes: number | undefined;
  memoryPageFaults: number | undefined;
  memoryMajorPageFaults: number | undefined;
  writableLayerUsedBytes: number | undefined;
  writableLayerInodesUsed: number | undefined;
}
