import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ownKinds } from '#api/catalog.ts';
import { Node } from '#api/core/v1/node.ts';
import { SimulatedNodePool } from '#api/kedge/v1alpha1/simulated-node-pool.ts';
import { silentLog } from '#base/log.ts';
import { SharedInformers } from '#client/informers.ts';
import { startCluster, type TestCluster } from '#testing/cluster.ts';
import { ensurePki } from '../pki/pki.ts';
import { systemClock, systemRandom } from '../system-clock.ts';
import { Simulation } from './simulation.ts';

interface Asked {
  simulatedNodes: number;
  nodes?: readonly string[];
  simulate?: readonly string[];
}

/** One life of a control plane that was started so, until `seen` holds. */
async function life(cluster: TestCluster, asked: Asked, seen: (nodes: Node[]) => boolean): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'simulation-'));
  const { simulatedNodes, nodes = [], simulate = [] } = asked;
  const record = { simulatedNodes, nodes: Object.fromEntries(nodes.map((name) => [name, { index: 1 }])), settings: {} };
  const pki = ensurePki({ directory: folder, clock: systemClock });
  const simulation = new Simulation({ cluster: record, simulate, pki, log: silentLog });
  const stopping = new AbortController();
  const { client } = cluster;
  const informers = new SharedInformers({ client, clock: systemClock, random: systemRandom, signal: stopping.signal });
  try {
    await simulation.start({ client, informers });
    await cluster.until(() => seen(cluster.list(Node)));
  } finally {
    await simulation.stop();
    stopping.abort(new Error('over'));
    rmSync(folder, { recursive: true, force: true });
  }
}

const start = () => startCluster({ kinds: ownKinds.simulatedNodes });
const count = (cluster: TestCluster) => cluster.get(SimulatedNodePool, 'simulated')?.spec.count;

test('--simulated-nodes is a pool; who scales it is heard until the option says another number; without it all go', async () => {
  await using cluster = await start();
  await life(cluster, { simulatedNodes: 2 }, (nodes) => nodes.length === 2);
  expect(cluster.list(Node).map(({ metadata }) => metadata.name)).toEqual(['simulated-1', 'simulated-2']);
  await cluster.patch(SimulatedNodePool, 'simulated', { spec: { count: 4 } });
  await life(cluster, { simulatedNodes: 2 }, (nodes) => nodes.length === 4);
  expect(count(cluster)).toBe(4);
  await life(cluster, { simulatedNodes: 1 }, (nodes) => nodes.length === 1);
  expect(count(cluster)).toBe(1);
  await life(cluster, { simulatedNodes: 0 }, (nodes) => nodes.length === 0);
});

test('beside real nodes simulated ones are tainted; in their place they are not', async () => {
  await using cluster = await start();
  const isTainted = (node: Node | undefined) => node?.spec?.taints?.some(({ key }) => key === 'kedge.dev/simulated');
  await life(cluster, { simulatedNodes: 1, nodes: ['node1'] }, (nodes) => nodes.length === 1);
  expect(isTainted(cluster.list(Node)[0])).toBe(true);
  await using other = await start();
  await life(other, { simulatedNodes: 0, nodes: ['node1'], simulate: ['node1'] }, (nodes) => nodes.length === 1);
  expect(other.list(Node).map(({ metadata }) => metadata.name)).toEqual(['node1']);
  expect(isTainted(other.list(Node)[0])).toBeFalsy();
});

test('where nothing is simulated there is no such kind', () => {
  const off = { simulatedNodes: 0, nodes: {}, settings: {} };
  const pki = undefined as never;
  expect(new Simulation({ cluster: off, simulate: [], pki, log: silentLog }).kinds).toEqual([]);
  expect(new Simulation({ cluster: off, simulate: ['node1'], pki, log: silentLog }).kinds).toHaveLength(1);
});
