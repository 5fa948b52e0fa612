/**
 * Control groups as the kubelet needs them: a tree of folders by path (`/kubepods/burstable/pod<uid>`), whichever
 * version the kernel has mounted. Source: kernel docs, admin-guide/cgroup-v1 and cgroup-v2.
 */

/** In the units of the API's arithmetic; each version writes them its own way. Absent: left as it is. */
export interface CgroupLimits {
  /** As in v1: 2 to 262144, 1024 for a whole core. */
  cpuShares?: number;
  /** µs of CPU time in each period; 0 or less: no limit. */
  cpuQuotaUs?: number;
  cpuPeriodUs?: number;
  /** 0: no limit. */
  memoryBytes?: number;
  /** 0: no limit. */
  pids?: number;
}

export interface CgroupUsage {
  cpuNanoseconds: number;
  memoryUsageBytes: number;
  /** Usage without what the kernel could drop at once. */
  memoryWorkingSetBytes: number;
  memoryRssBytes: number;
  memoryPageFaults: number;
  memoryMajorPageFaults: number;
  /** undefined at the root, where nothing counts them. */
  pids: number | undefined;
}

export interface Cgroups {
  readonly version: 1 | 2;
  /** Makes it, its parents too, and sets the limits. Idempotent. */
  ensure(path: string, limits: CgroupLimits): Promise<void>;
  /** undefined when there is none. */
  usage(path: string): Promise<CgroupUsage | undefined>;
  /** The names of the groups directly below; empty when there is none. */
  children(path: string): Promise<string[]>;
  /** Processes in this group and below. */
  processes(path: string): Promise<number[]>;
  /** Kills what is in it and below, in whichever hierarchy. */
  kill(path: string): Promise<void>;
  /** Removes it and all below. Not an error when there is none; throws EBUSY while processes live in it. */
  remove(path: string): Promise<void>;
}

/** v1 shares → v2 weight, 1 to 10000. Source: KEP-2254. */
export const weightOfShares = (shares: number): number => {
  const bounded = Math.min(Math.max(shares, 2), 262_144);
  return 1 + Math.floor(((bounded - 2) * 9999) / 262_142);
};
