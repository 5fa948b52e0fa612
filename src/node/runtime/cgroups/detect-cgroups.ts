/** Finds out from the mount table which cgroup version rules here. Pure v2 only counts when its controllers are free. */
import type { Cgroups } from './cgroups.ts';
import { cgroupsV1 } from './cgroups-v1.ts';
import { cgroupsV2 } from './cgroups-v2.ts';

export type CgroupLayout =
  | { version: 1; mounts: ReadonlyMap<string, string> }
  | { version: 2; root: string }
  | { version: 'none' };

const V1_CONTROLLERS = [
  'cpu',
  'cpuacct',
  'cpuset',
  'memory',
  'pids',
  'blkio',
  'devices',
  'freezer',
  'hugetlb',
  'net_cls',
  'net_prio',
  'perf_event',
  'rdma',
  'misc',
];

/** @param mountinfo the text of `/proc/self/mountinfo` */
export function cgroupLayoutOf(mountinfo: string): CgroupLayout {
  const mounts = new Map<string, string>();
  let unified: string | undefined;
  for (const { point, type, options } of cgroupMounts(mountinfo)) {
    if (type === 'cgroup2') unified ??= point;
    else
      for (const name of options) {
        if ((V1_CONTROLLERS.includes(name) || name.startsWith('name=')) && !mounts.has(name)) mounts.set(name, point);
      }
  }
  const hasV1 = mounts.has('memory') || mounts.has('cpu');
  if (hasV1) return { version: 1, mounts: unified ? mounts.set('unified', unified) : mounts };
  return unified ? { version: 2, root: unified } : { version: 'none' };
}

function* cgroupMounts(mountinfo: string): Generator<{ point: string; type: string; options: string[] }> {
  for (const line of mountinfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const [type = '', , superOptions = ''] = after.split(' ');
    const point = before.split(' ')[4];
    if (point && (type === 'cgroup' || type === 'cgroup2')) yield { point, type, options: superOptions.split(',') };
  }
}

/** @throws when there is no cgroup file system */
export function cgroupsOf(layout: CgroupLayout): Cgroups {
  if (layout.version === 1) return cgroupsV1(layout.mounts);
  if (layout.version === 2) return cgroupsV2(layout.root);
  throw new Error('no cgroup file system is mounted: containers cannot be limited or counted');
}
