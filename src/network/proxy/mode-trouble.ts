/** What a machine lacks for a mode of kube-proxy's. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { hasIpvs, hasScheduler, IPVS_DEPRECATED } from './ipvs-support.ts';
import type { ProxyMode } from './modes.ts';

/** As a cluster has them on record. */
export interface ProxySettings {
  /** Absent: nftables. */
  proxyMode?: ProxyMode;
  /** Of the mode ipvs; absent: upstream's. */
  ipvsScheduler?: string;
}

export interface ProxyMachine {
  hasIpvs(): boolean;
  hasScheduler(name: string): boolean;
  hasProgram(name: string): boolean;
}

/** By mode: the program that writes its rules, and Debian's package of it. That of nftables every node needs. */
const PROGRAMS: Partial<Record<ProxyMode, [program: string, debianPackage: string]>> = {
  iptables: ['iptables-restore', 'iptables'],
  ipvs: ['ipvsadm', 'ipvsadm'],
};

// In kube-proxy's words: as there, no other mode is taken instead. Source: kube-proxy v1.36, `createProxier`, `CanUseIPVSProxier`.
const NO_IPVS = "can't use the IPVS proxier: Ipvs not supported by the kernel";
const NO_SCHEDULER = "can't use the IPVS proxier: no such file or directory";

/** A sentence; undefined: nothing. */
export function modeTrouble(settings: ProxySettings, machine: ProxyMachine = thisMachine): string | undefined {
  const { proxyMode: mode = 'nftables', ipvsScheduler: scheduler } = settings;
  if (mode === 'ipvs' && !machine.hasIpvs()) return `${NO_IPVS}. ${IPVS_DEPRECATED}`;
  const [program, debianPackage] = PROGRAMS[mode] ?? [];
  if (program !== undefined && !machine.hasProgram(program))
    return `This machine has no ${program}: install the package ${debianPackage}.`;
  if (mode !== 'ipvs' || scheduler === undefined || machine.hasScheduler(scheduler)) return undefined;
  return `${NO_SCHEDULER}. The kernel has no IPVS scheduler "${scheduler}": give another with --ipvs-scheduler; rr is upstream's.`;
}

const thisMachine: ProxyMachine = {
  hasIpvs,
  hasScheduler,
  hasProgram(name) {
    const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'];
    return folders.some((folder) => existsSync(join(folder, name)));
  },
};
