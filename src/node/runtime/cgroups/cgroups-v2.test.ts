import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cgroupsV1 } from './cgroups-v1.ts';
import { cgroupsV2 } from './cgroups-v2.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'kedge-cgroups-'));
});
afterEach(() => rmSync(root, { recursive: true }));

/** Stands in for the kernel, which makes these files with the folder. */
function files(path: string, contents: Record<string, string>): void {
  mkdirSync(join(root, path), { recursive: true });
  for (const [name, text] of Object.entries(contents)) writeFileSync(join(root, path, name), text);
}
const content = (path: string) => readFileSync(join(root, path), 'utf8');

test('version 2 writes weight, max and pids, and switches controllers on from the top down', async () => {
  files('.', { 'cgroup.controllers': 'cpu memory pids\n', 'cgroup.subtree_control': '' });
  files('kubepods/pod1', { 'cpu.weight': '', 'cpu.max': '', 'memory.max': '', 'pids.max': '' });
  await cgroupsV2(root).ensure('/kubepods/pod1', {
    cpuShares: 1024,
    cpuQuotaUs: 50_000,
    memoryBytes: 1024,
    pids: 0,
  });
  expect(content('cgroup.subtree_control')).toMatch(/^\+pids/);
  expect(content('kubepods/pod1/cpu.weight')).toBe('39');
  expect(content('kubepods/pod1/cpu.max')).toBe('50000 100000');
  expect(content('kubepods/pod1/memory.max')).toBe('1024');
  expect(content('kubepods/pod1/pids.max')).toBe('max');
});

test('version 2 counts the working set as usage without inactive file pages', async () => {
  files('pod1', {
    'cpu.stat': 'usage_usec 1500\nuser_usec 1\n',
    'memory.current': '1000\n',
    'memory.stat': 'anon 600\nfile 400\ninactive_file 300\npgfault 7\npgmajfault 2\n',
    'pids.current': '3\n',
  });
  expect(await cgroupsV2(root).usage('/pod1')).toEqual({
    cpuNanoseconds: 1_500_000,
    memoryUsageBytes: 1000,
    memoryWorkingSetBytes: 700,
    memoryRssBytes: 600,
    memoryPageFaults: 7,
    memoryMajorPageFaults: 2,
    pids: 3,
  });
  expect(await cgroupsV2(root).usage('/none')).toBeUndefined();
});

test('version 1 copies the cpuset down each level before it is used', async () => {
  files('cpuset', { 'cpuset.cpus': '0-1\n', 'cpuset.mems': '0\n' });
  files('cpuset/kubepods', { 'cpuset.cpus': '\n', 'cpuset.mems': '\n' });
  files('cpuset/kubepods/pod1', { 'cpuset.cpus': '\n', 'cpuset.mems': '\n' });
  await cgroupsV1(new Map([['cpuset', join(root, 'cpuset')]])).ensure('/kubepods/pod1', {});
  expect(content('cpuset/kubepods/pod1/cpuset.cpus').trim()).toBe('0-1');
  expect(content('cpuset/kubepods/pod1/cpuset.mems').trim()).toBe('0');
});
