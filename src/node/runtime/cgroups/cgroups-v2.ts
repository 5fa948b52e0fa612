/** cgroup v2: one hierarchy; a controller must be switched on in every parent before a child has its files. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  hasErrorCode,
  killAll,
  processesBelow,
  readNow,
  removeTree,
  statsOf,
  subfolders,
  writeNow,
} from './cgroup-files.ts';
import { type CgroupLimits, type Cgroups, type CgroupUsage, weightOfShares } from './cgroups.ts';

const WANTED = ['cpu', 'cpuset', 'memory', 'pids', 'io', 'hugetlb'];

export function cgroupsV2(root: string): Cgroups {
  return {
    version: 2,
    async ensure(path, limits) {
      let folder = root;
      for (const name of path.split('/').filter(Boolean)) {
        delegate(folder);
        folder = join(folder, name);
        mkdirSync(folder, { recursive: true });
      }
      delegate(folder);
      writeLimits(folder, limits);
    },
    usage: (path) => usageOf(join(root, path)),
    children: (path) => subfolders(join(root, path)),
    processes: (path) => processesBelow(join(root, path)),
    async kill(path) {
      killAll(await processesBelow(join(root, path)));
    },
    remove: (path) => removeTree(join(root, path)),
  };
}

function delegate(folder: string): void {
  const has = (readNow(join(folder, 'cgroup.controllers')) ?? '').trim().split(' ');
  const on = (readNow(join(folder, 'cgroup.subtree_control')) ?? '').trim().split(' ');
  for (const controller of WANTED.filter((name) => has.includes(name) && !on.includes(name))) {
    try {
      writeNow(join(folder, 'cgroup.subtree_control'), `+${controller}`);
    } catch (error) {
      // A group that holds processes gives nothing to its children (EBUSY); realtime tasks hold cpu back (EINVAL).
      if (!hasErrorCode(error, 'EBUSY', 'EINVAL', 'ENOTSUP', 'EOPNOTSUPP')) throw error;
    }
  }
}

function writeLimits(folder: string, limits: CgroupLimits): void {
  const { cpuShares, cpuQuotaUs, cpuPeriodUs = 100_000, memoryBytes, pids } = limits;
  if (cpuShares !== undefined) writeNow(join(folder, 'cpu.weight'), weightOfShares(cpuShares));
  if (cpuQuotaUs !== undefined) {
    const quota = cpuQuotaUs > 0 ? String(Math.max(1000, cpuQuotaUs)) : 'max';
    writeNow(join(folder, 'cpu.max'), `${quota} ${cpuPeriodUs}`);
  }
  if (memoryBytes !== undefined) writeNow(join(folder, 'memory.max'), memoryBytes > 0 ? memoryBytes : 'max');
  if (pids !== undefined) writeNow(join(folder, 'pids.max'), pids > 0 ? pids : 'max');
}

async function usageOf(folder: string): Promise<CgroupUsage | undefined> {
  const cpu = readNow(join(folder, 'cpu.stat'));
  if (cpu === undefined) return undefined;
  const memory = statsOf(readNow(join(folder, 'memory.stat')));
  // The root has no memory.current: what it holds is the sum of its kinds of pages.
  const current = readNow(join(folder, 'memory.current'));
  const usage = current === undefined ? (memory.get('anon') ?? 0) + (memory.get('file') ?? 0) : Number(current);
  const pids = readNow(join(folder, 'pids.current'));
  return {
    cpuNanoseconds: (statsOf(cpu).get('usage_usec') ?? 0) * 1000,
    memoryUsageBytes: usage,
    memoryWorkingSetBytes: Math.max(0, usage - (memory.get('inactive_file') ?? 0)),
    memoryRssBytes: memory.get('anon') ?? 0,
    memoryPageFaults: memory.get('pgfault') ?? 0,
    memoryMajorPageFaults: memory.get('pgmajfault') ?? 0,
    pids: pids === undefined ? undefined : Number(pids),
  };
}
