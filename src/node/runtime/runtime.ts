/**
 * What the kubelet needs of a container runtime: the Container Runtime Interface as TypeScript. Names are the CRI's.
 * Instants are ms since the epoch (with fractions; the wire has ns); an instant that has not come is undefined.
 * Failures throw RuntimeError. Source: kubernetes/cri-api, runtime.v1.
 */
import type { Readable } from 'node:stream';

export type RuntimeErrorCode =
  | 'NotFound'
  | 'DeadlineExceeded'
  | 'Unavailable'
  | 'Unimplemented'
  | 'InvalidArgument'
  | 'Unknown';

/** The runtime said no. The message is its own words and ends up in events. */
export class RuntimeError extends Error {
  override readonly name = 'RuntimeError';
  readonly code: RuntimeErrorCode;

  constructor(code: RuntimeErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

export interface RuntimeVersion {
  runtimeName: string;
  runtimeVersion: string;
  runtimeApiVersion: string;
}

export interface RuntimeCondition {
  /** `RuntimeReady`, `NetworkReady` */
  type: string;
  status: boolean;
  reason: string;
  message: string;
}

export interface RuntimeHandler {
  name: string;
  recursiveReadOnlyMounts: boolean;
  userNamespaces: boolean;
}

export interface RuntimeStatus {
  conditions: RuntimeCondition[];
  handlers: RuntimeHandler[];
  /** Whatever the handler; absent: the runtime is older than this question. */
  features?: { supplementalGroupsPolicy: boolean };
}

/** Whether the groups that an image gives its user are the container's, too. */
export type SupplementalGroupsPolicy = 'Merge' | 'Strict';

export type NamespaceMode = 'POD' | 'CONTAINER' | 'NODE' | 'TARGET';

/** `length` ids: `containerId` and the following are `hostId` and the following on the node. */
export interface IDMapping {
  hostId: number;
  containerId: number;
  length: number;
}

/** NODE: users are the node's, and there are no mappings. */
export interface UserNamespace {
  mode: 'POD' | 'NODE';
  uids: IDMapping[];
  gids: IDMapping[];
}

export interface NamespaceOptions {
  network: NamespaceMode;
  pid: NamespaceMode;
  ipc: NamespaceMode;
  usernsOptions?: UserNamespace;
  /** The container whose PID namespace is shared, when `pid` is TARGET. */
  targetId?: string;
}

export interface SecurityProfile {
  profileType: 'RuntimeDefault' | 'Unconfined' | 'Localhost';
  localhostRef?: string;
}

export interface SELinuxOptions {
  user?: string;
  role?: string;
  type?: string;
  level?: string;
}

export interface SandboxSecurityContext {
  namespaceOptions: NamespaceOptions;
  seLinuxOptions?: SELinuxOptions;
  runAsUser?: number;
  runAsGroup?: number;
  readonlyRootfs?: boolean;
  supplementalGroups?: number[];
  supplementalGroupsPolicy?: SupplementalGroupsPolicy;
  privileged?: boolean;
  seccomp?: SecurityProfile;
  apparmor?: SecurityProfile;
}

export interface PodSandboxMetadata {
  name: string;
  uid: string;
  namespace: string;
  attempt: number;
}

export interface PortMapping {
  protocol: 'TCP' | 'UDP' | 'SCTP';
  containerPort: number;
  hostPort: number;
  hostIP: string;
}

export interface DNSConfig {
  servers: string[];
  searches: string[];
  options: string[];
}

export interface PodSandboxConfig {
  metadata: PodSandboxMetadata;
  hostname: string;
  logDirectory: string;
  dnsConfig?: DNSConfig;
  portMappings: PortMapping[];
  labels: Record<string, string>;
  annotations: Record<string, string>;
  linux: {
    cgroupParent: string;
    securityContext: SandboxSecurityContext;
    sysctls: Record<string, string>;
  };
}

export type SandboxState = 'SANDBOX_READY' | 'SANDBOX_NOTREADY';

export interface PodSandbox {
  id: string;
  metadata: PodSandboxMetadata;
  state: SandboxState;
  createdAt: number | undefined;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

export interface PodSandboxStatus extends PodSandbox {
  /** The first is the primary one; empty for a host-network pod and before the network is set up. */
  ips: string[];
}

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

export interface ContainerSecurityContext {
  capabilities?: { add: string[]; drop: string[] };
  privileged?: boolean;
  namespaceOptions: NamespaceOptions;
  seLinuxOptions?: SELinuxOptions;
  runAsUser?: number;
  runAsGroup?: number;
  runAsUsername?: string;
  readonlyRootfs?: boolean;
  supplementalGroups?: number[];
  supplementalGroupsPolicy?: SupplementalGroupsPolicy;
  noNewPrivs?: boolean;
  maskedPaths?: string[];
  readonlyPaths?: string[];
  seccomp?: SecurityProfile;
  apparmor?: SecurityProfile;
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

export interface ListFilter {
  id?: string;
  podSandboxId?: string;
  labelSelector?: Record<string, string>;
}

export interface ExecSyncResult {
  stdout: Uint8Array;
  stderr: Uint8Array;
  exitCode: number;
}

export interface StreamOptions {
  containerId: string;
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
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

export interface Image {
  /** `sha256:…` of the image's configuration. */
  id: string;
  repoTags: string[];
  repoDigests: string[];
  sizeBytes: number;
  /** The numeric user the image runs as, if its configuration has one. */
  uid: number | undefined;
  username: string;
  pinned: boolean;
}

export interface AuthConfig {
  username?: string;
  password?: string;
  auth?: string;
  serverAddress?: string;
  identityToken?: string;
  registryToken?: string;
}

export interface FilesystemUsage {
  timestamp: number | undefined;
  mountpoint: string;
  usedBytes: number;
  inodesUsed: number;
}

/** Something happened to a container or sandbox; look at it again. `id` is a container's or a sandbox's. */
export interface RuntimeEvent {
  type: 'created' | 'started' | 'exited' | 'deleted' | 'oom';
  id: string;
}

export interface ContainerRuntime {
  version(): Promise<RuntimeVersion>;
  status(): Promise<RuntimeStatus>;

  /** @returns the sandbox's id. Its network is set up when this resolves. */
  runPodSandbox(config: PodSandboxConfig, runtimeHandler?: string): Promise<string>;
  /** Also kills what still runs in it. Idempotent; not an error when there is none. */
  stopPodSandbox(id: string): Promise<void>;
  removePodSandbox(id: string): Promise<void>;
  podSandboxStatus(id: string): Promise<PodSandboxStatus | undefined>;
  listPodSandboxes(filter?: Omit<ListFilter, 'podSandboxId'>): Promise<PodSandbox[]>;

  /** @returns the container's id. */
  createContainer(sandboxId: string, config: ContainerConfig, sandboxConfig: PodSandboxConfig): Promise<string>;
  startContainer(id: string): Promise<void>;
  /** The stop signal, then KILL after `timeoutSeconds`. Resolves when it is dead; not an error when there is none. */
  stopContainer(id: string, timeoutSeconds: number): Promise<void>;
  removeContainer(id: string): Promise<void>;
  listContainers(filter?: ListFilter): Promise<Container[]>;
  containerStatus(id: string): Promise<ContainerStatus | undefined>;
  updateContainerResources(id: string, resources: LinuxContainerResources): Promise<void>;
  /** Its state as an archive at that path. Many runtimes answer Unimplemented. */
  checkpointContainer(containerId: string, location: string, timeoutSeconds: number): Promise<void>;
  reopenContainerLog(id: string): Promise<void>;

  /** `timeoutSeconds` 0: none. Throws DeadlineExceeded when it takes longer. */
  execSync(id: string, command: string[], timeoutSeconds: number): Promise<ExecSyncResult>;
  /** URLs of the runtime's streaming server, good for one connection, reachable from the node itself. */
  exec(options: StreamOptions & { command: string[] }): Promise<string>;
  attach(options: StreamOptions): Promise<string>;
  portForward(sandboxId: string, ports: number[]): Promise<string>;

  /** Without a filter: of all running containers. */
  listContainerStats(filter?: ListFilter): Promise<ContainerStats[]>;

  listImages(): Promise<Image[]>;
  imageStatus(image: string): Promise<Image | undefined>;
  /** @returns a reference by digest, or the image's id. */
  pullImage(image: string, auth: AuthConfig | undefined, signal?: AbortSignal): Promise<string>;
  removeImage(image: string): Promise<void>;
  imageFsInfo(): Promise<FilesystemUsage[]>;
  /** Loads an OCI or Docker image archive. @returns the names it brought. */
  importImage(archive: Readable): Promise<string[]>;
  /** Puts the content of an image that is there where it can be read; `target` is an empty folder. */
  mountImage(image: string, target: string): Promise<void>;
  /** Idempotent. */
  unmountImage(target: string): Promise<void>;

  /** Ends when the stream ends for any reason but `signal`; throws RuntimeError when there is none to be had. */
  events(signal: AbortSignal): AsyncIterable<RuntimeEvent>;
  close(): void;
}

export const hasRuntimeCode = (error: unknown, code: RuntimeErrorCode): error is RuntimeError =>
  error instanceof RuntimeError && error.code === code;
