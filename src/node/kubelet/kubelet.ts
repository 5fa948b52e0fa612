/** A kubelet that runs, as its own API and the process around it see it. `start-kubelet.ts` starts one. */
import type { Pod } from '#api/core/v1/pod.ts';
import type { KubeletConfiguration } from '#api/kubelet-config/kubelet-configuration.ts';
import type { Cgroups } from '#node/runtime/cgroups/cgroups.ts';
import type { ContainerRuntime } from '#node/runtime/runtime.ts';
import type { RuntimeOperations } from './measured-runtime.ts';
import type { NodePods } from './node-pods.ts';
import type { PodStarts } from './pod-starts.ts';
import type { ResourceClaims } from './resource-claims/resource-claims.ts';
import type { RuntimePods } from './runtime-pods.ts';
import type { VolumeStats } from './volumes/volume-usage.ts';

export interface Kubelet {
  readonly nodeName: string;
  readonly runtime: ContainerRuntime;
  /** What the runtime was asked for. */
  readonly operations: RuntimeOperations;
  readonly podStarts: PodStarts;
  /** Of pods with users of their own, and how many of them failed. */
  readonly userNamespaceStarts: { readonly all: number; readonly failed: number };
  readonly claims: Pick<ResourceClaims, 'durations' | 'inUse'>;
  readonly runtimePods: RuntimePods;
  readonly cgroups: Cgroups | undefined;
  readonly cgroupRoot: string;
  /** Its own, and the one of the containers' logs. */
  readonly folders: { root: string; logs: string };
  /** The pods of this node. */
  readonly pods: NodePods;
  /** The status as this kubelet knows it, which may be ahead of the API. */
  statusOf(pod: Pod): Pod['status'];
  /** How much it is doing at once; what waits for a time is not counted. */
  readonly busy: number;
  /** When the runtime's containers were last seen, in monotonic ms. */
  lastRelistMs(): number | undefined;
  /** Says again how the node is: an image has come or gone. */
  reportNode(): void;
  /** How full the volumes of a pod are, whose bytes are not its own. */
  volumeStats(podUid: string): Promise<VolumeStats[]>;
  /** The folder of a released local-path volume. Idempotent; throws DriverFailed while a pod has it. */
  eraseLocalPath(volumeId: string): Promise<void>;
  /** Where its API listens; undefined without one. */
  serverPort(): number | undefined;
  readonly configuration: KubeletConfiguration;
  /** How often each probe was answered, and how: labels are those of `prober_probe_total`. */
  probeCounts(): { labels: Record<string, string>; value: number }[];
  /** The machine is about to go down: resolves when the pods have ended, or their time is over. */
  shutDown(): Promise<void>;
  close(): Promise<void>;
}
