/** The floor under a pod's start: the same sandbox and container, asked of the runtime by nobody but us. */
import { PAUSE_IMAGE } from '#node/images/pause-image.ts';
import type { PodSandboxConfig } from '#node/runtime/pod-sandbox.ts';
import type { ContainerRuntime } from '#node/runtime/runtime.ts';

export const FLOOR_NOTE = 'RunPodSandbox + CreateContainer + StartContainer';
const NAMESPACE = 'default';

/** ms until the container is started; what was made is removed again, untimed. */
export async function byCri(runtime: ContainerRuntime, name: string): Promise<number> {
  const began = performance.now();
  const made = await start(runtime, name);
  const tookMs = performance.now() - began;
  await remove(runtime, made);
  return tookMs;
}

export interface Made {
  sandboxId: string;
  containerId: string;
}

/** What the least that starts a container needs of the runtime. */
export async function start(runtime: ContainerRuntime, name: string): Promise<Made> {
  const namespaceOptions = { network: 'POD', pid: 'CONTAINER', ipc: 'POD' } as const;
  const sandbox: PodSandboxConfig = {
    metadata: { name, uid: name, namespace: NAMESPACE, attempt: 0 },
    hostname: name,
    logDirectory: '',
    portMappings: [],
    labels: {},
    annotations: {},
    linux: { cgroupParent: '', securityContext: { namespaceOptions }, sysctls: {} },
  };
  const container = {
    metadata: { name: 'main', attempt: 0 },
    image: PAUSE_IMAGE,
    command: [],
    args: [],
    workingDir: '',
    envs: [],
    mounts: [],
    labels: {},
    annotations: {},
    logPath: '',
    stdin: false,
    stdinOnce: false,
    tty: false,
    linux: { resources: {}, securityContext: { namespaceOptions } },
  };
  const sandboxId = await runtime.runPodSandbox(sandbox);
  const containerId = await runtime.createContainer(sandboxId, container, sandbox);
  await runtime.startContainer(containerId);
  return { sandboxId, containerId };
}

export async function remove(runtime: ContainerRuntime, { sandboxId, containerId }: Made): Promise<void> {
  await runtime.stopContainer(containerId, 0);
  await runtime.removeContainer(containerId);
  await runtime.stopPodSandbox(sandboxId);
  await runtime.removePodSandbox(sandboxId);
}
