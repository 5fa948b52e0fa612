/**
 * One node on a machine of its own. The machine is simulated by namespaces that share nothing with the cluster's network but
 * a cable: `kedge agent` runs there as on any host, with that host's own network.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
} from 'node:fs';
import { get } from 'node:http';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, holds, KedgeCluster } from '../e2e/running-cluster.ts';

const KEDGE = resolve(import.meta.dirname, '../../dist/kedge.mjs');
const canRun = process.getuid?.() === 0 && existsSync('/usr/bin/containerd') && existsSync('/bin/busybox');
if (process.env['CI'] === 'true' && !canRun) throw new Error('needs root, containerd and busybox-static');

const ip = (...args: string[]): string => execFileSync('ip', args, { encoding: 'utf8' });
const cluster = new KedgeCluster(`agent${process.pid}`);
// 198.18.0.0/15 is for tests of networks (RFC 2544).
const NETWORK = `198.18.${process.pid % 256}`;
const [HOST, FAR] = [`${NETWORK}.1`, `${NETWORK}.2`];
const CABLE = `ka${process.pid}`;

let folder = '';
let machine: ChildProcess | undefined;
let agent: ChildProcess | undefined;
let said = '';

beforeAll(async () => {
  if (!canRun) return;
  folder = mkdtempSync('/var/tmp/kedge-agent-');
  machine = spawn('unshare', ['--net', '--mount', '--propagation', 'private', 'sleep', 'infinity'], {
    stdio: 'ignore',
  });
  await eventually('the machine is separated', async () => namespaceOf(machine?.pid) !== namespaceOf('self'));
  ip('link', 'add', CABLE, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(machine.pid));
  ip('address', 'add', `${HOST}/30`, 'dev', CABLE);
  ip('link', 'set', CABLE, 'up');
  for (const line of [
    'link set lo up',
    `address add ${FAR}/30 dev eth0`,
    'link set eth0 up',
    `route add default via ${HOST}`,
  ])
    onMachine('ip', ...line.split(' '));
  await cluster.up('--nodes', '1', '--listen', HOST, '--node-monitor-grace-period', '10s');
});

afterAll(async () => {
  if (agent && agent.exitCode === null && agent.signalCode === null) await ended(agent, 'SIGTERM', 90_000);
  // What a failed agent left: everything in the machine's network, and the machine with it.
  for (const pid of inside()) kill(pid);
  if (machine && machine.exitCode === null) machine.kill('SIGKILL');
  if (!folder) return;
  await cluster.try('down', '--name', cluster.name, '--purge');
  if (existsSync(`/sys/class/net/${CABLE}`)) ip('link', 'delete', CABLE);
  rmSync(folder, { recursive: true, force: true });
  rmSync(`/run/kedge-agent/${cluster.name}`, { recursive: true, force: true });
});

const pod = (name: string, node: string) => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${name}}}
spec:
  nodeName: ${node}
  terminationGracePeriodSeconds: 0
  containers:
    - name: main
      image: kedge.local/busybox:1
      command: [/bin/busybox, sh, -c, "echo ${name} runs; mkdir /www; echo ${name} > /www/index.html; exec busybox httpd -f -p 8080 -h /www"]
      env: [{name: PATH, value: /bin}]
`;
const service = (name: string, nodePort: string) => `
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {type: NodePort, selector: {app: ${name}}, ports: [{port: 80, targetPort: 8080${nodePort}}]}
`;

test.skipIf(!canRun)('a machine of its own is a node like the others', { timeout: 900_000 }, async () => {
  const invitation = join(folder, 'far.json');
  await cluster.kedge('node', 'invite', 'far', '--name', cluster.name, '--address', FAR, '--output', invitation);
  expect(statSync(invitation).mode & 0o777).toBe(0o600);
  startAgent(invitation);
  await eventually('the node is ready', async () => /^far\s+Ready /m.test(await cluster.kubectl('get', 'nodes')));
  expect(await cluster.kedge('status', '--name', cluster.name)).toContain(FAR);
  await eventually('its tunnel is open', async () =>
    (await cluster.kedge('component-logs', 'control-plane', '--name', cluster.name)).includes(
      'a node has opened its tunnel',
    ),
  );

  await buildImage();
  const [near, far] = [pod('near', 'node1'), pod('far', 'far')];
  await cluster.apply([near, far, service('near', ''), service('far', '')].join('---\n'));
  await cluster.kubectl('wait', '--for=condition=Ready', 'pod/near', 'pod/far', '--timeout=180s');

  await holds('its pod has said and written what it should', async () => {
    expect(await cluster.kubectl('logs', 'far')).toBe('far runs\n');
    expect(await cluster.kubectl('exec', 'far', '--', 'busybox', 'cat', '/www/index.html')).toBe('far\n');
  });

  const of = (kind: string, name: string, path: string) =>
    cluster.kubectl('get', kind, name, '-o', `jsonpath={${path}}`);
  // The static busybox cannot look names up for wget (its C library would load a part of itself); its nc needs none.
  const fetched = (from: string, address: string, port: number) =>
    eventually(`${from} gets ${address}:${port}`, async () => {
      const script = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 2 ${address} ${port}`;
      return (await cluster.kubectl('exec', from, '--', 'busybox', 'sh', '-c', script)).split('\r\n\r\n')[1];
    });
  expect(await fetched('far', await of('pod', 'near', '.status.podIP'), 8080)).toBe('near\n');
  expect(await fetched('near', await of('pod', 'far', '.status.podIP'), 8080)).toBe('far\n');
  for (const [from, to] of [
    ['far', 'near'],
    ['near', 'far'],
    ['far', 'far'],
  ] as const) {
    const address = await of('service', to, '.spec.clusterIP');
    const lookUp = ['exec', from, '--', 'busybox', 'nslookup', `${to}.default.svc.cluster.local`];
    await holds(`${from} knows ${to}`, async () => expect(await cluster.kubectl(...lookUp)).toContain(address));
    expect(await fetched(from, address, 80)).toBe(`${to}\n`);
  }
  const kubernetes = await of('service', 'kubernetes', '.spec.clusterIP');
  const connect = ['exec', 'far', '--', 'busybox', 'sh', '-c', `busybox nc -w 2 ${kubernetes} 443 </dev/null`];
  await eventually('the API server is reached', async () => (await cluster.tryKubectl(connect)).code === 0);

  for (const name of ['far', 'near']) {
    const port = await of('service', name, '.spec.ports[0].nodePort');
    await eventually(`${name} at ${FAR}:${port}`, async () => (await ask(`http://${FAR}:${port}`)) === `${name}\n`);
  }

  // Images of the cluster's registry are pulled from here as well: by TLS and the node's certificate.
  const pulled = await pushImage();
  await cluster.apply(pod('pulled', 'far').replace('kedge.local/busybox:1', pulled));
  await cluster.kubectl('wait', '--for=condition=Ready', 'pod/pulled', '--timeout=180s');
  await cluster.kubectl('delete', 'pod', 'pulled');

  const nearRange = await of('node', 'node1', '.spec.podCIDR');
  expect(onMachine('ip', 'route', 'show', nearRange)).toContain(`via ${HOST}`);

  // What the agent keeps outlives it, and its next life finds it; a process that dies is started again.
  expect(await ended(agent, 'SIGKILL', 60_000)).toBe(null);
  const [kubelet = 0] = inside().filter((pid) => commandOf(pid).includes(' kubelet --config'));
  startAgent(invitation);
  await eventually('the agent has adopted the node', async () => said.includes('runs until'));
  expect(inside()).toContain(kubelet);
  kill(kubelet);
  await eventually('another kubelet runs', async () =>
    inside().some((pid) => commandOf(pid).includes(' kubelet --config')),
  );
  await eventually('logs are served again', async () => (await cluster.kubectl('logs', 'far')) === 'far runs\n');
  expect(await of('pod', 'far', '.status.containerStatuses[0].restartCount')).toBe('0');

  expect(await ended(agent, 'SIGTERM', 90_000)).toBe(0);
  await eventually('the node is seen as gone', async () =>
    /^far\s+NotReady/m.test(await cluster.kubectl('get', 'nodes')),
  );
  expect(inside().filter((pid) => pid !== machine?.pid)).toEqual([]);
  // Where routes lead, not by way of what: the machine's own address may hold these figures too.
  expect(onMachine('ip', 'route')).not.toMatch(/^(172\.30|10)\./m);
  expect(onMachine('nft', 'list', 'tables')).toBe('');
  expect(onMachine('ip', '-brief', 'link')).not.toContain('veth');

  startAgent(invitation);
  await eventually('the node is back', async () => /^far\s+Ready /m.test(await cluster.kubectl('get', 'nodes')));
  const again = () => cluster.kubectl('exec', 'far', '--', 'busybox', 'cat', '/www/index.html');
  expect(await eventually('its pod runs again', again)).toBe('far\n');
  const range = await of('node', 'far', '.spec.podCIDR');
  await holds('this machine leads there', async () => expect(ip('route', 'show', range)).toContain(`via ${FAR}`));
  expect(await ended(agent, 'SIGINT', 90_000)).toBe(0);
  await cluster.kedge('node', 'remove', 'far', '--name', cluster.name);
  await holds('nothing of it is left here', async () => {
    expect(ip('route', 'show', range)).toBe('');
    expect(await cluster.kubectl('get', 'nodes')).not.toContain('far');
  });
});

function startAgent(invitation: string): void {
  const command = [process.execPath, KEDGE, 'agent', '--invitation', invitation, '--data-dir', join(folder, 'data')];
  said = '';
  agent = spawn('nsenter', [...entering(), ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [agent.stdout, agent.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  }
}

async function buildImage(): Promise<void> {
  const bin = join(folder, 'image/bin');
  mkdirSync(bin, { recursive: true });
  copyFileSync('/bin/busybox', join(bin, 'busybox'));
  const tag = ['--tag', 'kedge.local/busybox:1'];
  await cluster.kedge('image', 'build', join(folder, 'image'), '--name', cluster.name, ...tag);
}

/** @returns its name in the cluster's registry */
async function pushImage(): Promise<string> {
  const path = 'jsonpath={.data.localRegistryHosting\\.v1}';
  const hosting = await cluster.kubectl('get', '-n', 'kube-public', 'cm', 'local-registry-hosting', '-o', path);
  const name = `${/localhost:\d+/.exec(hosting)}/busybox:1`;
  await cluster.kedge('image', 'build', join(folder, 'image'), '--name', cluster.name, '--tag', name);
  return name;
}

const entering = (): string[] => ['--target', String(machine?.pid), '--net', '--mount', '--'];
const onMachine = (...argv: string[]): string =>
  execFileSync('nsenter', [...entering(), ...argv], { encoding: 'utf8' });

function namespaceOf(pid: number | 'self' | undefined): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined; // it has ended
  }
}

/** Processes in the machine's own network; a pod's are in the pod's. */
function inside(): number[] {
  const network = namespaceOf(machine?.pid);
  if (!network || network === namespaceOf('self')) return [];
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return all.map(Number).filter((pid) => namespaceOf(pid) === network);
}

const commandOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return ''; // it has ended since
  }
};

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has ended since
  }
}

/** Its exit code. After the time it is killed, and what it said is the error. */
async function ended(
  process: ChildProcess | undefined,
  signal: NodeJS.Signals,
  withinMs: number,
): Promise<number | null> {
  if (!process) throw new Error('it was never started');
  process.kill(signal);
  const isOver = () => process.exitCode !== null || process.signalCode !== null;
  return eventually('it ends', async () => isOver() && { code: process.exitCode }, withinMs).then(
    ({ code }) => code,
    () => {
      process.kill('SIGKILL');
      throw new Error(`it does not end:\n${said}`);
    },
  );
}

const ask = (url: string): Promise<string> =>
  new Promise((done, fail) => {
    const request = get(url, { agent: false, timeout: 2_000 }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => done(body));
    });
    request.on('timeout', () => request.destroy(new Error('no answer within 2 s')));
    request.on('error', fail);
  });
