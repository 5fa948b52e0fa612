import { expect, test } from 'vitest';
import { ipvsRefusal, proxyMode } from './option-values.ts';

test('the mode ipvs is refused in the words of kube-proxy, and no other is taken instead', () => {
  const deprecated =
    "The ipvs proxier is now deprecated and may be removed in a future release. Please use 'nftables' instead.";
  const missing = `can't use the IPVS proxier: Ipvs not supported by the kernel. ${deprecated}`;
  expect(ipvsRefusal(false)).toBe(missing);
  expect(ipvsRefusal(true)).toBe(`Kedge has no mode ipvs. ${deprecated}`);
  expect(() => proxyMode('ipvs')).toThrow(deprecated);
});

test('kube-proxy has the modes nftables and, where this machine has its programs, iptables', () => {
  expect(proxyMode('nftables')).toBe('nftables');
  expect(() => proxyMode('userspace')).toThrow('It must be nftables or iptables.');
});
