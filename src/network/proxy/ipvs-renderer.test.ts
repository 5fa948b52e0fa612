import { expect, test } from 'vitest';
import { wantedOf } from './fronts.ts';
import { IpvsRenderer, settingsFor } from './ipvs-renderer.ts';

const CONTEXT = { family: 'ipv4', podRanges: [], serviceRanges: [], ownAddresses: [] } as const;
const WANTED = new Map([['service default/web', wantedOf([])]]);

test('a look that fails does not tell that all is as it should be, and ends nothing', async () => {
  let failing = '';
  const renderer = new IpvsRenderer(CONTEXT, {
    run: async (command, [first]) => {
      if (command === failing) throw new Error(`${command}: Resource temporarily unavailable`);
      return first === '-j' ? '[{"ifname":"kube-ipvs0","addr_info":[]}]' : '';
    },
    nft: async () => undefined,
    hasRules: async () => true,
  });
  await renderer.put(WANTED);
  expect(await renderer.isInForce()).toBe(true);
  for (failing of ['ip', 'ipvsadm']) expect(await renderer.isInForce(), failing).toBe(false);
});

test.each([
  [undefined, 'rr'],
  ['lc', 'lc'],
])('with the scheduler %s endpoints are chosen by %s', async (scheduler, chosen) => {
  let restored = '';
  const renderer = new IpvsRenderer(CONTEXT, {
    scheduler,
    run: async (_, [first], input = '') => {
      if (first === '--restore') restored += input;
      return first === '-j' ? '[{"ifname":"kube-ipvs0","addr_info":[]}]' : '';
    },
    nft: async () => undefined,
  });
  const front = {
    of: 'default/web',
    family: 'lb',
    ip: '10.96.0.20',
    protocol: 'tcp',
    port: 80,
    endpoints: [],
  } as const;
  const more = { inside: undefined, isForbiddenHere: false, affinitySeconds: undefined, sourceRanges: undefined };
  await renderer.put(
    new Map([['service default/web', { fronts: [{ ...front, ...more }], clusterIPs: [], hairpins: [] }]]),
  );
  expect(restored).toBe(`-A -t 10.96.0.20:80 -s ${chosen}\n`);
});

test('settings are as upstream has them, by kernel', () => {
  const reuse = 'net.ipv4.vs.conn_reuse_mode=0';
  expect(['4.19.0', '5.8.0', '5.9.0-rc1', '6.1.0-56-cloud-amd64'].map((of) => settingsFor(of).includes(reuse))).toEqual(
    [true, true, false, false],
  );
});
