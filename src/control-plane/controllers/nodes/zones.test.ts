import { expect, test } from 'vitest';
import type { Node } from '#api/generated/schema.ts';
import { EvictionPace, isAllDown } from './zones.ts';

const node = (name: string, zone: string, isUp: boolean, labels: Record<string, string> = {}): Node =>
  ({
    metadata: { name, labels: { 'topology.kubernetes.io/zone': zone, ...labels } },
    status: { conditions: [{ type: 'Ready', status: isUp ? 'True' : 'Unknown' }] },
  }) as unknown as Node;
/** So many nodes of a zone, of which so many are down: those come first. */
const zone = (name: string, count: number, down: number): Node[] =>
  Array.from({ length: count }, (_, i) => node(`${name}${i}`, name, i >= down));

const SECOND = 1_000;
test.each<[string, Node[], number | undefined]>([
  ['of a zone that is well otherwise, every ten seconds', [...zone('a', 10, 3)], 10 * SECOND],
  [
    'of a zone that is down while another is not, every ten seconds',
    [...zone('a', 3, 3), ...zone('b', 3, 0)],
    10 * SECOND,
  ],
  ['of a large zone that is down in large part, every hundred seconds', zone('a', 51, 29), 100 * SECOND],
  ['of a small zone that is down in large part, never', zone('a', 50, 28), undefined],
  ['where two of three are down, for that is no large part yet', zone('a', 3, 2), 10 * SECOND],
  ['where everything is down, never', [...zone('a', 3, 3), ...zone('b', 2, 2)], undefined],
])('one node is given up at a time: %s', (_, nodes, everyMs) => {
  const pace = new EvictionPace();
  const [first, second] = nodes as [Node, Node];
  const waits = [pace.waitMs(first, nodes, 0), pace.waitMs(second, nodes, 0), pace.waitMs(second, nodes, 6 * SECOND)];
  if (everyMs === undefined) expect(waits).toEqual([undefined, undefined, undefined]);
  else {
    expect(waits).toEqual([0, everyMs, everyMs - 6 * SECOND]);
    expect(pace.waitMs(second, nodes, everyMs)).toBe(0);
  }
});

test('zones do not wait for one another', () => {
  const nodes = [...zone('a', 4, 1), ...zone('b', 4, 1)];
  const pace = new EvictionPace();
  expect(pace.waitMs(nodes[0]!, nodes, 0)).toBe(0);
  expect(pace.waitMs(nodes[4]!, nodes, 0)).toBe(0);
});

test('nodes that are left out of account do not tell whether everything is down', () => {
  const left = node('x', 'a', true, { 'node.kubernetes.io/exclude-disruption': '' });
  expect(isAllDown([...zone('a', 2, 2), left])).toBe(true);
  expect(isAllDown([])).toBe(false);
});
