/**
 * What the kubelet needs of a container runtime: the Container Runtime Interface as TypeScript. Names are the CRI's.
 * Instants are ms since the epoch (with fractions; the wire has ns); an instant that has not come is undefined.
 * Failures throw RuntimeError. Source: kubernetes/cri-api, runtime.v1.
 */
import type { Readable } from 'node:stream';
import type {
  Container,
  ContainerConfig,
  ContainerStats,
  ContainerStatus,
  LinuxContainerResources,
} from './container.ts';
import type { AuthConfig, FilesystemUsage, Image } from './image.ts';
import type { PodSandbox, PodSandboxConfig, PodSandboxStatus } from './pod-sandbox.ts';

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
