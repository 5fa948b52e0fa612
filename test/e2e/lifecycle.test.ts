/** What survives: stopping, starting, and the sudden death of every process of a cluster. A cluster of its own, beside the other. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { freePort } from '#testing/free-port.ts';
import { eventually, KedgeCluster } from './running-cluster.ts';
import { recordIn, signalProcess, signalRecorded } from './signal-process.ts';

interface Status {
  supervisorPid: number;
  server: string;
  nodes: { name: string; state: string; addresses: string[] }[];
  processes: { name: string; state: string; pid?: number; restarts: number }[];
  published: { port: number; to: string }[];
}

const cluster = new KedgeCluster(`life${process.pid}`);
const other = new KedgeCluster(inject('cluster'));
const statusOf = async (): Promise<Status> =>
  JSON.parse((await cluster.try('status', '--json', '--name', cluster.name)).stdout);
const pidOf = async (name: string) => (await statusOf()).processes.find((process) => process.name === name)?.pid ?? 0;
const podJson = async () =>
  cluster.json<{
    metadata: { uid: string };
    status: { podIP: string; containerStatuses: { restartCount: number; ready: boolean }[] };
  }>('get', 'pod', 'stays');
const podAnswers = () =>
  eventually(
    'the pod answers',
    async () => (await cluster.kubectl('exec', 'stays', '--', 'node', '-p', '6*7')) === '42\n',
  );

/** What an API server says to everybody. */
const versionAt = (port: number) =>
  new Promise<string>((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path: '/version', rejectUnauthorized: false, agent: false as const };
    get(options, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      answer.on('end', () => resolve(text));
    }).on('error', reject);
  });

const POD = `
apiVersion: v1
kind: Pod
metadata: {name: stays}
spec:
  nodeName: node1
  terminationGracePeriodSeconds: 1
  containers: [{name: main, image: kedge.local/node:1, command: [node, -e, "setInterval(()=>{},1e6)"]}]
`;

beforeAll(async () => {
  await cluster.up('--nodes', '1');
  await cluster.kedge('image', 'build', '--with-node', '-t', 'kedge.local/node:1', '--name', cluster.name);
  await cluster.apply(POD);
  await cluster.kubectl('wait', 'pod/stays', '--for=condition=Ready', '--timeout=180s');
});
afterAll(() => cluster.down());

describe('two clusters on one machine', () => {
  test('have addresses, ports and contexts of their own', async () => {
    const [mine, theirs] = [await cluster.nodeAddresses(), await other.nodeAddresses()];
    expect(theirs.map(({ ip }) => ip)).not.toContain(mine[0]?.ip);
    const serverOf = (path: string) => /server: "?(\S+?)"?$/m.exec(readFileSync(path, 'utf8'))?.[1];
    expect(serverOf(await cluster.kubeconfig())).not.toBe(serverOf(await other.kubeconfig()));
    expect((await cluster.tryKubectl(['config', 'current-context'])).stdout).toBe(`kedge-${cluster.name}\n`);
  });

  test('two that start one cluster at once do not take it from each other', async () => {
    const twice = new KedgeCluster(`twice${process.pid}`);
    try {
      const up = () => twice.try('up', '--name', twice.name, '--detach', '--nodes', '1');
      const outcomes = await Promise.all([up(), up()]);
      const [first, second] = outcomes.sort((a, b) => a.code - b.code);
      expect(first.code).toBe(0);
      expect(second.code).not.toBe(0);
      expect(second.stderr).toMatch(/is being started by another process|is running already/);
      expect(await twice.kubectl('get', 'nodes', '-o', 'name')).toBe('node/node1\n');
    } finally {
      await twice.down();
    }
  });

  test('do not take the same name twice', async () => {
    const { code, stderr } = await cluster.try('up', '--name', cluster.name, '--detach');
    expect(code).toBe(1);
    expect(stderr).toContain('is running already');
  });
});

describe('after kill -9', () => {
  test('of the API server, it is started again and knows everything', async () => {
    signalProcess(await pidOf('control-plane'), 'SIGKILL');
    const before = await eventually('the API server answers again', podJson);
    expect(before.status.containerStatuses[0]?.restartCount).toBe(0);
  });

  test('of the kubelet, its pods have not noticed', async () => {
    const before = await pidOf('node1/kubelet');
    signalProcess(before, 'SIGKILL');
    await eventually('another kubelet', async () => ![0, before].includes(await pidOf('node1/kubelet')));
    await podAnswers();
    expect((await podJson()).status.containerStatuses[0]?.restartCount).toBe(0);
  });

  test("of a node's containerd and of the process that holds its namespaces, the pods run on", async () => {
    const runDir = `/run/kedge/${cluster.name}/node1`;
    const records = () => ['holder.json', 'containerd.json'].map((file) => recordIn(join(runDir, file)));
    const before = records();
    for (const record of before) signalRecorded(record, 'SIGKILL');
    const pids = before.map(({ pid }) => pid);
    await eventually('both run again', async () => records().every(({ pid }) => !pids.includes(pid)));
    await podAnswers();
    expect((await podJson()).status.containerStatuses[0]?.restartCount).toBe(0);
  });

  test('of the supervisor, `up` adopts all that runs', async () => {
    const before = await statusOf();
    signalProcess(before.supervisorPid, 'SIGKILL');
    await eventually('nobody supervises', async () => (await cluster.try('status', '--name', cluster.name)).code === 1);
    await cluster.up();
    const after = await statusOf();
    expect(after.supervisorPid).not.toBe(before.supervisorPid);
    expect(after.processes.map(({ pid }) => pid)).toEqual(before.processes.map(({ pid }) => pid));
  });
});

test('down and up keep objects, addresses and the CA', async () => {
  const [before, pod] = [await statusOf(), await podJson()];
  const kubeconfig = readFileSync(await cluster.kubeconfig(), 'utf8');
  await cluster.kedge('down', '--name', cluster.name);
  expect(execFileSync('ip', ['-brief', 'address'], { encoding: 'utf8' })).not.toContain(before.nodes[0]?.addresses[0]);
  expect((await cluster.try('status', '--name', cluster.name)).code).toBe(1);
  const port = await freePort();
  await cluster.up('--publish', `${port}:default/kubernetes:https`);
  expect((await statusOf()).published).toContainEqual({ port, to: 'default/kubernetes:https' });
  await eventually('the published Service answers', async () => (await versionAt(port)).includes('gitVersion'));
  const places = ({ nodes }: Status) => nodes.map(({ name, addresses, state }) => ({ name, addresses, state }));
  expect(places(await statusOf())).toEqual(places(before));
  expect(readFileSync(await cluster.kubeconfig(), 'utf8')).toBe(kubeconfig);
  await podAnswers();
  expect((await podJson()).metadata.uid).toBe(pod.metadata.uid);
});

test('a node is added with the images of the others, and removed with all it had', async () => {
  await cluster.kedge('node', 'add', 'extra', '--name', cluster.name);
  expect(await cluster.kedge('image', 'list', '--name', cluster.name)).toMatch(/^extra +kedge\.local\/node:1 /m);
  await cluster.kubectl('wait', 'node/extra', '--for=condition=Ready', '--timeout=180s');
  await cluster.kedge('node', 'remove', 'extra', '--name', cluster.name);
  expect((await cluster.tryKubectl(['get', 'node', 'extra'])).stderr).toContain('NotFound');
  expect(execFileSync('find', ['/sys/fs/cgroup', '-path', `*kedge/${cluster.name}/extra*`], { encoding: 'utf8' })).toBe(
    '',
  );
});

describe('up says what is wrong', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'kedge-up-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const failure = async (...args: string[]) => {
    const { code, stderr } = await cluster.try('up', '--name', 'wrong', '--detach', ...args);
    expect(code).toBe(1);
    return stderr;
  };

  test('when a port is in use', async () => {
    const server = createServer();
    const port = await new Promise<number>((done) =>
      server.listen(0, () => done((server.address() as { port: number }).port)),
    );
    try {
      const said = await failure('--data-dir', join(folder, 'a'), '--api-server-port', String(port));
      expect(said).toContain(`Port ${port} of this machine is in use`);
    } finally {
      server.close();
    }
  });

  test('when a port that is to be published is in use', async () => {
    const server = createServer();
    const port = await new Promise<number>((done) =>
      server.listen(0, () => done((server.address() as { port: number }).port)),
    );
    try {
      const said = await failure('--data-dir', join(folder, 'b'), '--publish', `${port}:shop/web:80`);
      expect(said).toContain(
        `Port ${port} of this machine is in use by another program, so that shop/web cannot be published there.`,
      );
      expect(said).toContain(`--publish ${port + 1}:shop/web:80`);
    } finally {
      server.close();
    }
  });

  test("when the data directory is somebody else's, or of another format", async () => {
    writeFileSync(join(folder, 'letter.txt'), 'Dear');
    expect(await failure('--data-dir', folder)).toContain('holds files (letter.txt) but no cluster');
    const stale = { formatVersion: 99, name: 'wrong' };
    writeFileSync(join(folder, 'cluster.json'), JSON.stringify(stale));
    expect(await failure('--data-dir', folder)).toContain('is of format 99');
  });
});
