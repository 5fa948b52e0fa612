import { describe, expect, test } from 'vitest';
import { atOnce } from '#network/netfilter/turns.ts';
import {
  areSame,
  markedServerName,
  readListing,
  serverChange,
  serverName,
  type VirtualServer,
  withoutFinished,
} from './ipvs-servers.ts';

const server = (reals: Record<string, number>, of: Partial<VirtualServer> = {}): VirtualServer => ({
  scheduler: 'rr',
  affinitySeconds: undefined,
  reals: new Map(Object.entries(reals)),
  ...of,
});
const WEB = '-t 10.96.0.20:80';
const [ONE, TWO] = ['10.244.1.2:8080', '10.244.1.3:8080'];
const change = (now: Record<string, VirtualServer>, wanted: Record<string, VirtualServer>) =>
  atOnce(serverChange(new Map(Object.entries(now)), new Map(Object.entries(wanted))));

test('virtual servers are named as ipvsadm takes them', () => {
  expect(serverName('udp', '10.96.0.10', 53)).toBe('-u 10.96.0.10:53');
  expect(serverName('sctp', 'fd00:96::20', 99)).toBe('--sctp-service [fd00:96::20]:99');
  expect(markedServerName(65_536, 'ipv4')).toBe('-f 65536');
  expect(markedServerName(65_536, 'ipv6')).toBe('-f 65536 -6');
});

describe('only what differs is sent', () => {
  test.each([
    [
      'a new one, with whom it leads to',
      {},
      { [WEB]: server({ [ONE]: 1 }) },
      [`-A ${WEB} -s rr`, `-a ${WEB} -r ${ONE} -m -w 1`],
      [],
    ],
    ['nothing for the same', { [WEB]: server({ [ONE]: 1 }) }, { [WEB]: server({ [ONE]: 1 }) }, [], []],
    [
      'one more endpoint',
      { [WEB]: server({ [ONE]: 1 }) },
      { [WEB]: server({ [ONE]: 1, [TWO]: 1 }) },
      [`-a ${WEB} -r ${TWO} -m -w 1`],
      [],
    ],
    [
      'a client that is to stay',
      { [WEB]: server({}) },
      { [WEB]: server({}, { affinitySeconds: 60 }) },
      [`-E ${WEB} -s rr -p 60`],
      [],
    ],
    ['another scheduler', { [WEB]: server({}) }, { [WEB]: server({}, { scheduler: 'lc' }) }, [`-E ${WEB} -s lc`], []],
    [
      'a scheduler that looks at ports, too, when it is told to',
      {},
      { [WEB]: server({}, { scheduler: 'mh', affinitySeconds: 60 }) },
      [`-A ${WEB} -s mh -b mh-port -p 60`],
      [],
    ],
    ['one that goes, when nobody is led there', { [WEB]: server({ [ONE]: 1 }) }, {}, [], [`-D ${WEB}`]],
    [
      'an endpoint that comes back while it finishes',
      { [WEB]: server({ [ONE]: 0 }) },
      { [WEB]: server({ [ONE]: 1 }) },
      [`-e ${WEB} -r ${ONE} -m -w 1`],
      [],
    ],
  ])('%s', (_, now, wanted, first, last) => {
    const found = change(now, wanted);
    expect([found.first, found.last]).toEqual([first, last]);
    expect([...found.after]).toEqual(Object.entries(wanted));
  });

  test('an endpoint that leaves finishes what it has; over UDP nobody knows when that is', () => {
    const found = change({ [WEB]: server({ [ONE]: 1, [TWO]: 1 }) }, { [WEB]: server({ [TWO]: 1 }) });
    expect(found.first).toEqual([`-e ${WEB} -r ${ONE} -m -w 0`]);
    expect(found.after.get(WEB)?.reals).toEqual(
      new Map([
        [TWO, 1],
        [ONE, 0],
      ]),
    );
    const again = atOnce(serverChange(found.after, new Map([[WEB, server({ [TWO]: 1 })]])));
    expect([again.first, again.last]).toEqual([[], []]);
    expect(again.after).toEqual(found.after);

    const dns = '-u 10.96.0.10:53';
    const flows = change({ [dns]: server({ [ONE]: 1 }) }, { [dns]: server({}) });
    expect([flows.first, flows.last]).toEqual([[], [`-d ${dns} -r ${ONE}`]]);
    expect(flows.after.get(dns)?.reals.size).toBe(0);
  });
});

const LISTING = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  10.96.0.20:80 rr persistent 60
  -> 10.244.1.2:8080              Masq    1      0          0         
  -> 10.244.1.3:8080              Masq    0      0          0         
  -> 10.244.1.4:8080              Masq    0      1          0         
UDP  10.96.0.20:53 rr
SCTP [fd00:96::20]:99 lc persistent 5
  -> [fd00:244:1::2]:8080         Masq    1      0          2         
FWM  65536 rr
  -> 10.244.1.2:8080              Masq    1      0          0         
FWM  65536 IPv6 rr
  -> [fd00:244:1::2]:8080         Masq    0      0          0         
`;

describe('what ipvsadm lists', () => {
  const ipv4 = readListing(LISTING, 'ipv4');
  const ipv6 = readListing(LISTING, 'ipv6');

  test('is told apart by family', () => {
    const left = { [ONE]: 1, [TWO]: 0, '10.244.1.4:8080': 0 };
    expect([...ipv4.servers]).toEqual([
      [WEB, server(left, { affinitySeconds: 60 })],
      ['-u 10.96.0.20:53', server({})],
      ['-f 65536', server({ [ONE]: 1 })],
    ]);
    const real = '[fd00:244:1::2]:8080';
    expect([...ipv6.servers]).toEqual([
      ['--sctp-service [fd00:96::20]:99', server({ [real]: 1 }, { scheduler: 'lc', affinitySeconds: 5 })],
      ['-f 65536 -6', server({ [real]: 0 })],
    ]);
  });

  test('is named as what is wanted, also where an IPv4 address is written in it', () => {
    const listing = 'TCP  [::1.2.3.4]:80 rr\n  -> [::1.2.3.5]:8080             Masq    1      0          0         \n';
    expect([...readListing(listing, 'ipv6').servers]).toEqual([
      ['-t [::102:304]:80', server({ '[::102:305]:8080': 1 })],
    ]);
  });

  test('tells who has finished: no weight, and no connection', () => {
    const { lines, after } = withoutFinished(ipv4);
    expect(lines).toEqual([`-d ${WEB} -r ${TWO}`]);
    expect([...(after.get(WEB)?.reals ?? [])]).toEqual([
      [ONE, 1],
      ['10.244.1.4:8080', 0],
    ]);
    expect(withoutFinished(ipv6).lines).toEqual(['-d -f 65536 -6 -r [fd00:244:1::2]:8080']);
  });

  test.each([
    ['a missing server', new Map()],
    ['another weight', new Map(ipv4.servers).set('-f 65536', server({ [ONE]: 0 }))],
    ['another endpoint', new Map(ipv4.servers).set('-f 65536', server({ [TWO]: 1 }))],
    ['another scheduler', new Map(ipv4.servers).set('-f 65536', server({ [ONE]: 1 }, { scheduler: 'sh' }))],
    ['no affinity', new Map(ipv4.servers).set('-f 65536', server({ [ONE]: 1 }, { affinitySeconds: 1 }))],
  ])('is not as it was put: %s', (_, other) => {
    expect(atOnce(areSame(ipv4.servers, readListing(LISTING, 'ipv4').servers))).toBe(true);
    expect(atOnce(areSame(ipv4.servers, other))).toBe(false);
  });
});
