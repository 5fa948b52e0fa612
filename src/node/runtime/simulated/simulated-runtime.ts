/**
 * A container runtime on paper, for the kubelet's own tests: containers are programs of the test, addresses are counted
 * up, nothing runs. Time is the clock's, so a container that sleeps ends when the test moves the clock.
 */
import { text } from 'node:stream/consumers';
import type { Clock, Timer } from '#base/clock.ts';
import type { Container, ContainerConfig, ContainerStats, ContainerStatus } from '#node/runtime/container.ts';
import type { Image } from '#node/runtime/image.ts';
import type { PodSandbox, PodSandboxConfig, PodSandboxStatus } from '#node/runtime/pod-sandbox.ts';
import type { ContainerRuntime, ListFilter, RuntimeEvent, RuntimeHandler } from '#node/runtime/runtime.ts';
import { RuntimeError } from '#node/runtime/runtime-error.ts';
import { type Program, programOf } from './program.ts';

export interface SimulatedRuntimeOptions {
  clock: Clock;
  /** Names of images that are there; others fail to pull unless `pulls` has them. */
  images?: string[];
  pulls?: string[];
  /** Whose registry takes the request and never answers. */
  hangs?: string[];
  /** What can run a sandbox, and how well. */
  handlers?: RuntimeHandler[];
  /** As whom containers say that they began; nothing, if not given. */
  user?: NonNullable<ContainerStatus['user']>;
  /** What a container does; by default what its command says (see `program.ts`). */
  program?: (config: ContainerConfig) => Program | undefined;
}

interface Sandbox {
  status: PodSandboxStatus;
  config: PodSandboxConfig;
}
interface Run {
  status: ContainerStatus;
  config: ContainerConfig;
  sandboxId: string;
  program: Program;
  timer?: Timer;
}

export class SimulatedRuntime implements ContainerRuntime {
  readonly #options: SimulatedRuntimeOptions;
  readonly #sandboxes = new Map<string, Sandbox>();
  readonly #runs = new Map<string, Run>();
  readonly #images = new Map<string, Image>();
  readonly #listeners = new Set<(event: RuntimeEvent) => void>();
  /** Every call that changed something, in order: `RunPodSandbox default/web`, `StartContainer main`. */
  readonly calls: string[] = [];
  #count = 0;

  constructor(options: SimulatedRuntimeOptions) {
    this.#options = options;
    for (const name of options.images ?? []) this.addImage(name);
  }

  addImage(name: string): void {
    const id = `sha256:${Buffer.from(name).toString('hex').padEnd(64, '0').slice(0, 64)}`;
    this.#images.set(name, {
      id,
      repoTags: [name],
      repoDigests: [],
      sizeBytes: 1_000_000,
      uid: undefined,
      username: '',
      pinned: false,
    });
  }

  /** Lets a container end now, as its own program would. */
  exit(id: string, exitCode: number, reason = exitCode === 0 ? 'Completed' : 'Error'): void {
    const run = this.#runs.get(id);
    if (run?.status.state !== 'CONTAINER_RUNNING' && run?.status.state !== 'CONTAINER_UNKNOWN') return;
    run.timer?.cancel();
    run.status = {
      ...run.status,
      state: 'CONTAINER_EXITED',
      exitCode,
      reason,
      finishedAt: this.#options.clock.now(),
    };
    this.#tell({ type: 'exited', id });
  }

  /** As after a loss of its shim: whether it runs cannot be said any more, only that it is to stop. */
  lose(id: string): void {
    const run = this.#runs.get(id);
    if (run) run.status = { ...run.status, state: 'CONTAINER_UNKNOWN' };
    this.#tell({ type: 'exited', id });
  }

  /** The newest container of that name, alive or not. */
  newest(containerName: string): ContainerStatus | undefined {
    return [...this.#runs.values()].findLast(({ config }) => config.metadata.name === containerName)?.status;
  }

  version = async () => ({ runtimeName: 'simulated', runtimeVersion: '1', runtimeApiVersion: 'v1' });
  status = async () => ({
    conditions: ['RuntimeReady', 'NetworkReady'].map((type) => ({ type, status: true, reason: '', message: '' })),
    handlers: this.#options.handlers ?? [],
  });

  async runPodSandbox(config: PodSandboxConfig): Promise<string> {
    const { metadata, labels, annotations } = config;
    this.calls.push(`RunPodSandbox ${metadata.namespace}/${metadata.name}`);
    const id = `sandbox-${++this.#count}`;
    const isHostNetwork = config.linux.securityContext.namespaceOptions.network === 'NODE';
    const ips = isHostNetwork ? [] : [`10.244.${this.#count >> 8}.${this.#count & 255}`];
    const createdAt = this.#options.clock.now();
    this.#sandboxes.set(id, {
      config,
      status: { id, metadata, state: 'SANDBOX_READY', createdAt, labels, annotations, ips },
    });
    this.#tell({ type: 'started', id });
    return id;
  }

  async stopPodSandbox(id: string): Promise<void> {
    const sandbox = this.#sandboxes.get(id);
    if (!sandbox || sandbox.status.state === 'SANDBOX_NOTREADY') return;
    this.calls.push(`StopPodSandbox ${sandbox.status.metadata.namespace}/${sandbox.status.metadata.name}`);
    for (const [runId, run] of this.#runs) if (run.sandboxId === id) this.exit(runId, 137);
    sandbox.status = { ...sandbox.status, state: 'SANDBOX_NOTREADY' };
    this.#tell({ type: 'exited', id });
  }

  async removePodSandbox(id: string): Promise<void> {
    await this.stopPodSandbox(id);
    for (const [runId, run] of this.#runs) if (run.sandboxId === id) this.#runs.delete(runId);
    if (this.#sandboxes.delete(id)) this.#tell({ type: 'deleted', id });
  }

  podSandboxStatus = async (id: string): Promise<PodSandboxStatus | undefined> => this.#sandboxes.get(id)?.status;
  listPodSandboxes = async (filter: ListFilter = {}): Promise<PodSandbox[]> =>
    [...this.#sandboxes.values()].map(({ status }) => status).filter((status) => matches(status, filter));

  async createContainer(sandboxId: string, config: ContainerConfig): Promise<string> {
    const sandbox = this.#sandboxes.get(sandboxId);
    if (!sandbox) throw new RuntimeError('NotFound', `sandbox "${sandboxId}" not found`);
    this.calls.push(`CreateContainer ${config.metadata.name}`);
    const image = await this.imageStatus(config.image);
    if (!image) throw new RuntimeError('Unknown', `failed to resolve image "${config.image}": not found`);
    const id = `container-${++this.#count}`;
    const program = this.#options.program?.(config) ?? programOf([...config.command, ...config.args]);
    const status: ContainerStatus = {
      id,
      metadata: config.metadata,
      state: 'CONTAINER_CREATED',
      createdAt: this.#options.clock.now(),
      startedAt: undefined,
      finishedAt: undefined,
      exitCode: 0,
      image: image.repoTags[0] ?? config.image,
      imageRef: image.id,
      reason: '',
      message: '',
      labels: config.labels,
      annotations: config.annotations,
      mounts: config.mounts,
      logPath: `${sandbox.config.logDirectory}/${config.logPath}`,
      resources: config.linux.resources,
      ...(this.#options.user && { user: this.#options.user }),
    };
    this.#runs.set(id, { status, config, sandboxId, program });
    this.#tell({ type: 'created', id });
    return id;
  }

  async startContainer(id: string): Promise<void> {
    const run = this.#run(id);
    this.calls.push(`StartContainer ${run.config.metadata.name}`);
    const now = this.#options.clock.now();
    const { startError, runsForMs, exitCode = 0 } = run.program;
    if (startError) {
      const failed = { exitCode: 128, reason: 'StartError', message: startError, finishedAt: now };
      run.status = { ...run.status, state: 'CONTAINER_EXITED', ...failed };
      throw new RuntimeError('Unknown', startError);
    }
    run.status = { ...run.status, state: 'CONTAINER_RUNNING', startedAt: now };
    this.#tell({ type: 'started', id });
    if (runsForMs === 0) this.exit(id, exitCode);
    else if (runsForMs !== undefined) run.timer = this.#options.clock.timer(runsForMs, () => this.exit(id, exitCode));
  }

  async stopContainer(id: string, timeoutSeconds: number): Promise<void> {
    const run = this.#runs.get(id);
    if (run?.status.state !== 'CONTAINER_RUNNING' && run?.status.state !== 'CONTAINER_UNKNOWN') return;
    this.calls.push(`StopContainer ${run.config.metadata.name} ${timeoutSeconds}`);
    const { onTerm } = run.program;
    if (timeoutSeconds <= 0) return this.exit(id, 137);
    if (onTerm === 'exit') return this.exit(id, 0);
    if (onTerm === 'ignore') {
      await new Promise<void>((resolve) => {
        this.#options.clock.timer(timeoutSeconds * 1000, resolve);
      });
      return this.exit(id, 137);
    }
    this.exit(id, 143);
  }

  async removeContainer(id: string): Promise<void> {
    await this.stopContainer(id, 0);
    if (this.#runs.delete(id)) this.#tell({ type: 'deleted', id });
  }

  listContainers = async (filter: ListFilter = {}): Promise<Container[]> =>
    [...this.#runs.values()]
      .map(({ status, sandboxId }) => ({ ...status, podSandboxId: sandboxId }))
      .filter((container) => matches(container, filter));
  containerStatus = async (id: string): Promise<ContainerStatus | undefined> => this.#runs.get(id)?.status;

  async updateContainerResources(id: string, resources: ContainerStatus['resources']): Promise<void> {
    const run = this.#run(id);
    this.calls.push(`UpdateContainerResources ${run.config.metadata.name}`);
    run.status = { ...run.status, resources: { ...run.status.resources, ...resources } };
  }

  async reopenContainerLog(id: string): Promise<void> {
    if (this.#run(id).status.state !== 'CONTAINER_RUNNING')
      throw new RuntimeError('Unknown', 'container is not running');
  }

  async execSync(id: string, command: string[], timeoutSeconds: number) {
    const { program } = this.#run(id);
    const { stdout = '', stderr = '', exitCode = 0, runsForMs = 0 } = program.exec?.(command) ?? programOf(command);
    if (timeoutSeconds > 0 && runsForMs > timeoutSeconds * 1000)
      throw new RuntimeError('DeadlineExceeded', `command "${command.join(' ')}" timed out`);
    return { stdout: Buffer.from(stdout), stderr: Buffer.from(stderr), exitCode };
  }

  exec = async () => this.#noStreams();
  attach = async () => this.#noStreams();
  portForward = async () => this.#noStreams();
  async checkpointContainer(): Promise<void> {
    throw new RuntimeError('Unimplemented', 'unknown method CheckpointContainer for service runtime.v1.RuntimeService');
  }

  #noStreams(): string {
    throw new RuntimeError('Unimplemented', 'a simulated container has no streams');
  }

  listContainerStats = async (): Promise<ContainerStats[]> => [];
  listImages = async (): Promise<Image[]> => [...this.#images.values()];
  imageStatus = async (name: string): Promise<Image | undefined> =>
    this.#images.get(name) ?? [...this.#images.values()].find(({ id }) => id === name);

  async pullImage(name: string, _auth?: unknown, signal?: AbortSignal): Promise<string> {
    this.calls.push(`PullImage ${name}`);
    if (this.#options.hangs?.includes(name)) return this.#untilCancelled(name, signal);
    if (!this.#options.pulls?.includes(name))
      throw new RuntimeError('NotFound', `failed to resolve reference "${name}": not found`);
    this.addImage(name);
    return this.#images.get(name)!.id;
  }
  #untilCancelled(name: string, signal: AbortSignal | undefined): Promise<string> {
    return new Promise((_, reject) => {
      signal?.addEventListener('abort', () => {
        this.calls.push(`CancelPull ${name}`);
        reject(new RuntimeError('Unknown', 'context canceled'));
      });
    });
  }
  async removeImage(name: string): Promise<void> {
    for (const [key, { id }] of this.#images) if (key === name || id === name) this.#images.delete(key);
  }
  imageFsInfo = async () => [];
  async mountImage(): Promise<void> {
    return undefined; // nothing reads it
  }

  async unmountImage(): Promise<void> {
    return undefined;
  }

  async importImage(archive: NodeJS.ReadableStream): Promise<string[]> {
    const name = (await text(archive)).trim();
    this.addImage(name);
    return [name];
  }

  async *events(signal: AbortSignal): AsyncGenerator<RuntimeEvent> {
    const waiting: RuntimeEvent[] = [];
    let wake: () => void = () => undefined;
    const hear = (event: RuntimeEvent) => {
      waiting.push(event);
      wake();
    };
    const stop = () => wake();
    this.#listeners.add(hear);
    signal.addEventListener('abort', stop, { once: true });
    try {
      while (!signal.aborted) {
        const next = waiting.shift();
        if (next) yield next;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    } finally {
      this.#listeners.delete(hear);
      signal.removeEventListener('abort', stop);
    }
  }

  close(): void {
    for (const { timer } of this.#runs.values()) timer?.cancel();
  }

  #run(id: string): Run {
    const run = this.#runs.get(id);
    if (!run) throw new RuntimeError('NotFound', `container "${id}" not found`);
    return run;
  }

  #tell(event: RuntimeEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

function matches(
  item: { id: string; podSandboxId?: string; labels: Record<string, string> },
  { id, podSandboxId, labelSelector = {} }: ListFilter,
): boolean {
  if (id && item.id !== id) return false;
  if (podSandboxId && item.podSandboxId !== podSandboxId) return false;
  return Object.entries(labelSelector).every(([key, value]) => item.labels[key] === value);
}
