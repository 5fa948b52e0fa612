/** What a machine lacks for a mode of kube-proxy's. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { hasIpvs, IPVS_DEPRECATED } from './ipvs-support.ts';
import type { ProxyMode } from './modes.ts';

export interface ProxyMachine {
  hasIpvs(): boolean;
  hasProgram(name: string): boolean;
}

/** By mode: the program that writes its rules, and Debian's package of it. That of nftables every node needs. */
const PROGRAMS: Partial<Record<ProxyMode, [program: string, debianPackage: string]>> = {
  iptables: ['iptables-restore', 'iptables'],
  ipvs: ['ipvsadm', 'ipvsadm'],
};

// In kube-proxy's words: as there, no other mode is taken instead. Source: kube-proxy v1.36, `createProxier`, `CanUseIPVSProxier`.
const NO_IPVS = "can't use the IPVS proxier: Ipvs not supported by the kernel";

/** A sentence; undefined: nothing. */
export function modeTrouble(mode: ProxyMode, machine: ProxyMachine = thisMachine): string | undefined {
  if (mode === 'ipvs' && !machine.hasIpvs()) return `${NO_IPVS}. ${IPVS_DEPRECATED}`;
  const [program, debianPackage] = PROGRAMS[mode] ?? [];
  if (program === undefined || machine.hasProgram(program)) return undefined;
  return `This machine has no ${program}: install the package ${debianPackage}.`;
}

const thisMachine: ProxyMachine = {
  hasIpvs,
  hasProgram(name) {
    const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'];
    return folders.some((folder) => existsSync(join(folder, name)));
  },
};
