// A chart: installed by helm itself, into a cluster that is there in a moment.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { kinds, startCluster } from 'kedge/testing';

const CHART = fileURLToPath(new URL('chart', import.meta.url));
const HELM = process.env.HELM ?? 'helm';

let cluster;
let kubeconfig;
before(async () => {
  cluster = await startCluster({ simulatedNodes: 3 });
  kubeconfig = await cluster.kubeconfigFile();
});
after(() => cluster?.[Symbol.asyncDispose]());

const helm = async (...args) => {
  const env = { ...process.env, KUBECONFIG: kubeconfig, HELM_CACHE_HOME: '/nonexistent' };
  return (await promisify(execFile)(HELM, args, { env })).stdout;
};

test('the release comes up, and another value rolls it over', async () => {
  await helm('install', 'shop', CHART, '--set', 'replicas=2');
  await cluster.clock.advance('30s');
  const deployment = () => cluster.get(kinds.Deployment, 'default/shop');
  assert.equal(deployment().status.readyReplicas, 2);
  const [slice] = cluster.list(kinds.EndpointSlice, { namespace: 'default' });
  assert.equal(slice.endpoints.filter(({ conditions }) => conditions.ready).length, 2);

  await helm('upgrade', 'shop', CHART, '--set', 'replicas=2,tag=2');
  await cluster.clock.advance('1m');
  assert.equal(deployment().status.updatedReplicas, 2);
  const images = cluster.list(kinds.Pod).map(({ spec }) => spec.containers[0].image);
  assert.deepEqual(images, ['example/shop:2', 'example/shop:2']);
});

test('what the chart renders is accepted, also where helm is not to install it', async () => {
  const manifest = await helm('template', 'other', CHART);
  const applied = await cluster.apply(manifest);
  assert.deepEqual(
    applied.map(({ kind }) => kind),
    ['Service', 'Deployment'],
  );
});

test('a value that makes no sense is refused with the words of the API server', async () => {
  await assert.rejects(helm('install', 'bad', CHART, '--set', 'replicas=-1'), /must be greater than or equal to 0/);
});
