/** The runtime, with an account of what it was asked for: how often, how long it took, how often it failed. */
import type { Clock } from '#base/clock.ts';
import { Distribution } from '#base/distribution.ts';
import type { ContainerRuntime } from '#node/runtime/runtime.ts';

export interface RuntimeOperation {
  durations: Distribution;
  errors: number;
}

/** By `operation_type`, in upstream's words. */
export type RuntimeOperations = ReadonlyMap<string, RuntimeOperation>;

/** 5 ms, and so on by 2.5, as upstream has them. */
const BOUNDS = Array.from({ length: 14 }, (_, i) => Number((0.005 * 2.5 ** i).toPrecision(12)));

/** Operations of the CRI; null: not one of them, or one that lasts. Source: pkg/kubelet/kuberuntime/instrumented_services.go. */
const TYPES: Record<keyof ContainerRuntime, string | null> = {
  version: 'version',
  status: 'status',
  runPodSandbox: 'run_podsandbox',
  stopPodSandbox: 'stop_podsandbox',
  removePodSandbox: 'remove_podsandbox',
  podSandboxStatus: 'podsandbox_status',
  listPodSandboxes: 'list_podsandbox',
  createContainer: 'create_container',
  startContainer: 'start_container',
  stopContainer: 'stop_container',
  removeContainer: 'remove_container',
  listContainers: 'list_containers',
  containerStatus: 'container_status',
  updateContainerResources: 'update_container',
  checkpointContainer: 'checkpoint_container',
  reopenContainerLog: 'reopen_container_log',
  execSync: 'exec_sync',
  exec: 'exec',
  attach: 'attach',
  portForward: 'port_forward',
  listContainerStats: 'list_container_stats',
  listImages: 'list_images',
  imageStatus: 'image_status',
  pullImage: 'pull_image',
  removeImage: 'remove_image',
  imageFsInfo: 'image_fs_info',
  importImage: null,
  mountImage: null,
  unmountImage: null,
  events: null,
  close: null,
};

type Method = (...args: unknown[]) => Promise<unknown>;

export function measuredRuntime(
  runtime: ContainerRuntime,
  clock: Clock,
): { runtime: ContainerRuntime; operations: RuntimeOperations } {
  const operations = new Map<string, RuntimeOperation>();
  const measured = Object.entries(TYPES).map(([name, type]) => {
    // Looked up at each call: what is put in a method's place later counts.
    const call = (...args: unknown[]) => (runtime[name as keyof ContainerRuntime] as Method).apply(runtime, args);
    if (!type) return [name, call];
    const timed = async (...args: unknown[]) => {
      const began = clock.monotonicMs();
      const operation = operations.get(type) ?? { durations: new Distribution(BOUNDS), errors: 0 };
      operations.set(type, operation);
      try {
        return await call(...args);
      } catch (error) {
        operation.errors++;
        throw error;
      } finally {
        operation.durations.observe((clock.monotonicMs() - began) / 1000);
      }
    };
    return [name, timed];
  });
  return { runtime: Object.fromEntries(measured) as ContainerRuntime, operations };
}
