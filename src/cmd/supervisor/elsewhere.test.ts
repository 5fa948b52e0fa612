import { describe, expect, test } from 'vitest';
import type { ClusterRecord } from '#node/machine/cluster-dir.ts';
import { farNodes, linkTo, placeFor } from './elsewhere.ts';
import { NodeRefused } from './node-refused.ts';

const cluster: ClusterRecord = {
  formatVersion: 1,
  name: 'dev',
  slot: 0,
  apiServerPort: 6443,
  nodes: { node1: { index: 1 }, far: { index: 3, address: '192.0.2.7' } },
  simulatedNodes: 0,
  settings: {},
};

describe('a node that is a machine of its own', () => {
  test('has a place among the addresses of the others', () => {
    expect(farNodes(cluster)).toEqual([
      { name: 'far', addresses: ['192.0.2.7'], podRanges: ['10.244.3.0/24'], isElsewhere: true },
    ]);
    expect(placeFor(cluster, { name: 'more', address: '192.0.2.8' })).toEqual({ index: 2, address: '192.0.2.8' });
  });

  test('keeps its place when it is invited again', () =>
    expect(placeFor(cluster, { name: 'far', address: '192.0.2.7' })).toEqual(cluster.nodes['far']));

  test.each([
    ['a name of a node here', { name: 'node1', address: '192.0.2.8' }, 'runs on this machine'],
    ['another address than it had', { name: 'far', address: '192.0.2.8' }, 'remove it first'],
    ['the address of another node', { name: 'more', address: '192.0.2.7' }, 'is node "far" already'],
    ['no address', { name: 'more', address: 'host.example' }, 'is not an IPv4 address'],
  ])('is refused with %s', (_what, wish, reason) => {
    expect(() => placeFor(cluster, wish)).toThrow(NodeRefused);
    expect(() => placeFor(cluster, wish)).toThrow(reason);
  });
});

test('a machine behind a router is refused with what to do', async () => {
  const way = async () => ({ from: '198.51.100.1', isLocal: false, isDirect: false });
  await expect(linkTo(cluster, { name: 'more', address: '192.0.2.8' }, way)).rejects.toThrow(
    /^192\.0\.2\.8 is behind a router, .* give the two machines a link of their own/,
  );
});

test.runIf(process.platform === 'linux')('a machine does not invite itself', async () => {
  await expect(linkTo(cluster, { name: 'more', address: '127.0.0.1' })).rejects.toThrow('an address of this machine');
});
