import { expect, test } from 'vitest';
import { removeMode } from './modes.ts';
import type { Renderer } from './renderer.ts';

test.each([
  ['iptables', ['ipv4'], ['iptables ipv4']],
  ['iptables', ['ipv4', 'ipv6'], ['iptables ipv4', 'iptables ipv6']],
  ['ipvs', ['ipv4'], ['ipvs ipv4', 'ipvs ipv6']],
  ['nftables', ['ipv4', 'ipv6'], []],
] as const)(
  'a node in the mode %s of a cluster with %j takes away the rules of each family',
  async (mode, families, removed) => {
    const seen: string[] = [];
    await removeMode(mode, families, (of, { family }) => {
      return { remove: async () => void seen.push(`${of} ${family}`) } as unknown as Renderer;
    });
    expect(seen).toEqual(removed);
  },
);
