/** cgroup v2: one hierarchy; a controller must be switched on in every parent before a child has its files. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  hasErrorCode,
  processesBelow,
  readIfThere,
  removeTree,
  statsOf,
  subfolders,
  writeIfThere,
} from './cgroup-files.ts';
import { type CgroupLimits, type Cgroups, type CgroupUsage, weightOfShares } from './cgroups.ts';

const WANTED = ['cpu', 'cpuset', 'memory', 'pids', 'io', 'hugetlb'];

export function cgroupsV2(root: string): Cgroups {
  return {
    version: 2,
    async ensure(path, limits) {
      let folder = root;
      for (const name of path.split('/').filter(Boolean)) {
        await delegate(folder);
        folder = join(folder, name);
        await mkdir(folder, { recursive: true });
      }
      await delegate(folder);
      await writeLimits(folder, limits);
    },
    usage: (path) => usageOf(join(root, path)),
    children: (path) => subfolders(join(root, path)),
    processes: (path) => processesBelow(join(root, path)),
    remove: (path) => removeTree(join(root, path)),
  };
}

async function delegate(folder: string): Promise<void> {
  const has = ((await readIfThere(join(folder, 'cgroup.controllers'))) ?? '').trim().split(' ');
  const on = ((await readIfThere(join(folder, 'cgroup.subtree_control'))) ?? '').trim().split(' ');
  for (const controller of WANTED.filter((name) => has.includes(name) && !on.includes(name))) {
    try {
      await writeIfThere(join(folder, 'cgroup.subtree_control'), `+${controller}`);
    } catch (error) {
      // A group that holds processes gives nothing to its children (EBUSY); realtime tasks hold cpu back (EINVAL).
      if (!hasErrorCode(error, 'EBUSY', 'EINVAL', 'ENOTSUP', 'EOPNOTSUPP')) throw error;
    }
  }
}

async function writeLimits(folder: string, limits: CgroupLimits): Promise<void> {
  const { cpuShares, cpuQuotaUs, cpuPeriodUs = 100_000, memoryBytes, pids } = limits;
  if (cpuShares !== undefined) await writeIfThere(join(folder, 'cpu.weight'), weightOfShares(cpuShares));
  if (cpuQuotaUs !== undefined) {
    const quota = cpuQuotaUs > 0 ? String(Math.max(1000, cpuQuotaUs)) : 'max';
    await writeIfThere(join(folder, 'cpu.max'), `${quota} ${cpuPeriodUs}`);
  }
  if (memoryBytes !== undefined) await writeIfThere(join(folder, 'memory.max'), memoryBytes > 0 ? memoryBytes : 'max');
  if (pids !== undefined) await writeIfThere(join(folder, 'pids.max'), pids > 0 ? pids : 'max');
}

async function usageOf(folder: string): Promise<CgroupUsage | undefined> {
  const cpu = await readIfThere(join(folder, 'cpu.stat'));
  if (cpu === undefined) return undefined;
  const memory = statsOf(await readIfThere(join(folder, 'memory.stat')));
  // The root has no memory.current: what it holds is the sum of its kinds of pages.
  const current = await readIfThere(join(folder, 'memory.current'));
  const usage = current === undefined ? (memory.get('anon') ?? 0) + (memory.get('file') ?? 0) : Number(current);
  const pids = await readIfThere(join(folder, 'pids.current'));
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
