import { expect, test } from 'vitest';
import { modeTrouble, type ProxyMachine } from './mode-trouble.ts';

const machine = (hasIpvs: boolean, ...programs: string[]): ProxyMachine => ({
  hasIpvs: () => hasIpvs,
  hasProgram: (name) => programs.includes(name),
});

test('the mode ipvs is refused in the words of kube-proxy where the kernel has none', () => {
  expect(modeTrouble('ipvs', machine(false, 'ipvsadm'))).toBe(
    "can't use the IPVS proxier: Ipvs not supported by the kernel. " +
      "The ipvs proxier is now deprecated and may be removed in a future release. Please use 'nftables' instead.",
  );
});

test.each([
  ['ipvs', 'ipvsadm', 'ipvsadm'],
  ['iptables', 'iptables-restore', 'iptables'],
] as const)('the mode %s needs a program, and who lacks it is told the package', (mode, program, debianPackage) => {
  expect(modeTrouble(mode, machine(true, program))).toBeUndefined();
  expect(modeTrouble(mode, machine(true))).toBe(
    `This machine has no ${program}: install the package ${debianPackage}.`,
  );
});

test('the mode nftables needs nothing more than a node', () =>
  expect(modeTrouble('nftables', machine(false))).toBeUndefined());
