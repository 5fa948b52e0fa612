import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ownKinds } from '#api/catalog.ts';
import { Node } from '#api/core/v1/node.ts';
import { SimulatedNodePool } from '#api/kedge/v1alpha1/simulated-node-pool.ts';
import { silentLog } from '#base/log.ts';
import { Client } from '#client/client.ts';
import { SharedInformers } from '#client/informers.ts';
import { type Electable, whileLeading } from '#client/while-leading.ts';
import { startCluster, type TestCluster } from '#testing/cluster.ts';
import { ensurePki } from '../pki/pki.ts';
import { systemClock, systemRandom } from '../system-clock.ts';
import { Simulation } from './simulation.ts';

interface Asked {
  simulatedNodes: number;
  nodes?: readonly string[];
  simulate?: readonly string[];
  /** One of those that share the store. */
  as?: ReturnType<typeof sharing>;
}

/** A control plane that was started so. */
async function living(cluster: TestCluster, { simulatedNodes, nodes = [], simulate = [], as }: Asked) {
  const folder = mkdtempSync(join(tmpdir(), 'simulation-'));
  const record = { simulatedNodes, nodes: Object.fromEntries(nodes.map((name) => [name, { index: 1 }])), settings: {} };
  const pki = ensurePki({ directory: folder, clock: systemClock });
  const simulation = new Simulation({ cluster: record, simulate, pki, log: silentLog });
  const stopping = new AbortController();
  const { client, whileLeading } = as ?? { client: cluster.client };
  const informers = new SharedInformers({ client, clock: systemClock, random: systemRandom, signal: stopping.signal });
  await simulation.start({ client, informers, whileLeading });
  return {
    simulation,
    async [Symbol.asyncDispose]() {
      await simulation.stop();
      stopping.abort(new Error('over'));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** One life of a control plane that was started so, until `seen` holds. */
async function life(cluster: TestCluster, asked: Asked, seen: (nodes: Node[]) => boolean): Promise<void> {
  await using _ = await living(cluster, asked);
  await cluster.until(() => seen(cluster.list(Node)));
}

/** A control plane among those that share the store, and what it writes of nodes. */
function sharing(cluster: TestCluster, identity: string) {
  const written: string[] = [];
  const inner = cluster.transportFor({ name: identity, groups: ['system:masters'] });
  const client = new Client({
    request(request) {
      if (request.method !== 'GET' && request.path.includes('/nodes')) written.push(request.path);
      return inner.request(request);
    },
    watch: (request) => inner.watch(request),
  });
  const candidacy = { client, clock: systemClock, random: systemRandom, identity, retryPeriodMs: 20 };
  return {
    client,
    written,
    whileLeading: (component: string, part: () => Electable) =>
      whileLeading({ ...candidacy, component, lease: { name: component, namespace: 'kube-system' } }, part),
  };
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

test('when a real node comes, the simulated ones that are there are tainted too, once', async () => {
  await using cluster = await start();
  const taintsOf = (name: string) => cluster.get(Node, name)?.spec?.taints?.map(({ key }) => key) ?? [];
  {
    await using _ = await living(cluster, { simulatedNodes: 1 });
    await cluster.until(() => cluster.list(Node).length === 1);
    expect(taintsOf('simulated-1')).not.toContain('kedge.dev/simulated');
    await cluster.create(Node, { metadata: { name: 'real' } } as never);
    await cluster.until(() => taintsOf('simulated-1').includes('kedge.dev/simulated'));
  }
  await cluster.patch(Node, 'simulated-1', { spec: { taints: null } });
  await cluster.patch(SimulatedNodePool, 'simulated', { spec: { count: 2 } });
  await life(cluster, { simulatedNodes: 1 }, (nodes) => nodes.length === 3);
  expect(taintsOf('simulated-2')).toContain('kedge.dev/simulated');
  expect(taintsOf('simulated-1')).not.toContain('kedge.dev/simulated'); // somebody has taken it away
});

test('of those that share a store one simulates, then the next one; all answer, and who has none of them leaves them', async () => {
  await using cluster = await start();
  const [first, second] = [sharing(cluster, 'first'), sharing(cluster, 'second')];
  const scaled = (to: number) => cluster.patch(SimulatedNodePool, 'simulated', { spec: { count: to } });
  const areThere = (nodes: number) => cluster.until(() => cluster.list(Node).length === nodes);
  {
    await using _ = await living(cluster, { simulatedNodes: 1, as: first });
    await areThere(1);
    await using beside = await living(cluster, { simulatedNodes: 1, as: second });
    await scaled(2);
    await areThere(2);
    await cluster.until(() => beside.simulation.nearKubelet('simulated-2') !== undefined);
    expect(first.written).toContain('/api/v1/nodes');
    expect(second.written).toEqual([]);
  }
  await life(cluster, { simulatedNodes: 0, as: first }, () => true);
  expect(cluster.list(Node)).toHaveLength(2);
  {
    await using _ = await living(cluster, { simulatedNodes: 1, as: second });
    await scaled(3);
    await areThere(3);
    expect(second.written).toContain('/api/v1/nodes');
  }
});

test('where nothing is simulated there is no such kind', () => {
  const off = { simulatedNodes: 0, nodes: {}, settings: {} };
  const pki = undefined as never;
  expect(new Simulation({ cluster: off, simulate: [], pki, log: silentLog }).kinds).toEqual([]);
  expect(new Simulation({ cluster: off, simulate: ['node1'], pki, log: silentLog }).kinds).toHaveLength(1);
});
