import { expect, test } from 'vitest';
import type { KubeObject } from '#api/machinery/object.ts';
import { controllersFor } from '#control-plane/controllers/index.ts';
import { startCluster as startWithout } from './cluster.ts';
import { kinds, startCluster } from './kedge-testing.ts';
import type { TestCluster } from './test-cluster.ts';

const SERVICE_ACCOUNTS = 'serviceaccount-controller';
const ROOT_CA = 'root-ca-certificate-publisher-controller';
const RANGES = 'service-cidr-controller';

const objectsOf = (cluster: TestCluster): KubeObject[] =>
  [...cluster.kinds.all()].filter(({ virtual }) => !virtual).flatMap((kind) => cluster.list(kind));

/** Without what tells one making of an object from another. */
const shown = (cluster: TestCluster) =>
  objectsOf(cluster).map(({ metadata: { uid, resourceVersion, ...metadata }, ...object }) => ({
    ...object,
    metadata,
  }));

/** What there is when every controller writes for itself. */
async function written(names: readonly string[]) {
  const rootCa = 'the certificate authority of a test cluster';
  const controllers = controllersFor({ rootCa }).filter(({ name }) => names.includes(name));
  const serviceAccounts = names.includes(SERVICE_ACCOUNTS);
  await using cluster = await startWithout({
    controllers,
    serviceAccounts,
    simulatedNodePools: true,
    resourceMetrics: true,
    systemPriorityClasses: true,
  });
  return shown(cluster);
}

test.each([
  [[]],
  [[SERVICE_ACCOUNTS]],
  [[ROOT_CA]],
  [[RANGES]],
  [[SERVICE_ACCOUNTS, ROOT_CA, RANGES]],
  [['deployment-controller', RANGES]],
])('a cluster with the controllers %j begins with what these write, and with nothing else', async (controllers) => {
  await using cluster = await startCluster({ controllers, scheduler: false, simulatedNodes: 0 });
  expect(shown(cluster)).toEqual(await written(controllers));
});

test.each([false, true])(
  'clusters of one seed are the same, the first of a process and those after it (rbac: %s)',
  async (rbac) => {
    const life = async () => {
      await using cluster = await startCluster({ seed: 7, rbac });
      return objectsOf(cluster);
    };
    const first = await life();
    expect(first.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['ConfigMap', 'Node', 'ServiceAccount']));
    expect(await life()).toEqual(first);
  },
);

test.each(['system-node-critical', 'system-cluster-critical'])('a pod may be %s, as in every cluster', async (name) => {
  await using cluster = await startCluster();
  const spec = { priorityClassName: name, containers: [{ name: 'main', image: 'web' }] };
  await cluster.create(kinds.Pod, { metadata: { name: 'web', namespace: 'kube-system' }, spec });
  await cluster.passes('5s');
  expect(cluster.get(kinds.Pod, 'kube-system/web')).toMatchObject({
    spec: { priority: name === 'system-node-critical' ? 2_000_001_000 : 2_000_000_000 },
    status: { phase: 'Running' },
  });
});
