// An operator of your own: it talks to the cluster over HTTPS, as it would in production, and cannot tell the difference.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppsV1Api, KubeConfig, Watch } from '@kubernetes/client-node';
import { kinds, startCluster } from 'kedge/testing';

const WEBSITE = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: websites.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: websites, singular: website, kind: Website, listKind: WebsiteList}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, required: [image], properties: {image: {type: string}, replicas: {type: integer}}}
`;

/** The operator under test: a Deployment for each Website. */
async function runOperator(kubeconfig) {
  const config = new KubeConfig();
  config.loadFromString(kubeconfig);
  const apps = config.makeApiClient(AppsV1Api);
  const deploymentOf = ({ metadata: { name }, spec: { image, replicas = 1 } }) => ({
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: { website: name } },
      template: { metadata: { labels: { website: name } }, spec: { containers: [{ name: 'web', image }] } },
    },
  });
  const seen = (type, website) => {
    if (type !== 'ADDED') return;
    const { namespace } = website.metadata;
    apps.createNamespacedDeployment({ namespace, body: deploymentOf(website) }).catch(console.error);
  };
  const watch = new Watch(config);
  return watch.watch(
    '/apis/example.com/v1/websites',
    {},
    seen,
    (error) => error?.name === 'AbortError' || console.error(error),
  );
}

test('a Website becomes pods that are ready', async () => {
  const cluster = await startCluster({ clock: 'virtual', simulatedNodes: 2 });
  await cluster.apply(WEBSITE);
  const operator = await runOperator(await cluster.kubeconfig());
  try {
    await cluster.apply({
      apiVersion: 'example.com/v1',
      kind: 'Website',
      metadata: { name: 'shop', namespace: 'default' },
      spec: { image: 'example/shop:1', replicas: 3 },
    });
    // The operator works in its own time: wait for what it does, not for how long it may take.
    await cluster.until(() => cluster.get(kinds.Deployment, 'default/shop'));
    await cluster.clock.advance('10s');
    assert.equal(cluster.get(kinds.Deployment, 'default/shop').status.readyReplicas, 3);
  } finally {
    operator.abort();
    await cluster[Symbol.asyncDispose]();
  }
});
