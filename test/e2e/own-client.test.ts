/** `kedge get`, `logs`, `exec` and the others as a user has them: the shipped command, real containers, next to stock kubectl. */
import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { eventually, holds, KedgeCluster, run, stockKubectl } from './running-cluster.ts';

const cluster = new KedgeCluster(inject('cluster'));
const KEDGE = join(resolve(import.meta.dirname, '../..'), 'dist/kedge.mjs');
const NAMESPACE = 'own-client';
const POD = `
apiVersion: v1
kind: Pod
metadata: {name: talker}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: main, image: "kedge.local/hello:1", command: [node, -e, "let i=0;setInterval(()=>console.log('line '+i++),100);process.on('SIGTERM',()=>process.exit(0));require('net').createServer({allowHalfOpen:true},s=>{let t='';s.on('error',()=>0);s.on('data',d=>{t+=d;if(t.endsWith('.'))s.end(t.toUpperCase())})}).listen(9000)"]}]
`;

const env = async () => ({ KUBECONFIG: await cluster.kubeconfig() });
const kedge = async (args: readonly string[], input = '') =>
  run(process.execPath, [KEDGE, '-n', NAMESPACE, ...args], { input, env: await env() });
const kubectl = async (args: readonly string[], input = '') =>
  run(await stockKubectl(), ['-n', NAMESPACE, ...args], { input, env: await env() });

beforeAll(async () => {
  await cluster.kubectl('create', 'namespace', NAMESPACE);
  await cluster.kubectl('wait', 'serviceaccount/default', '-n', NAMESPACE, '--for=create', '--timeout=180s');
  expect((await kedge(['apply', '-f', '-'], POD)).stdout).toBe('pod/talker created\n');
  expect((await kedge(['wait', 'pod/talker', '--for=condition=Ready', '--timeout=180s'])).stdout).toBe(
    'pod/talker condition met\n',
  );
});
afterAll(async () => {
  await cluster.kubectl('delete', 'namespace', NAMESPACE, '--timeout=180s');
});

test.each<[string[], string?]>([
  [['get', 'nodes', '-o', 'name']],
  [['get', 'pod', 'talker', '-o', 'yaml']],
  [['exec', 'talker', '--', 'node', '-p', '1+1']],
  [['exec', 'talker', '--', 'node', '-e', 'process.exit(3)']],
  [['exec', 'talker', '--', 'no-such-program']],
  [['exec', '-i', 'talker', '--', 'node', '-e', 'process.stdin.pipe(process.stdout)'], 'through\n'],
  [['exec', 'talker', '--', 'node', '-e', 'console.error("to the other output")']],
  [['explain', 'pod.spec.containers.image']],
])('%j', async (args, input) => {
  // What they look at may change between the two.
  await holds('both say the same', async () => {
    const [own, stock] = [await kedge(args, input), await kubectl(args, input)];
    const told = (said: typeof own) => ({ ...said, stderr: said.stderr.replace(/[0-9a-f]{64}/g, 'ID') });
    expect(told(own)).toEqual(told(stock));
  });
});

test('a large input and output pass whole', async () => {
  const text = 'x'.repeat(3_000_000);
  const { code, stdout } = await kedge(
    ['exec', '-i', 'talker', '--', 'node', '-e', 'process.stdin.pipe(process.stdout)'],
    text,
  );
  expect([code, stdout.length, stdout === text]).toEqual([0, text.length, true]);
});

test('a terminal is one inside as well', async () => {
  const command = `${process.execPath} ${KEDGE} -n ${NAMESPACE} exec -it talker -- node -p process.stdout.isTTY`;
  expect((await run('script', ['-qec', command, '/dev/null'], { env: await env() })).stdout).toContain('true');
});

test('port-forward carries connections to the pod and back, whole', async () => {
  const forwarding = spawn(process.execPath, [KEDGE, '-n', NAMESPACE, 'port-forward', 'talker', ':9000'], {
    env: { ...process.env, ...(await env()) },
  });
  let said = '';
  forwarding.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const ended = new Promise<number | null>((done) => forwarding.once('close', done));
  const port = await eventually('a local port', async () => /127\.0\.0\.1:(\d+) -> 9000/.exec(said)?.[1]);
  const heard = (text: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), '127.0.0.1');
      let answer = '';
      socket.on('data', (chunk) => {
        answer += chunk.toString();
      });
      socket.once('error', reject).once('end', () => resolve(answer));
      socket.write(text);
    });
  const large = `${'x'.repeat(300_000)}.`;
  expect(await Promise.all([heard('all of it.'), heard(large)])).toEqual(['ALL OF IT.', large.toUpperCase()]);
  forwarding.kill('SIGINT');
  expect(await ended).toBe(0);
});

test('logs follow, and end when the user has seen enough', async () => {
  const following = spawn(process.execPath, [KEDGE, '-n', NAMESPACE, 'logs', '-f', 'talker', '--tail=1'], {
    env: { ...process.env, ...(await env()) },
  });
  let seen = '';
  following.stdout.on('data', (chunk: Buffer) => {
    seen += chunk.toString();
  });
  const ended = new Promise<number | null>((done) => following.once('close', done));
  await eventually('several lines', async () => seen.split('\n').length > 4);
  following.kill('SIGINT');
  expect(await ended).toBe(130);
});

test('describe tells the story of the pod', async () => {
  await holds('its Events are there', async () => {
    const { stdout } = await kedge(['describe', 'pod', 'talker']);
    for (const reason of ['Scheduled', 'Pulled', 'Created', 'Started']) expect(stdout).toContain(reason);
  });
});

test('delete returns when the pod is gone', async () => {
  expect((await kedge(['delete', 'pod', 'talker', '--timeout=180s'])).stdout).toBe(
    `pod "talker" deleted from ${NAMESPACE} namespace\n`,
  );
  expect((await kedge(['get', 'pod', 'talker'])).stderr).toBe(
    'Error from server (NotFound): pods "talker" not found\n',
  );
});
