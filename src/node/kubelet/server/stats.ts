/** GET /stats/summary: what the node and its pods use now. Source: kubelet's stats/v1alpha1 API. */
import { readFile } from 'node:fs/promises';
import type { Pod } from '#api/generated/schema.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import type { Clock } from '#base/clock.ts';
import type { CgroupUsage } from '#node/runtime/cgroups/cgroups.ts';
import type { ContainerStats } from '#node/runtime/container.ts';
import { type DiskFacts, diskFactsOf } from '#node/runtime/machine-facts.ts';
import type { Kubelet } from '../kubelet.ts';
import { podCgroupPath } from '../quality-of-service.ts';
import { CONTAINER_NAME, POD_UID } from '../runtime-labels.ts';
import type { VolumeStats } from '../volumes/volume-usage.ts';

export interface StatsOptions {
  kubelet: Kubelet;
  clock: Clock;
  memoryBytes: number;
  startedAtMs: number;
  root: string;
}

interface Cpu {
  time: string;
  usageNanoCores?: number;
  usageCoreNanoSeconds: number;
}
interface Memory {
  time: string;
  availableBytes?: number;
  usageBytes: number;
  workingSetBytes: number;
  rssBytes: number;
  pageFaults: number;
  majorPageFaults: number;
}
interface Network {
  time: string;
  name: string;
  rxBytes: number;
  rxErrors: number;
  txBytes: number;
  txErrors: number;
}
export interface ContainerSummary {
  name: string;
  startTime: string;
  cpu?: Cpu;
  memory?: Memory;
  rootfs?: { time: string; usedBytes: number; inodesUsed: number };
}
type VolumeSummary = VolumeStats & { time: string };
export interface PodSummary {
  podRef: { name: string; namespace: string; uid: string };
  startTime: string;
  containers: ContainerSummary[];
  cpu?: Cpu;
  memory?: Memory;
  network?: Network;
  volume?: VolumeSummary[];
  process_stats?: { process_count: number };
}
export interface Summary {
  node: {
    nodeName: string;
    startTime: string;
    cpu?: Cpu;
    memory?: Memory;
    fs: object;
    runtime?: { imageFs: object };
  };
  pods: PodSummary[];
}

/** A rate over less than this is noise. */
const LEAST_RATE_MS = 1_000;

export class Stats {
  readonly #options: StatsOptions;
  /** The last two readings of each cumulative CPU time: rates are differences. */
  readonly #readings = new Map<string, { ns: number; atMs: number; rate: number | undefined }>();

  constructor(options: StatsOptions) {
    this.#options = options;
  }

  async summary(): Promise<Summary> {
    const { kubelet, clock, startedAtMs, root } = this.#options;
    const now = timestampOf(clock.now());
    const [containers, images, nodeUsage] = await Promise.all([
      kubelet.runtime.listContainerStats(),
      kubelet.runtime.imageFsInfo(),
      kubelet.cgroups?.usage(this.#nodeCgroup()),
    ]);
    const disk = diskFactsOf(root);
    const [imageFs] = images;
    const pods = await Promise.all(kubelet.pods.list().map((pod) => this.#pod(pod, containers, now)));
    return {
      node: {
        nodeName: kubelet.nodeName,
        startTime: timestampOf(startedAtMs),
        ...(nodeUsage && this.#usage('node', nodeUsage, { now, memoryBytes: this.#options.memoryBytes })),
        fs: filesystem(disk, now, disk.capacityBytes - disk.availableBytes),
        ...(imageFs && { runtime: { imageFs: filesystem(disk, now, imageFs.usedBytes) } }),
      },
      pods: pods.filter((pod) => pod !== undefined),
    };
  }

  /** Where pods have the machine's ordinary group, the machine is the node; else their own group is. */
  #nodeCgroup(): string {
    const { cgroupRoot } = this.#options.kubelet;
    return cgroupRoot === '/kubepods' ? '/' : cgroupRoot;
  }

  async #pod(pod: Pod, stats: ContainerStats[], now: string): Promise<PodSummary | undefined> {
    const { kubelet } = this.#options;
    const path = podCgroupPath(kubelet.cgroupRoot, pod);
    const usage = await kubelet.cgroups?.usage(path);
    const { uid, name, namespace = '' } = pod.metadata;
    const status = kubelet.statusOf(pod);
    const mine = stats.filter(({ labels }) => labels[POD_UID] === uid);
    if (!usage && mine.length === 0) return undefined;
    const startOf = (container: string) =>
      status?.containerStatuses?.find((one) => one.name === container)?.state?.running?.startedAt ?? now;
    const network = await this.#network(path, now);
    const volumes = await kubelet.volumeStats(uid);
    return {
      podRef: { name, namespace, uid },
      startTime: status?.startTime ?? now,
      containers: mine.map((container) =>
        this.#container(container, now, startOf(container.labels[CONTAINER_NAME] ?? '')),
      ),
      ...(usage && this.#usage(uid, usage, { now })),
      ...(network && { network }),
      ...(volumes.length > 0 && { volume: volumes.map((volume) => ({ time: now, ...volume })) }),
      ...(usage?.pids !== undefined && { process_stats: { process_count: usage.pids } }),
    };
  }

  #container(stats: ContainerStats, now: string, startTime: string): ContainerSummary {
    const { id, labels, cpuUsageCoreNanoSeconds: ns, memoryUsageBytes, writableLayerUsedBytes } = stats;
    return {
      name: labels[CONTAINER_NAME] ?? stats.name,
      startTime,
      ...(ns !== undefined && { cpu: this.#cpu(id, ns, now) }),
      ...(memoryUsageBytes !== undefined && {
        memory: {
          time: now,
          usageBytes: memoryUsageBytes,
          workingSetBytes: stats.memoryWorkingSetBytes ?? 0,
          rssBytes: stats.memoryRssBytes ?? 0,
          pageFaults: stats.memoryPageFaults ?? 0,
          majorPageFaults: stats.memoryMajorPageFaults ?? 0,
        },
      }),
      ...(writableLayerUsedBytes !== undefined && {
        rootfs: { time: now, usedBytes: writableLayerUsedBytes, inodesUsed: stats.writableLayerInodesUsed ?? 0 },
      }),
    };
  }

  #usage(
    id: string,
    usage: CgroupUsage,
    { now, memoryBytes }: { now: string; memoryBytes?: number },
  ): { cpu: Cpu; memory: Memory } {
    return {
      cpu: this.#cpu(id, usage.cpuNanoseconds, now),
      memory: {
        time: now,
        ...(memoryBytes !== undefined && { availableBytes: Math.max(0, memoryBytes - usage.memoryWorkingSetBytes) }),
        usageBytes: usage.memoryUsageBytes,
        workingSetBytes: usage.memoryWorkingSetBytes,
        rssBytes: usage.memoryRssBytes,
        pageFaults: usage.memoryPageFaults,
        majorPageFaults: usage.memoryMajorPageFaults,
      },
    };
  }

  #cpu(id: string, ns: number, time: string): Cpu {
    const atMs = this.#options.clock.monotonicMs();
    const last = this.#readings.get(id);
    const passedMs = last ? atMs - last.atMs : 0;
    const isFresh = last !== undefined && passedMs < LEAST_RATE_MS;
    const rate = isFresh ? last.rate : last && Math.max(0, Math.round(((ns - last.ns) / passedMs) * 1000));
    if (!isFresh) this.#readings.set(id, { ns, atMs, rate });
    return { time, usageCoreNanoSeconds: ns, ...(rate !== undefined && { usageNanoCores: rate }) };
  }

  /** As the pod's own processes see it. */
  async #network(cgroup: string, time: string): Promise<Network | undefined> {
    const [pid] = (await this.#options.kubelet.cgroups?.processes(cgroup)) ?? [];
    if (pid === undefined) return undefined;
    const text = await readFile(`/proc/${pid}/net/dev`, 'utf8').catch(() => ''); // the process has ended meanwhile
    const line = text.split('\n').find((one) => one.trim().startsWith('eth0:'));
    if (!line) return undefined;
    const numbers = line
      .slice(line.indexOf(':') + 1)
      .trim()
      .split(/\s+/)
      .map(Number);
    const [rxBytes = 0, , rxErrors = 0] = numbers;
    const [txBytes = 0, , txErrors = 0] = numbers.slice(8);
    return { time, name: 'eth0', rxBytes, rxErrors, txBytes, txErrors };
  }
}

const filesystem = (disk: DiskFacts, time: string, usedBytes: number): object => ({
  time,
  availableBytes: disk.availableBytes,
  capacityBytes: disk.capacityBytes,
  usedBytes,
  inodesFree: disk.inodesFree,
  inodes: disk.inodes,
  inodesUsed: disk.inodes - disk.inodesFree,
});
