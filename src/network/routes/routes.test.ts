import { afterEach, expect, test } from 'vitest';
import type { Node } from '#api/generated/schema.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { fixedInformers } from '#testing/fixed-informers.ts';
import type { RunIp } from './ip.ts';
import { keepRoutesCurrent } from './keep-routes-current.ts';
import { peersOf } from './node-routes.ts';
import { overlayMac } from './overlay.ts';

const node = (name: string, address: string, podCIDR: string, labels: Record<string, string> = {}) =>
  ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels },
    spec: { podCIDR, podCIDRs: [podCIDR] },
    status: { addresses: [{ type: 'InternalIP', address }] },
  }) as unknown as Node;

const own = { nodeName: 'a', clusterPodRanges: ['10.244.0.0/16'], ownPodRanges: ['10.244.1.0/24'] };

test('the pods of every other node are behind its address', () => {
  const nodes = [node('a', '10.0.0.1', '10.244.1.0/24'), node('b', '10.0.0.2', '10.244.2.0/24')];
  expect(peersOf(nodes, own)).toEqual([{ addresses: { ipv4: '10.0.0.2' }, ranges: ['10.244.2.0/24'] }]);
});

test.each([
  ['outside the cluster', node('b', '10.0.0.2', '192.168.0.0/24')],
  ['larger than the cluster', node('b', '10.0.0.2', '0.0.0.0/0')],
  ['of this node', node('b', '10.0.0.2', '10.244.1.0/24')],
  ['around this node', node('b', '10.0.0.2', '10.244.0.0/16')],
  ['that is no range', node('b', '10.0.0.2', '10.244.2.0/24 via 10.9.9.9')],
  ['of a simulated node', node('b', '10.0.0.2', '10.244.2.0/24', { 'kedge.dev/simulated': 'true' })],
])('a range %s is not routed', (_, claimed) =>
  expect(peersOf([claimed], own).flatMap(({ ranges }) => ranges)).toEqual([]),
);

test('of two nodes that claim one range the older keeps it', () => {
  const [older, younger] = ['1', '2'].map((day) => {
    const made = node(`n${day}`, `10.0.0.${day}`, '10.244.2.0/24');
    return { ...made, metadata: { ...made.metadata, creationTimestamp: `2026-01-0${day}T00:00:00Z` } } as Node;
  });
  const ranges = peersOf([younger as Node, older as Node], own).map((peer) => [
    peer.addresses.ipv4,
    peer.ranges.length,
  ]);
  expect(ranges).toEqual([
    ['10.0.0.1', 1],
    ['10.0.0.2', 0],
  ]);
});

test('a node has one hardware address on the overlay, and no two have the same', () => {
  expect(overlayMac('192.0.2.1')).toMatch(/^02(:[0-9a-f]{2}){5}$/);
  expect(overlayMac('192.0.2.1')).toBe(overlayMac('192.0.2.1'));
  expect(overlayMac('192.0.2.1')).not.toBe(overlayMac('192.0.2.2'));
});

const ending: AbortController[] = [];
afterEach(() => {
  for (const controller of ending.splice(0)) controller.abort();
});

/** A kernel of one table, in which 10.9.0.0/16 is behind 10.0.0.254. */
function kernel() {
  const table = new Map<string, string>();
  const written: string[] = [];
  const ip: RunIp = async (lines) => {
    const out: string[] = [];
    for (const line of lines) {
      const [, act = '', what = '', , via = ''] = line.split(' ');
      if (act === 'show') out.push(JSON.stringify([...table].map(([dst, gateway]) => ({ dst, gateway }))));
      if (act === 'get')
        out.push(JSON.stringify([{ dst: what, ...(what.startsWith('10.9.') && { gateway: '10.0.0.254' }) }]));
      if (act === 'replace') table.set(what, via);
      if (act === 'delete') table.delete(what);
      if (act === 'replace' || act === 'delete') written.push(line);
    }
    return { stdout: out.join('\n'), complaint: '' };
  };
  return { table, written, ip };
}

test('routes follow the nodes, by the way on which the kernel reaches them, and nothing is written twice', async () => {
  const informers = fixedInformers([node('a', '10.0.0.1', '10.244.1.0/24'), node('b', '10.0.0.2', '10.244.2.0/24')]);
  const { table, written, ip } = kernel();
  table.set('10.244.9.0/24', '10.0.0.9'); // of a node that has gone since
  const controller = new AbortController();
  ending.push(controller);
  const clock = new ManualClock();
  const { signal } = controller;
  const running = keepRoutesCurrent({ ...own, informers, clock, log: silentLog, signal, protocol: '107', ip });
  await expect.poll(() => [...table]).toEqual([['10.244.2.0/24', '10.0.0.2']]);
  informers.put(node('c', '10.9.0.3', '10.244.3.0/24'));
  await expect.poll(() => table.get('10.244.3.0/24')).toBe('10.0.0.254');
  expect(written).toHaveLength(3);
  controller.abort();
  await running;
});
