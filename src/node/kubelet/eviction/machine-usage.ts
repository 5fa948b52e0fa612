/** What this machine and its pods really use: from control groups, file systems and the runtime. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pod } from '#api/generated/schema.ts';
import type { Cgroups } from '#node/runtime/cgroups/cgroups.ts';
import type { ContainerStats } from '#node/runtime/container.ts';
import { diskFactsOf, type MachineFacts } from '#node/runtime/machine-facts.ts';
import type { ContainerRuntime } from '#node/runtime/runtime.ts';
import { podCgroupPath } from '../quality-of-service.ts';
import { CONTAINER_NAME, POD_UID } from '../runtime-labels.ts';
import { podLogFolder } from '../sandbox-config.ts';
import { folderUsage } from './folder-usage.ts';
import type { ContainerUsage, Observation, PodUsage, Signal, Usage } from './usage.ts';

export interface MachineUsageOptions {
  runtime: ContainerRuntime;
  cgroups: Cgroups | undefined;
  cgroupRoot: string;
  machine: MachineFacts;
  /** The kubelet's folder, and that of the pods' logs. */
  directories: { root: string; logs: string };
  /** Of the machine's memory, what all pods together may have. */
  allocatableMemoryBytes: number;
}

export class MachineUsage implements Usage {
  readonly #options: MachineUsageOptions;

  constructor(options: MachineUsageOptions) {
    this.#options = options;
  }

  async node(): Promise<ReadonlyMap<Signal, Observation>> {
    const { cgroups, cgroupRoot, machine, directories, runtime, allocatableMemoryBytes } = this.#options;
    const seen = new Map<Signal, Observation>();
    const [whole, pods, images] = await Promise.all([
      cgroups?.usage('/'),
      cgroups?.usage(cgroupRoot),
      runtime.imageFsInfo(),
    ]);
    const memory = (capacity: number, usedBytes: number) => ({
      capacity,
      available: Math.max(0, capacity - usedBytes),
    });
    if (whole) seen.set('memory.available', memory(machine.memoryBytes, whole.memoryWorkingSetBytes));
    if (pods && allocatableMemoryBytes < machine.memoryBytes)
      seen.set('allocatableMemory.available', memory(allocatableMemoryBytes, pods.memoryWorkingSetBytes));
    const fileSystem = (name: 'nodefs' | 'imagefs' | 'containerfs', path: string) => {
      const { availableBytes, capacityBytes, inodes, inodesFree } = diskFactsOf(path);
      seen.set(`${name}.available`, { available: availableBytes, capacity: capacityBytes });
      if (inodes > 0) seen.set(`${name}.inodesFree`, { available: inodesFree, capacity: inodes });
    };
    fileSystem('nodefs', directories.root);
    const imageFolder = images[0]?.mountpoint;
    const hasImageFolder = imageFolder !== undefined && (await stat(imageFolder).catch(() => undefined)) !== undefined;
    for (const name of ['imagefs', 'containerfs'] as const)
      fileSystem(name, hasImageFolder ? imageFolder : directories.root);
    const running = await runningThreads();
    if (running !== undefined)
      seen.set('pid.available', { available: machine.maxPids - running, capacity: machine.maxPids });
    return seen;
  }

  async pods(pods: readonly Pod[]): Promise<ReadonlyMap<string, PodUsage>> {
    const stats = await this.#options.runtime.listContainerStats();
    const used = await Promise.all(pods.map((pod) => this.#pod(pod, stats)));
    return new Map(pods.map((pod, index) => [pod.metadata.uid, used[index]!]));
  }

  async #pod(pod: Pod, stats: readonly ContainerStats[]): Promise<PodUsage> {
    const { cgroups, cgroupRoot, directories } = this.#options;
    const usage = await cgroups?.usage(podCgroupPath(cgroupRoot, pod));
    const mine = stats.filter(({ labels }) => labels[POD_UID] === pod.metadata.uid);
    const logs = podLogFolder(directories.logs, pod);
    const containers = await Promise.all(
      mine.map(async (each): Promise<ContainerUsage & { inodes: number }> => {
        const name = each.labels[CONTAINER_NAME] ?? each.name;
        const log = await folderUsage(join(logs, name));
        return {
          name,
          diskBytes: (each.writableLayerUsedBytes ?? 0) + log.bytes,
          inodes: (each.writableLayerInodesUsed ?? 0) + log.inodes,
          ...(each.memoryWorkingSetBytes !== undefined && { memoryBytes: each.memoryWorkingSetBytes }),
        };
      }),
    );
    const volumes = await this.#volumes(pod);
    const onDisk = volumes.filter(({ isInMemory }) => !isInMemory);
    const sum = (amounts: number[]) => amounts.reduce((total, amount) => total + amount, 0);
    return {
      memoryBytes: usage?.memoryWorkingSetBytes ?? sum(containers.map(({ memoryBytes = 0 }) => memoryBytes)),
      diskBytes: sum([...containers.map(({ diskBytes = 0 }) => diskBytes), ...onDisk.map(({ bytes }) => bytes)]),
      inodes: sum([...containers.map(({ inodes }) => inodes), ...onDisk.map(({ inodes }) => inodes)]),
      processes: usage?.pids ?? 0,
      containers: containers.map(({ inodes: _, ...container }) => container),
      volumes: new Map(volumes.map(({ name, bytes }) => [name, bytes])),
    };
  }

  #volumes(pod: Pod): Promise<{ name: string; bytes: number; inodes: number; isInMemory: boolean }[]> {
    const folder = join(this.#options.directories.root, 'pods', pod.metadata.uid, 'volumes', 'kubernetes.io~empty-dir');
    const mine = (pod.spec.volumes ?? []).filter(({ emptyDir }) => emptyDir !== undefined);
    return Promise.all(
      mine.map(async ({ name, emptyDir }) => ({
        name,
        ...(await folderUsage(join(folder, name))),
        isInMemory: emptyDir?.medium === 'Memory',
      })),
    );
  }
}

/** Threads of the whole machine, as its process numbers are given to them. */
async function runningThreads(): Promise<number | undefined> {
  const text = await readFile('/proc/loadavg', 'utf8').catch(() => '');
  const total = Number(/ \d+\/(\d+) /.exec(text)?.[1]);
  return Number.isFinite(total) ? total : undefined;
}
