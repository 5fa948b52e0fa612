import { expect, test } from 'vitest';
import { clientsIn, remembering } from './remembered-clients.ts';

const LISTING = `table ip kube-proxy {
	set cluster-ips {
		type ipv4_addr
		elements = { 10.96.0.1, 10.96.0.2 }
	}

	set aff-of-0123456789ab {
		type ipv4_addr
		size 65535
		flags dynamic,timeout
		timeout 3h
		elements = { 10.244.1.7 expires 2h59m49s456ms, 10.244.1.8 expires 12ms,
			     10.244.1.9 timeout 1h expires 59m, 10.244.1.10 expires 0s }
	}

	set aff-of-ba9876543210 {
		type ipv4_addr
		size 65535
		flags dynamic,timeout
		timeout 3h
	}
}
`;
const clients = clientsIn(LISTING);
const known = ['10.244.1.7 expires 2h59m49s456ms', '10.244.1.8 expires 12ms', '10.244.1.9 timeout 1h expires 59m'];

test('of what nft lists, clients that are remembered yet', () =>
  expect([...clients]).toEqual([['aff-of-0123456789ab', known]]));

test('of IPv6, too', () =>
  expect([...clientsIn('set aff-of-0 {\n elements = { fd00:9::1 expires 9m }\n}').values()]).toEqual([
    ['fd00:9::1 expires 9m'],
  ]));

test('sets of clients that are made again are filled, others are not', () => {
  const make = (set: string) => `add set ip kube-proxy ${set} { type ipv4_addr; flags dynamic,timeout; timeout 3h; }`;
  const parts = [[make('aff-of-0123456789ab'), 'add chain ip kube-proxy aff-x'], [make('aff-of-ba9876543210')]];
  expect([...remembering(parts, clients)]).toEqual([
    [
      make('aff-of-0123456789ab'),
      `add element ip kube-proxy aff-of-0123456789ab { ${known.join(', ')} }`,
      'add chain ip kube-proxy aff-x',
    ],
    [make('aff-of-ba9876543210')],
  ]);
});
