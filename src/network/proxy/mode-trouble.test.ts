import { expect, test } from 'vitest';
import { modeTrouble, type ProxyMachine } from './mode-trouble.ts';
import type { ProxyMode } from './modes.ts';

const machine = (hasIpvs: boolean, ...programs: string[]): ProxyMachine => ({
  hasIpvs: () => hasIpvs,
  hasScheduler: (name) => name === 'lc',
  hasProgram: (name) => programs.includes(name),
});

test('the mode ipvs is refused in the words of kube-proxy where the kernel has none', () => {
  expect(modeTrouble({ proxyMode: 'ipvs' }, machine(false, 'ipvsadm'))).toBe(
    "can't use the IPVS proxier: Ipvs not supported by the kernel. " +
      "The ipvs proxier is now deprecated and may be removed in a future release. Please use 'nftables' instead.",
  );
});

test.each([
  ['ipvs', 'ipvsadm', 'ipvsadm'],
  ['iptables', 'iptables-restore', 'iptables'],
] as const)('the mode %s needs a program, and who lacks it is told the package', (mode, program, debianPackage) => {
  expect(modeTrouble({ proxyMode: mode }, machine(true, program))).toBeUndefined();
  expect(modeTrouble({ proxyMode: mode }, machine(true))).toBe(
    `This machine has no ${program}: install the package ${debianPackage}.`,
  );
});

test('the mode nftables needs nothing more than a node', () => expect(modeTrouble({}, machine(false))).toBeUndefined());

test('a scheduler that the kernel does not have is refused in the words of kube-proxy, and in other modes not looked at', () => {
  const of = (proxyMode: ProxyMode, ipvsScheduler: string) =>
    modeTrouble({ proxyMode, ipvsScheduler }, machine(true, 'ipvsadm'));
  expect(of('ipvs', 'lc')).toBeUndefined();
  expect(of('ipvs', 'lcc')).toMatch(
    /^can't use the IPVS proxier: no such file or directory\. .*"lcc": give another with --ipvs-scheduler/,
  );
  expect(of('nftables', 'lcc')).toBeUndefined();
});
