import { expect, test } from 'vitest';
import type { Lease } from '#api/generated/schema.ts';
import type { Transport, ApiRequest } from '#client/transport.ts';
import type { NodeStatus } from './control-protocol.ts';
import { countReadyNodes } from './ready-nodes.ts';

const STARTED = Date.parse('2026-01-01T12:00:00Z');
const BEFORE = '2026-01-01T11:59:59.999999Z';
const AFTER = '2026-01-01T12:00:00.000000Z';

const node = (name: string, ready: string) => ({
  kind: 'Node',
  apiVersion: 'v1',
  metadata: { name },
  status: { conditions: [{ type: 'Ready', status: ready }] },
});
const lease = (name: string, renewTime: string): Lease => ({
  kind: 'Lease',
  apiVersion: 'coordination.k8s.io/v1',
  metadata: { name, namespace: 'kube-node-lease', uid: name, resourceVersion: '1', creationTimestamp: BEFORE },
  spec: { renewTime },
});
const started = (name: string, state: NodeStatus['state'] = 'running'): NodeStatus => ({
  name,
  state,
  addresses: [],
  podRanges: [],
});

function apiWith(nodes: object[], leases: object[]): Transport {
  const request = async ({ path }: ApiRequest) => ({
    code: 200,
    object: { items: path.endsWith('/leases') ? leases : nodes },
  });
  return { request } as unknown as Transport;
}

test.each([
  ['renewed since the start', [started('a')], [node('a', 'True')], [lease('a', AFTER)], 1],
  ['renewed only before', [started('a')], [node('a', 'True')], [lease('a', BEFORE)], undefined],
  ['without a lease', [started('a')], [node('a', 'True')], [], undefined],
  ['renewed, not ready', [started('a')], [node('a', 'False')], [lease('a', AFTER)], undefined],
  ['not registered', [started('a')], [], [], undefined],
  ['one of two', [started('a'), started('b')], [node('a', 'True')], [lease('a', AFTER)], undefined],
  [
    'ready beside a stopped one',
    [started('a'), started('b', 'stopped')],
    [node('a', 'True'), node('b', 'True')],
    [lease('a', AFTER), lease('b', BEFORE)],
    1,
  ],
  ['stopped', [started('b', 'stopped')], [node('b', 'True')], [lease('b', BEFORE)], 0],
])('nodes are counted when all that run are ready: %s', async (_, nodes, known, leases, count) => {
  expect(await countReadyNodes(apiWith(known, leases), { nodes, simulatedNodes: 0 }, STARTED)).toBe(count);
});

test('simulated nodes are awaited', async () => {
  expect(await countReadyNodes(apiWith([], []), { nodes: [], simulatedNodes: 3 }, STARTED)).toBeUndefined();
});
