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

function apiWith(nodes: object[], leases: object[], pool: object = {}): Transport {
  const request = async ({ path }: ApiRequest) => ({
    code: 200,
    object: path.includes('/simulatednodepools/') ? pool : { items: path.endsWith('/leases') ? leases : nodes },
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

const pool = (count: number, status?: object) => ({
  metadata: { name: 'simulated', generation: 1 },
  spec: { count },
  ...(status && { status: { observedGeneration: 1, ...status } }),
});
const onPaper = [node('simulated-1', 'True'), node('simulated-2', 'True')];
const stopped = { ...node('simulated-2', 'False') };
const [first, second] = [lease('simulated-1', AFTER), lease('simulated-2', AFTER)];

test.each([
  ['without a pool', { metadata: {}, spec: { count: 0 } }, [], [], undefined],
  ['a pool of which nothing was made yet', pool(2), onPaper, [first, second], undefined],
  ['one of two registered', pool(2, { count: 1 }), onPaper.slice(0, 1), [first], undefined],
  ['of an earlier wish', pool(2, { count: 2, observedGeneration: 0 }), onPaper, [first, second], undefined],
  ['one of two renewed', pool(2, { count: 2 }), onPaper, [first], undefined],
  ['all', pool(2, { count: 2 }), onPaper, [first, second], 2],
  ['all of a pool that was scaled since', pool(1, { count: 1 }), onPaper.slice(0, 1), [first], 1],
  [
    'all but one that was stopped',
    pool(2, { count: 2 }),
    [
      onPaper[0]!,
      { ...stopped, metadata: { ...stopped.metadata, annotations: { 'kedge.dev/simulated-stopped': 'true' } } },
    ],
    [first],
    1,
  ],
])('all simulated nodes are awaited: %s', async (_, ofPool, nodes, leases, count) => {
  const api = apiWith(nodes, leases, ofPool);
  expect(await countReadyNodes(api, { nodes: [], simulatedNodes: 3 }, STARTED)).toBe(count);
});
