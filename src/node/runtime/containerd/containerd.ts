/** The container runtime by containerd's socket: CRI v1 over gRPC, containerd's own event stream, and `ctr` for archives. */
import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Clock } from '#base/clock.ts';
import type { ContainerConfig, LinuxContainerResources } from '#node/runtime/container.ts';
import type { Reply } from '#node/runtime/message-table.ts';
import type { PodSandboxConfig } from '#node/runtime/pod-sandbox.ts';
import type { ContainerRuntime, ListFilter, StreamOptions } from '#node/runtime/runtime.ts';
import { hasRuntimeCode, RuntimeError } from '#node/runtime/runtime-error.ts';
import { containerdEvents } from './containerd-events.ts';
import { connectGrpc, type GrpcConnection } from './grpc-connection.ts';
import { mountImage, unmountImage } from './image-mounts.ts';
import * as read from './replies.ts';
import { containerConfigMessage, sandboxConfigMessage } from './requests.ts';

export interface ContainerdOptions {
  /** e.g. `/run/containerd/containerd.sock` */
  socketPath: string;
  clock: Clock;
  /** The `ctr` program, for image archives. */
  ctr?: string;
}

/** How long calls may take that only look at state. A runtime that hangs must not hang the kubelet. */
const LOOK_MS = 30_000;
/** Calls that start or stop things: upstream's runtimeRequestTimeout, and twice that for sandboxes. */
const ACT_MS = 120_000;
const SANDBOX_MS = 240_000;

export function connectContainerd({ socketPath, clock, ctr = 'ctr' }: ContainerdOptions): ContainerRuntime {
  const grpc = connectGrpc(socketPath, clock);
  const look = (call: Parameters<GrpcConnection['call']>[0], request: object = {}) =>
    grpc.call(call, request, { timeoutMs: LOOK_MS });
  const act = (call: Parameters<GrpcConnection['call']>[0], request: object = {}) =>
    grpc.call(call, request, { timeoutMs: ACT_MS });

  return {
    version: async () => read.version(await look('Version', { version: 'v1' })),
    status: async () => read.runtimeStatus(await look('Status')),

    async runPodSandbox(config: PodSandboxConfig, runtimeHandler = '') {
      const request = { config: sandboxConfigMessage(config), runtimeHandler };
      return read.text(await grpc.call('RunPodSandbox', request, { timeoutMs: SANDBOX_MS }), 'podSandboxId');
    },
    stopPodSandbox: (id) => unlessGone(grpc.call('StopPodSandbox', { podSandboxId: id }, { timeoutMs: SANDBOX_MS })),
    removePodSandbox: (id) =>
      unlessGone(grpc.call('RemovePodSandbox', { podSandboxId: id }, { timeoutMs: SANDBOX_MS })),
    podSandboxStatus: (id) =>
      undefinedIfGone(look('PodSandboxStatus', { podSandboxId: id }), (reply) =>
        read.podSandboxStatus(reply['status'] as Reply),
      ),
    async listPodSandboxes(filter: ListFilter = {}) {
      return read.list((await look('ListPodSandbox', { filter }))['items'], read.podSandbox);
    },

    async createContainer(podSandboxId: string, config: ContainerConfig, sandboxConfig: PodSandboxConfig) {
      const request = {
        podSandboxId,
        config: containerConfigMessage(config),
        sandboxConfig: sandboxConfigMessage(sandboxConfig),
      };
      return read.text(await act('CreateContainer', request), 'containerId');
    },
    async startContainer(containerId: string) {
      await act('StartContainer', { containerId });
    },
    stopContainer: (containerId, timeoutSeconds) =>
      unlessGone(
        grpc.call(
          'StopContainer',
          { containerId, timeout: timeoutSeconds },
          { timeoutMs: timeoutSeconds * 1000 + ACT_MS },
        ),
      ),
    removeContainer: (containerId) => unlessGone(act('RemoveContainer', { containerId })),
    async listContainers(filter: ListFilter = {}) {
      return read.list((await look('ListContainers', { filter }))['containers'], read.container);
    },
    containerStatus: (containerId) =>
      undefinedIfGone(look('ContainerStatus', { containerId }), (reply) =>
        read.containerStatus(reply['status'] as Reply),
      ),
    async updateContainerResources(containerId: string, linux: LinuxContainerResources) {
      await act('UpdateContainerResources', { containerId, linux });
    },
    async checkpointContainer(containerId, location, timeoutSeconds) {
      const timeoutMs = timeoutSeconds > 0 ? timeoutSeconds * 1000 + ACT_MS : ACT_MS;
      await grpc.call('CheckpointContainer', { containerId, location, timeout: timeoutSeconds }, { timeoutMs });
    },
    async reopenContainerLog(containerId: string) {
      await act('ReopenContainerLog', { containerId });
    },

    async execSync(containerId: string, cmd: string[], timeoutSeconds: number) {
      // The runtime enforces the timeout; ours is only there for a runtime that does not answer.
      const timeoutMs = timeoutSeconds > 0 ? timeoutSeconds * 1000 + ACT_MS : undefined;
      return read.execSync(await grpc.call('ExecSync', { containerId, cmd, timeout: timeoutSeconds }, { timeoutMs }));
    },
    async exec({ command, ...options }: StreamOptions & { command: string[] }) {
      return read.text(await act('Exec', { ...options, cmd: command }), 'url');
    },
    attach: async (options: StreamOptions) => read.text(await act('Attach', options), 'url'),
    portForward: async (podSandboxId, port) => read.text(await act('PortForward', { podSandboxId, port }), 'url'),

    async listContainerStats(filter: ListFilter = {}) {
      return read.list((await look('ListContainerStats', { filter }))['stats'], read.containerStats);
    },

    listImages: async () => read.list((await look('ListImages'))['images'], read.image),
    async imageStatus(image: string) {
      const found = (await look('ImageStatus', { image: { image } }))['image'];
      return found ? read.image(found as Reply) : undefined;
    },
    async pullImage(image, auth, signal) {
      const request = {
        image: { image },
        ...(auth && { auth }),
      };
      return read.text(await grpc.call('PullImage', request, { signal }), 'imageRef');
    },
    removeImage: (image) => unlessGone(act('RemoveImage', { image: { image } })),
    imageFsInfo: async () => read.list((await look('ImageFsInfo'))['imageFilesystems'], read.filesystemUsage),
    importImage: (archive) => importArchive(archive, { socketPath, ctr }),
    mountImage: (image, target) => mountImage(image, target, { socketPath, ctr }),
    unmountImage: (target) => unmountImage(target, { socketPath, ctr }),

    events: (signal) => containerdEvents(grpc, signal),
    close: () => grpc.close(),
  };
}

async function unlessGone(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!hasRuntimeCode(error, 'NotFound')) throw error;
  }
}

async function undefinedIfGone<T>(call: Promise<Reply>, map: (reply: Reply) => T): Promise<T | undefined> {
  try {
    return map(await call);
  } catch (error) {
    if (hasRuntimeCode(error, 'NotFound')) return undefined;
    throw error;
  }
}

/** CRI has no call for this; `ctr` speaks containerd's content and image services, in the CRI's namespace. */
async function importArchive(
  archive: Readable,
  { socketPath, ctr }: { socketPath: string; ctr: string },
): Promise<string[]> {
  const args = ['--address', socketPath, '--namespace', 'k8s.io', 'images', 'import', '-'];
  const child = spawn(ctr, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  const listen = (stream: Readable) =>
    stream.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-64 * 1024);
    });
  listen(child.stdout);
  listen(child.stderr);
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', (error) => reject(new RuntimeError('Unavailable', `${ctr}: ${error.message}`, error)));
    child.once('close', (code) => resolve(code ?? -1));
  });
  // A bad archive makes ctr leave before it has read all: then its own words matter, not our broken pipe.
  const fed = pipeline(archive, child.stdin).then(
    () => undefined,
    (error: Error) => error,
  );
  const code = await ended;
  const broken = archive.readableEnded ? undefined : await fed;
  if (code !== 0 || broken) {
    archive.destroy();
    const why = said.trim().split('\n').at(-1) || broken?.message || `exit code ${code}`;
    throw new RuntimeError('InvalidArgument', `importing the image archive: ${why}`, broken);
  }
  return [...said.matchAll(/^unpacking (\S+) \(/gm)].map(([, name]) => name!);
}
