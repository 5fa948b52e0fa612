import { expect, test } from 'vitest';
import { addressesIn, addressLines } from './ipvs-addresses.ts';

const device = (ifname: string, ...locals: string[]) => ({ ifname, addr_info: locals.map((local) => ({ local })) });
const wired = {
  ifname: 'eth0',
  addr_info: [
    { local: '172.30.1.2', prefixlen: 16 },
    { local: 'fd00:30::2', prefixlen: 64 },
  ],
};
const LISTING = [
  device('lo', '127.0.0.1', '10.96.0.10', '::1'),
  wired,
  device('eth1', 'fe80::1'),
  device('veth1', '10.244.1.1', 'fd00:244:1::1'),
  device('veth2', '10.244.1.1', 'fd00:244:1::1'),
];
const of = (family: 'ipv4' | 'ipv6', ...more: ReturnType<typeof device>[]) =>
  addressesIn(JSON.stringify([...LISTING, ...more]), { family, ownAddresses: ['10.96.0.10'] });

test('ports of the node are answered at its addresses: not those of loopback, of a link, of Services, of its own answerers', () => {
  const dummy = device('kube-ipvs0', '10.96.0.20', '10.96.0.21', 'fd00:96::20');
  expect(of('ipv4', dummy)).toEqual({
    bound: new Set(['10.96.0.20', '10.96.0.21']),
    boundOfAll: 3,
    node: ['10.244.1.1', '172.30.1.2'],
    broadcasts: new Set(['172.30.255.255']),
  });
  expect(of('ipv6', dummy).node).toEqual(['fd00:244:1::1', 'fd00:30::2']);
  expect(of('ipv6', dummy).bound).toEqual(new Set(['fd00:96::20']));
});

test('a device that is not there yet has none', () => {
  expect(of('ipv4').boundOfAll).toBeUndefined();
  expect(of('ipv4').bound.size).toBe(0);
  expect(of('ipv4', device('kube-ipvs0')).boundOfAll).toBe(0);
});

test('addresses come and go whole', () => {
  expect(addressLines('add', ['10.96.0.20', 'fd00:96::20'])).toEqual([
    'address add 10.96.0.20/32 dev kube-ipvs0',
    'address add fd00:96::20/128 dev kube-ipvs0',
  ]);
});

test('an address that ip writes with an IPv4 address in it is the one that is wanted', () => {
  expect(of('ipv6', device('kube-ipvs0', '::1.2.3.4')).bound).toEqual(new Set(['::102:304']));
});
