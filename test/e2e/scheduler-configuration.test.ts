/**
 * `kedge up --scheduler-config`: a second profile of the running cluster's scheduler, and a file that is refused. The cluster
 * begins with nodes on paper alone, and gets a real one.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { eventually, holds, KedgeCluster } from './running-cluster.ts';

const cluster = new KedgeCluster(`profiles${process.pid}`);
const directory = mkdtempSync(join(tmpdir(), 'scheduler-configuration-'));
afterAll(async () => {
  await cluster.down();
  rmSync(directory, { recursive: true, force: true, maxRetries: 10 });
});

const HEAD = 'apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n';
const file = (name: string, text: string): string => {
  const path = join(directory, name);
  writeFileSync(path, HEAD + text);
  return path;
};
const pod = (name: string, schedulerName: string) => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec: {schedulerName: ${schedulerName}, containers: [{name: main, image: "kedge.local/none:1"}]}
---`;

test('pods go by the profile that they name; a file that says nonsense is refused with upstream’s words', async () => {
  const nowhere = '{nodeSelectorTerms: [{matchExpressions: [{key: pool, operator: In, values: [far]}]}]}';
  const addedAffinity = `{requiredDuringSchedulingIgnoredDuringExecution: ${nowhere}}`;
  const picky = `{schedulerName: picky, pluginConfig: [{name: NodeAffinity, args: {addedAffinity: ${addedAffinity}}}]}`;
  const profiles = `profiles: [{schedulerName: default-scheduler}, ${picky}]`;
  await cluster.up('--nodes', '0', '--simulated-nodes', '2', '--scheduler-config', file('good.yaml', profiles));
  await eventually('the ServiceAccount is there', () => cluster.kubectl('get', 'serviceaccount', 'default'));
  await cluster.apply(pod('easy', 'default-scheduler') + pod('choosy', 'picky'));
  const placeOf = (name: string) => cluster.kubectl('get', 'pod', name, '-o', 'jsonpath={.spec.nodeName}');
  await eventually('the default profile has placed its pod', () => placeOf('easy'));
  const says = () =>
    cluster.kubectl('get', 'pod', 'choosy', '-o', 'jsonpath={.status.conditions[?(@.type=="PodScheduled")].message}');
  await holds('the other profile says why not', async () =>
    expect(await says()).toContain("2 node(s) didn't match scheduler-enforced node affinity."),
  );
  await cluster.kubectl('label', 'nodes', '--all', 'pool=far');
  await eventually('it has a node', () => placeOf('choosy'));

  await comesWithTheFirstNode();

  await cluster.kedge('down', '--name', cluster.name);
  const bad = file('bad.yaml', 'percentageOfNodesToScore: 101');
  const refused = await cluster.try('up', '--name', cluster.name, '--detach', '--scheduler-config', bad);
  const said = `${refused.stdout}${refused.stderr}`;
  expect(said).toContain('percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100]');
});

/** What a cluster that began without nodes has as soon as one comes, and not before. */
async function comesWithTheFirstNode(): Promise<void> {
  const BESIDE_NODES = ['ingressclass/nginx', 'crd/gateways.gateway.networking.k8s.io'];
  for (const name of BESIDE_NODES) expect((await cluster.tryKubectl(['get', name])).stderr).toContain('NotFound');
  await cluster.kubectl('create', 'service', 'loadbalancer', 'early', '--tcp=80');
  await cluster.kedge('node', 'add', 'real', '--name', cluster.name);
  const addressOf = (name: string) =>
    cluster.kubectl('get', 'service', name, '-o', 'jsonpath={.status.loadBalancer.ingress[0].ip}');
  await eventually('a Service of before has an address', () => addressOf('early'));
  for (const name of [...BESIDE_NODES, 'gatewayclass'])
    await eventually(`${name} is there`, () => cluster.kubectl('get', name, '-o', 'name'));
  await cluster.kubectl('create', 'ingress', 'web', '--rule=/=early:80');
  const ingress = ['ingress/web', '-o', 'jsonpath={.spec.ingressClassName} {.status.loadBalancer.ingress[0].ip}'];
  await holds('the Ingress is served', async () =>
    expect(await cluster.kubectl('get', ...ingress)).toMatch(/^nginx \d+\.\d+\.\d+\.\d+$/),
  );
  await cluster.kubectl('get', 'configmap', 'local-registry-hosting', '-n', 'kube-public');
}
