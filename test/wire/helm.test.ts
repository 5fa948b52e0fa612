/** Stock helm 4 with a chart that needs no image: a release is installed, changed, taken back and removed. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { packagedKubectl } from '../../tools/kubectl-path.mjs';
import { type HttpsApiServer, startHttpsApiServer } from '../integration/https-api-server.ts';

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

beforeAll(async () => {
  server = await startHttpsApiServer();
  home = mkdtempSync(join(tmpdir(), 'helm-'));
  mkdirSync(join(home, 'web/templates'), { recursive: true });
  for (const [path, text] of Object.entries(CHART)) writeFileSync(join(home, 'web', path), text);
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  rmSync(home, { recursive: true, force: true });
});

async function helm(...args: string[]): Promise<string> {
  const env = { HOME: home, KUBECONFIG: server.kubeconfig, PATH: process.env.PATH };
  return (await run(program!, args, { cwd: home, env, timeout: 60_000 })).stdout;
}

// Helm 4 applies on the server unless told otherwise.
test.skipIf(!program)('install, upgrade, list, history, rollback, uninstall', async () => {
  await helm('install', 'shop', './web', '--server-side=false');
  await helm('upgrade', 'shop', './web', '--server-side=false', '--set', 'colour=blue,replicas=2');
  const read = async (path: string) =>
    (await server.kubectl(['get', 'deployment/shop', '-o', `jsonpath=${path}`])).stdout;
  expect(await read('{.spec.replicas} {.spec.template.spec.containers[0].image}')).toBe('2 web:blue');
  expect(JSON.parse(await helm('list', '-o', 'json'))).toMatchObject([
    { name: 'shop', revision: '2', status: 'deployed', chart: 'web-1.2.3' },
  ]);
  await helm('rollback', 'shop', '1', '--server-side=false');
  expect(await read('{.spec.replicas} {.metadata.labels.app\\.kubernetes\\.io/managed-by}')).toBe('1 Helm');
  expect(JSON.parse(await helm('history', 'shop', '-o', 'json'))).toMatchObject([
    { revision: 1, status: 'superseded' },
    { revision: 2, status: 'superseded' },
    { revision: 3, status: 'deployed' },
  ]);
  await helm('uninstall', 'shop');
  expect((await server.kubectl(['get', 'all,configmap,secret', '-o', 'name'])).stdout).not.toContain('shop');
});
