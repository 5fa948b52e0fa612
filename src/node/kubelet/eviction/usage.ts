/** What a node and its pods use, as eviction asks for it. Tests say it; on a machine `machine-usage.ts` finds it out. */
import type { Pod } from '#api/generated/schema.ts';
import type { EvictionSignal } from '#api/kubelet-config/configuration-rules.ts';

/** Signals of the API, and what is left of the pods' own share of memory. */
export type Signal = EvictionSignal | 'allocatableMemory.available';

export interface Observation {
  /** Bytes, inodes or processes. */
  available: number;
  capacity: number;
}
/** A signal that cannot be observed here is missing, and met by nothing. */
export type Observations = ReadonlyMap<Signal, Observation>;

export interface ContainerUsage {
  name: string;
  /** Working set, in bytes. */
  memoryBytes?: number;
  /** Its writable layer and its logs, in bytes. */
  diskBytes?: number;
}
export interface PodUsage {
  memoryBytes: number;
  /** Of all containers and of volumes on the node's disk. */
  diskBytes: number;
  inodes: number;
  processes: number;
  containers: ContainerUsage[];
  /** Of each emptyDir, in bytes. */
  volumes: ReadonlyMap<string, number>;
}

export interface Usage {
  node(): Promise<Observations>;
  /** By uid. A pod of which nothing is known is missing. */
  pods(pods: readonly Pod[]): Promise<ReadonlyMap<string, PodUsage>>;
}
