import { expect, test } from 'vitest';
import { rootPropagationOf } from '../machine-facts.ts';
import { weightOfShares } from './cgroups.ts';
import { cgroupLayoutOf } from './detect-cgroups.ts';

const line = (point: string, type: string, options: string, tags = '') =>
  `30 25 0:26 / ${point} rw,nosuid ${tags}- ${type} ${type} ${options}`;

test('one cgroup2 mount and nothing else is version 2', () => {
  expect(cgroupLayoutOf(line('/sys/fs/cgroup', 'cgroup2', 'rw,nsdelegate'))).toEqual({
    version: 2,
    root: '/sys/fs/cgroup',
  });
});

test('controllers of version 1, joined in one mount or not, and the unified tree beside them are version 1', () => {
  const mountinfo = [
    line('/sys/fs/cgroup/cpu,cpuacct', 'cgroup', 'rw,cpu,cpuacct'),
    line('/sys/fs/cgroup/memory', 'cgroup', 'rw,memory'),
    line('/sys/fs/cgroup/systemd', 'cgroup', 'rw,xattr,name=systemd'),
    line('/sys/fs/cgroup/unified', 'cgroup2', 'rw'),
  ].join('\n');
  expect(cgroupLayoutOf(mountinfo)).toEqual({
    version: 1,
    mounts: new Map([
      ['cpu', '/sys/fs/cgroup/cpu,cpuacct'],
      ['cpuacct', '/sys/fs/cgroup/cpu,cpuacct'],
      ['memory', '/sys/fs/cgroup/memory'],
      ['name=systemd', '/sys/fs/cgroup/systemd'],
      ['unified', '/sys/fs/cgroup/unified'],
    ]),
  });
});

test('no cgroup mount is told', () => {
  expect(cgroupLayoutOf(line('/', 'ext4', 'rw'))).toEqual({ version: 'none' });
});

test('the root mount is shared only when the last mount on it says so', () => {
  expect(rootPropagationOf(line('/', 'ext4', 'rw', 'shared:1 '))).toBe('shared');
  expect(rootPropagationOf(`${line('/', 'ext4', 'rw', 'shared:1 ')}\n${line('/', 'ext4', 'rw')}`)).toBe('private');
});

for (const { shares, weight } of [
  { shares: 2, weight: 1 },
  { shares: 1024, weight: 39 },
  { shares: 262_144, weight: 10_000 },
  { shares: 0, weight: 1 },
])
  test(`${shares} shares weigh ${weight}`, () => expect(weightOfShares(shares)).toBe(weight));
