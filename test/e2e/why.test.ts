/** `kedge why` as a user has it: the shipped command asks the scheduler of a running cluster. */
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type { SchedulingExplanation } from '#api/kedge/v1alpha1/scheduling-explanation.ts';
import { eventually, KedgeCluster, run } from './running-cluster.ts';

const cluster = new KedgeCluster(inject('cluster'));
const KEDGE = join(resolve(import.meta.dirname, '../..'), 'dist/kedge.mjs');
const NAMESPACE = 'why';
const pod = (name: string, spec: string) => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: ${NAMESPACE}}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: main, image: "kedge.local/hello:1"}]
${spec}---`;

const why = async (...args: string[]) =>
  run(process.execPath, [KEDGE, '-n', NAMESPACE, 'why', ...args], {
    env: { KUBECONFIG: await cluster.kubeconfig() },
  });

beforeAll(async () => {
  await cluster.kubectl('create', 'namespace', NAMESPACE);
  await cluster.kubectl('wait', 'serviceaccount/default', '-n', NAMESPACE, '--for=create', '--timeout=180s');
  await cluster.apply(pod('picky', '  nodeSelector: {disk: ssd}\n') + pod('easy', ''));
});
afterAll(async () => {
  await cluster.kubectl('delete', 'namespace', NAMESPACE, '--timeout=180s');
});

test('a pod that waits: what each node lacks, and the smallest change, which helps', async () => {
  const said = await eventually('the scheduler has looked at it', async () => {
    const { stdout } = await why('pod/picky');
    return stdout.includes('it says: 0/') && stdout;
  });
  expect(said).toContain('pod why/picky has no node.');
  expect(said).toContain("NodeAffinity: node(s) didn't match Pod's node affinity/selector\n      → add label disk=ssd");
  const [, node = ''] = /Smallest change: add label disk=ssd \(node (\S+)\)/.exec(said) ?? [];
  await cluster.kubectl('label', 'node', node, 'disk=ssd');
  await cluster.kubectl('wait', 'pod/picky', '-n', NAMESPACE, '--for=condition=Ready', '--timeout=180s');
  await cluster.kubectl('label', 'node', node, 'disk-');
});

test('a pod that has its node: the scores, as text and as JSON', async () => {
  await cluster.kubectl('wait', 'pod/easy', '-n', NAMESPACE, '--for=condition=Ready', '--timeout=180s');
  const json = await why('pod/easy', '-o', 'json');
  const told = JSON.parse(json.stdout) as SchedulingExplanation;
  expect(told.state).toBe('placed');
  const own = told.nodes.find(({ name }) => name === told.nodeName);
  expect(own?.scores.map(({ plugin }) => plugin)).toContain('NodeResourcesFit');
  const text = await why('easy');
  expect(text.stdout).toContain(`pod why/easy is on node ${told.nodeName}.`);
  expect(text.stdout).toMatch(/NODE +TOTAL/);
});

test('a pod that is not there is said not to be found', async () => {
  expect(await why('pod/gone')).toEqual({
    code: 1,
    stdout: '',
    stderr: 'Error from server (NotFound): pods "gone" not found\n',
  });
});
