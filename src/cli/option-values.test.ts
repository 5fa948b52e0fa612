import { expect, test } from 'vitest';
import { proxyMode } from './option-values.ts';

test('kube-proxy has the mode nftables everywhere, and none but these three', () => {
  expect(proxyMode('nftables')).toBe('nftables');
  expect(() => proxyMode('userspace')).toThrow('It must be nftables, iptables or ipvs.');
});
