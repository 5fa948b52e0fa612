import { expect, test } from 'vitest';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Node } from '#api/core/v1/node.ts';
import { silentLog } from '#base/log.ts';
import { SharedInformers } from '#client/informers.ts';
import { startCluster, type TestCluster } from '#testing/cluster.ts';
import { systemClock, systemRandom } from '../system-clock.ts';
import { ImageRegistryLife } from './image-registry-life.ts';

/** A cluster's life, and what has become of its registry. */
function lifeOf({ client }: TestCluster) {
  const stopping = new AbortController();
  const told: string[] = [];
  const registry = { host: 'localhost:5007', close: async () => void told.push('closed') };
  const open = async () => {
    told.push('opened');
    return registry;
  };
  const informers = new SharedInformers({ client, clock: systemClock, random: systemRandom, signal: stopping.signal });
  return {
    told,
    life: new ImageRegistryLife({ client, log: silentLog, open }),
    nodes: informers.for(Node),
    stop: () => stopping.abort(new Error('over')),
  };
}

const announced = (cluster: TestCluster) => cluster.get(ConfigMap, 'kube-public/local-registry-hosting')?.data;
const PAPER = { name: 'paper', labels: { 'kedge.dev/simulated': 'true' } };

test('a cluster that begins without nodes has its registry as soon as one comes that runs containers', async () => {
  await using cluster = await startCluster();
  const { life, nodes, told, stop } = lifeOf(cluster);
  life.openWithFirstNode(nodes);
  await cluster.create(Node, { metadata: PAPER });
  await cluster.until(() => nodes.list().length === 1);
  expect(told).toEqual([]);
  await cluster.create(Node, { metadata: { name: 'real' } });
  await cluster.until(() => announced(cluster) !== undefined);
  expect(announced(cluster)?.['localRegistryHosting.v1']).toBe(
    'host: "localhost:5007"\nhostFromContainerRuntime: "localhost:5007"\nhelp: "kedge image push --help"\n',
  );
  await cluster.create(Node, { metadata: { name: 'second' } });
  await cluster.until(() => nodes.list().length === 3);
  expect(told).toEqual(['opened']);
  await life.close();
  expect(told).toEqual(['opened', 'closed']);
  stop();
});

test('what was open from the start is not opened again; what is closed is not opened at all', async () => {
  await using cluster = await startCluster();
  const first = lifeOf(cluster);
  await first.life.open();
  first.life.openWithFirstNode(first.nodes);
  await cluster.create(Node, { metadata: { name: 'real' } });
  await cluster.until(() => first.nodes.list().length === 1);
  expect(first.told).toEqual(['opened']);
  const second = lifeOf(cluster);
  await second.life.close();
  await cluster.until(() => first.nodes.hasSynced);
  second.life.openWithFirstNode(first.nodes);
  await second.life.open();
  expect(second.told).toEqual([]);
  first.stop();
  second.stop();
});
