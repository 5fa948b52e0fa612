/** cgroup v1: each controller is a hierarchy of its own, perhaps several joined in one mount. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { killAll, processesBelow, readNow, removeTree, statsOf, subfolders, writeNow } from './cgroup-files.ts';
import type { CgroupLimits, Cgroups, CgroupUsage } from './cgroups.ts';

/** @param mounts controller (`cpu`, `memory`, `name=systemd`, `unified` …) → where its hierarchy is mounted */
export function cgroupsV1(mounts: ReadonlyMap<string, string>): Cgroups {
  const roots = [...new Set(mounts.values())];
  const folder = (controller: string, path: string): string | undefined => {
    const root = mounts.get(controller);
    return root === undefined ? undefined : join(root, path);
  };
  const file = (controller: string, path: string, name: string): string =>
    join(folder(controller, path) ?? '/nonexistent', name);

  return {
    version: 1,
    async ensure(path, limits) {
      for (const root of roots) mkdirSync(join(root, path), { recursive: true });
      inheritCpuset(mounts.get('cpuset'), path);
      writeLimits((controller, name) => file(controller, path, name), limits);
    },
    usage: (path) => usageOf((controller, name) => file(controller, path, name)),
    children: (path) => subfolders(folder('memory', path) ?? folder('cpu', path) ?? '/nonexistent'),
    processes: (path) => processesBelow(folder('memory', path) ?? folder('cpu', path) ?? '/nonexistent'),
    async kill(path) {
      // A runtime that was killed may have put a process into some of them only.
      for (const root of roots) killAll(await processesBelow(join(root, path)));
    },
    async remove(path) {
      for (const root of roots) await removeTree(join(root, path));
    },
  };
}

/** A new cpuset has no CPUs and no memory nodes, and takes no process until it does: copied down from each parent. */
function inheritCpuset(root: string | undefined, path: string): void {
  if (!root || path === '/' || path === '.') return;
  inheritCpuset(root, dirname(path));
  for (const name of ['cpuset.cpus', 'cpuset.mems']) {
    const own = readNow(join(root, path, name));
    if (own === undefined || own.trim()) continue;
    const parent = readNow(join(root, dirname(path), name));
    if (parent?.trim()) writeNow(join(root, path, name), parent.trim());
  }
}

type FileOf = (controller: string, name: string) => string;

function writeLimits(file: FileOf, limits: CgroupLimits): void {
  const { cpuShares, cpuQuotaUs, cpuPeriodUs, memoryBytes, pids } = limits;
  if (cpuShares !== undefined) writeNow(file('cpu', 'cpu.shares'), Math.max(2, cpuShares));
  if (cpuPeriodUs) writeNow(file('cpu', 'cpu.cfs_period_us'), cpuPeriodUs);
  if (cpuQuotaUs !== undefined)
    writeNow(file('cpu', 'cpu.cfs_quota_us'), cpuQuotaUs > 0 ? Math.max(1000, cpuQuotaUs) : -1);
  if (memoryBytes !== undefined) writeNow(file('memory', 'memory.limit_in_bytes'), memoryBytes > 0 ? memoryBytes : -1);
  if (pids !== undefined) writeNow(file('pids', 'pids.max'), pids > 0 ? pids : 'max');
}

async function usageOf(file: FileOf): Promise<CgroupUsage | undefined> {
  const usage = readNow(file('memory', 'memory.usage_in_bytes'));
  if (usage === undefined) return undefined;
  const memory = statsOf(readNow(file('memory', 'memory.stat')));
  const cpu = readNow(file('cpuacct', 'cpuacct.usage'));
  const pids = readNow(file('pids', 'pids.current'));
  const usageBytes = Number(usage);
  return {
    cpuNanoseconds: Number(cpu ?? 0),
    memoryUsageBytes: usageBytes,
    memoryWorkingSetBytes: Math.max(0, usageBytes - (memory.get('total_inactive_file') ?? 0)),
    memoryRssBytes: memory.get('total_rss') ?? 0,
    memoryPageFaults: memory.get('total_pgfault') ?? 0,
    memoryMajorPageFaults: memory.get('total_pgmajfault') ?? 0,
    pids: pids === undefined ? undefined : Number(pids),
  };
}
