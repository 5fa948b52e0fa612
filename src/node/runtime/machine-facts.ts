/** What this machine is and may do, found out and never assumed. Everything is read from /proc, /sys and /etc. */
import { readFileSync, statfsSync } from 'node:fs';
import { arch, cpus, release, totalmem } from 'node:os';
import { type CgroupLayout, cgroupLayoutOf } from './cgroups/detect-cgroups.ts';

export interface MachineFacts {
  /** As in the API: `amd64`, `arm64`. */
  architecture: string;
  kernelVersion: string;
  osImage: string;
  machineID: string;
  systemUUID: string;
  bootID: string;
  cpus: number;
  memoryBytes: number;
  cgroups: CgroupLayout;
  /** `systemd` only where systemd runs and owns the tree. */
  cgroupDriver: 'systemd' | 'cgroupfs';
  /** Capabilities in the bounding set, by their bit. */
  capabilities: bigint;
  /** oom_score_adj may be lowered below what it is. */
  mayLowerOomScore: boolean;
  appArmor: boolean;
  seccomp: boolean;
  /** How mounts made here spread: Bidirectional mounts need `shared`. */
  rootPropagation: 'shared' | 'private';
  maxPids: number;
  swapBytes: number;
}

const CAP_SYS_RESOURCE = 24n;

/** Synchronous and quick (some ms): for a process's start. */
export function detectMachineFacts(): MachineFacts {
  const mountinfo = read('/proc/self/mountinfo');
  const capabilities = BigInt(`0x${/^CapBnd:\s*([0-9a-f]+)/m.exec(read('/proc/self/status'))?.[1] ?? '0'}`);
  return {
    architecture: ARCHITECTURES[arch()] ?? arch(),
    kernelVersion: release(),
    osImage: /^PRETTY_NAME="?([^"\n]*)/m.exec(read('/etc/os-release'))?.[1] ?? 'Linux',
    machineID: read('/etc/machine-id').trim(),
    systemUUID: read('/sys/class/dmi/id/product_uuid').trim() || read('/etc/machine-id').trim(),
    bootID: read('/proc/sys/kernel/random/boot_id').trim(),
    cpus: cpus().length,
    memoryBytes: totalmem(),
    cgroups: cgroupLayoutOf(mountinfo),
    cgroupDriver: read('/proc/1/comm').trim() === 'systemd' ? 'systemd' : 'cgroupfs',
    capabilities,
    mayLowerOomScore: ((capabilities >> CAP_SYS_RESOURCE) & 1n) === 1n,
    appArmor: read('/sys/module/apparmor/parameters/enabled').trim() === 'Y',
    seccomp: /^Seccomp:/m.test(read('/proc/self/status')),
    rootPropagation: rootPropagationOf(mountinfo),
    maxPids: Number(read('/proc/sys/kernel/pid_max')) || 32_768,
    swapBytes: swapOf(read('/proc/meminfo')),
  };
}

const ARCHITECTURES: Record<string, string> = { x64: 'amd64', arm64: 'arm64', ia32: '386', ppc64: 'ppc64le' };

/** Absent or unreadable facts are empty: none of these files is on every machine. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error) return '';
    throw error;
  }
}

export function rootPropagationOf(mountinfo: string): 'shared' | 'private' {
  const root = mountinfo.split('\n').findLast((line) => line.split(' ')[4] === '/');
  return root?.split(' - ')[0]?.includes(' shared:') ? 'shared' : 'private';
}

const swapOf = (meminfo: string): number => Number(/^SwapTotal:\s*(\d+) kB/m.exec(meminfo)?.[1] ?? 0) * 1024;

export interface DiskFacts {
  capacityBytes: number;
  availableBytes: number;
  inodes: number;
  inodesFree: number;
}

/** The file system that holds `path`. */
export function diskFactsOf(path: string): DiskFacts {
  const { bsize, blocks, bavail, files, ffree } = statfsSync(path);
  return { capacityBytes: blocks * bsize, availableBytes: bavail * bsize, inodes: files, inodesFree: ffree };
}
