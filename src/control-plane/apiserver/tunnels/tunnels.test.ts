import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { Node } from '#api/core/v1/node.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { fixedInformers } from '#testing/fixed-informers.ts';
import { Tunnels } from './tunnels.ts';

const nodeWith = (name: string, ...podCIDRs: string[]) =>
  ({ apiVersion: 'v1', kind: 'Node', metadata: { name }, spec: { podCIDRs } }) as never;
const nodeAt = (address: string) => ({
  apiVersion: 'v1',
  kind: 'Node',
  spec: {},
  status: { addresses: [{ type: 'InternalIP', address }] },
});
const identity = (name: string) => ({ name: `system:node:${name}`, groups: ['system:nodes'] }) as never;

function tunnelsOf(...nodes: never[]): Tunnels {
  const informers = fixedInformers(nodes);
  const tunnels = new Tunnels({ nodes: () => informers.for(Node), clock: new ManualClock(), log: silentLog });
  void tunnels.accept('far', identity('far'), new PassThrough());
  return tunnels;
}

test.each<[string, never[], string, boolean]>([
  ['an address of its pods', [nodeWith('far', '10.1.0.0/24')], '10.1.0.7', true],
  ['an address of its pods in the other family', [nodeWith('far', '10.1.0.0/24', 'fd00:1::/64')], 'fd00:1::7', true],
  ['another address', [nodeWith('far', '10.1.0.0/24')], '10.2.0.7', false],
  [
    'a range that another node has as well',
    [nodeWith('far', '10.0.0.0/8'), nodeWith('near', '10.1.0.0/24')],
    '10.1.0.7',
    false,
  ],
  [
    'a range that has nodes in it',
    [nodeWith('far', '172.30.0.0/24'), { ...nodeAt('172.30.0.11'), metadata: { name: 'near' } } as never],
    '172.30.0.11',
    false,
  ],
  ['a node that nobody knows', [], '10.1.0.7', false],
])('a tunnel for %s', (_, nodes, host, leads) => {
  const tunnels = tunnelsOf(...nodes);
  expect(tunnels.wayTo({ host, port: 80 }) !== undefined).toBe(leads);
  tunnels.close();
});

test('a kubelet is reached by the name of its node, whatever address it says', () => {
  const tunnels = tunnelsOf();
  expect(tunnels.wayTo({ host: '192.0.2.1', port: 10250, kubeletOf: 'far' })).toBeDefined();
  expect(tunnels.wayTo({ host: '192.0.2.1', port: 10250, kubeletOf: 'near' })).toBeUndefined();
  tunnels.close();
});
