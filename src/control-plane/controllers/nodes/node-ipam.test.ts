import { describe, expect, test } from 'vitest';
import { Event } from '#api/core/v1/event.ts';
import { Node } from '#api/core/v1/node.ts';
import { node, startCluster, type TestCluster } from '#testing/cluster.ts';
import { nodeIpam } from './node-ipam.ts';
import { NodeRanges } from './node-ranges.ts';

describe('the next range of a node', () => {
  test.each<[string, { cluster: string; mask: number; taken: string[] }, string | undefined]>([
    ['is the first', { cluster: '10.244.0.0/16', mask: 24, taken: [] }, '10.244.0.0/24'],
    ['is not one that is taken', { cluster: '10.244.0.0/16', mask: 24, taken: ['10.244.0.0/24'] }, '10.244.1.0/24'],
    [
      'shares nothing with a larger one that is taken',
      { cluster: '10.244.0.0/16', mask: 24, taken: ['10.244.0.0/22'] },
      '10.244.4.0/24',
    ],
    [
      'shares nothing with a smaller one that is taken',
      { cluster: '10.244.0.0/16', mask: 24, taken: ['10.244.0.128/25'] },
      '10.244.1.0/24',
    ],
    [
      'is none of a service range inside the cluster’s',
      { cluster: '10.0.0.0/8', mask: 16, taken: ['10.0.0.0/15'] },
      '10.2.0.0/16',
    ],
    ['is none where all is taken', { cluster: '10.244.0.0/23', mask: 24, taken: ['10.0.0.0/8'] }, undefined],
    [
      'has nothing to do with other ranges',
      { cluster: '10.244.0.0/16', mask: 24, taken: ['fd00::/8', 'x'] },
      '10.244.0.0/24',
    ],
    ['is of its family', { cluster: 'fd00:10:244::/56', mask: 64, taken: ['fd00:10:244::/63'] }, 'fd00:10:244:2::/64'],
  ])('%s', (_what, { cluster, mask, taken }, next) => {
    expect(new NodeRanges(cluster, mask).next(taken)).toBe(next);
  });

  test('comes in turn: one that was given back is not given out again at once', () => {
    const ranges = new NodeRanges('10.244.0.0/22', 24);
    const given = [[], [], ['10.244.2.0/24'], ['10.244.3.0/24']].map((taken) => ranges.next(taken));
    expect(given).toEqual(['10.244.0.0/24', '10.244.1.0/24', '10.244.3.0/24', '10.244.0.0/24']);
  });
});

const said = (cluster: TestCluster) =>
  cluster.list(Event).map(({ reason, type, message, source }) => [reason, type, message, source?.component]);

test('a node for which nothing is left says so, and gets the range of one that goes', async () => {
  await using cluster = await startCluster({ controllers: [nodeIpam({ clusterCIDRs: ['10.244.0.0/24'] })] });
  await cluster.create(Node, node('node1'));
  await cluster.settles();
  await cluster.create(Node, node('node2'));
  await cluster.settles();
  expect(cluster.get(Node, 'node2')?.spec.podCIDRs).toBeUndefined();
  expect(said(cluster)).toContainEqual([
    'CIDRNotAvailable',
    'Normal',
    'Node node2 status is now: CIDRNotAvailable',
    'cidrAllocator',
  ]);
  await cluster.delete(Node, 'node1');
  await cluster.passes('20m');
  expect(cluster.get(Node, 'node2')?.spec.podCIDRs).toEqual(['10.244.0.0/24']);
});

test('a node whose range cannot be written says so, and gets one later', async () => {
  await using cluster = await startCluster({ controllers: [nodeIpam({ clusterCIDRs: ['10.244.0.0/16'] })] });
  cluster.faults.fail({ verb: 'patch', resource: 'nodes', times: 3 });
  await cluster.create(Node, node('node1'));
  await cluster.passes('20m');
  expect(said(cluster).map(([reason]) => reason)).toEqual(['CIDRAssignmentFailed']);
  expect(cluster.get(Node, 'node1')?.spec.podCIDRs).toHaveLength(1);
});
