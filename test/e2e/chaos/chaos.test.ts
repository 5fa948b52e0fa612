/**
 * When things break: what the user sees, and that nothing is left of it afterwards. A cluster of its own with an ordinary node
 * and one whose disk is small; `KEDGE_POD_LIVES` random pods live and die on the first (24 if not set; the issue asks for 200).
 */
import { type ChildProcess, execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Event, Node, Pod } from '#api/generated/schema.ts';
import { seededRandom } from '#base/random.ts';
import { Api } from '../conformance/api.ts';
import { IMAGE } from '../conformance/image.ts';
import { configMap, isReady, Playground, type PodSpec, pod, secret, shell } from '../conformance/playground.ts';
import { eventually, KedgeCluster } from '../running-cluster.ts';
import { recordIn, signalProcess, signalRecorded } from '../signal-process.ts';
import { startBadRegistry } from './bad-registry.ts';
import { expectNoLeaks, type Footprint, footprintOf, layoutOfNode } from './leaks.ts';
import { type Life, randomLives } from './random-lives.ts';

const NODE = 'node1';
const SMALL = 'small';
const SMALL_DISK_BYTES = 160 * 2 ** 20;
const LIVES = Number(process.env['KEDGE_POD_LIVES'] ?? 24);
const LIVES_AT_ONCE = 10;
/** In the long run as many as a node is made for. */
const BURST = LIVES >= 200 ? 100 : 12;
const SEED = 20_261_121;
const RUNS = 'sleep 86400 & wait';
const CONFIGURATION = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
evictionHard: { memory.available: 50Mi, nodefs.available: 10%, imagefs.available: 10% }
evictionPressureTransitionPeriod: 3s
`;

const cluster = new KedgeCluster(`chaos${process.pid}`);
const folder = mkdtempSync(join(tmpdir(), 'kedge-chaos-'));
const smallDisk = join('/var/lib/kedge', cluster.name, 'nodes', SMALL);
const before = new Map<string, Footprint>();
let ground: Playground;
let registry: ChildProcess | undefined;

beforeAll(async () => {
  writeFileSync(join(folder, 'kubelet.yaml'), CONFIGURATION);
  const soon = ['--node-monitor-grace-period', '5s', '--default-toleration-seconds', '2'];
  await cluster.up('--nodes', '1', '--kubelet-config', join(folder, 'kubelet.yaml'), ...soon);
  mkdirSync(smallDisk, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SMALL_DISK_BYTES}`, 'tmpfs', smallDisk]);
  await cluster.kedge('image', 'build', busyboxFolder(), '--name', cluster.name, '--tag', IMAGE);
  await cluster.kedge('node', 'add', SMALL, '--name', cluster.name);
  ground = new Playground(cluster, await Api.of(await cluster.kubeconfig()), 'default');
  for (const node of [NODE, SMALL]) before.set(node, await footprintOf(cluster.name, node));
  registry = await startBadRegistry(await pidOf(`${NODE}/kubelet`));
  await ground.create(configMap('settings', { a: '1' }), secret('keys', { key: 'x' }));
  await ground.create(onNode('fills', FILLS_DISK, SMALL)); // looked at below, when the node has noticed
});
afterAll(async () => {
  registry?.kill('SIGKILL');
  ground?.api.close();
  await cluster.try('node', 'remove', SMALL, '--name', cluster.name);
  spawnSync('umount', ['-lq', smallDisk]); // where nothing came to be mounted the cluster goes nevertheless
  await cluster.down().finally(() => {
    rmSync(join('/var/lib/kedge', cluster.name), { recursive: true, force: true });
    rmSync(folder, { recursive: true });
  });
});

const FILLS_DISK: Partial<PodSpec> = {
  volumes: [{ name: 'disk', emptyDir: {} }],
  containers: [
    shell(`dd if=/dev/zero of=/disk/file bs=65536 2>/dev/null; ${RUNS}`, {
      volumeMounts: [{ name: 'disk', mountPath: '/disk' }],
    }),
  ],
};
/** Not given up while its node is slow to come back; `given-up` below shows what becomes of others. */
const tolerations = [{ operator: 'Exists' as const, effect: 'NoExecute' as const }];
const onNode = (name: string, spec: Partial<PodSpec>, nodeName = NODE) =>
  pod(name, { spec: { nodeName, tolerations, ...spec } });

function busyboxFolder(): string {
  const image = join(folder, 'image');
  mkdirSync(join(image, 'bin'), { recursive: true });
  copyFileSync('/bin/busybox', join(image, 'bin/busybox'));
  for (const name of ['sh', 'sleep', 'true', 'false', 'dd', 'echo']) symlinkSync('busybox', join(image, 'bin', name));
  return image;
}

async function pidOf(name: string): Promise<number> {
  const { processes } = JSON.parse(await cluster.kedge('status', '--json', '--name', cluster.name)) as {
    processes: { name: string; pid?: number }[];
  };
  return processes.find((process) => process.name === name)?.pid ?? 0;
}
/** @returns when another has taken its place */
async function killed(name: string): Promise<void> {
  const pid = await pidOf(name);
  signalProcess(pid, 'SIGKILL');
  await eventually(`another ${name}`, async () => ![0, pid].includes(await pidOf(name)));
}

const containerOf = ({ status }: Pod) => status?.containerStatuses?.[0];
const eventsOf = async (name: string): Promise<Event[]> => {
  const selector = encodeURIComponent(`involvedObject.name=${name}`);
  return (await ground.api.get<{ items: Event[] }>(`${ground.path('Event')}?fieldSelector=${selector}`)).items;
};
const said = (name: string, part: string | RegExp) =>
  eventually(`an event of ${name} says ${part}`, async () =>
    (await eventsOf(name)).find(({ message = '' }) =>
      typeof part === 'string' ? message === part : part.test(message),
    ),
  );
const remove = (name: string, graceSeconds = 0) =>
  ground.api.try('DELETE', `${ground.path('Pod', 'v1', name)}?gracePeriodSeconds=${graceSeconds}`);
const nodeWhen = (name: string, what: string, check: (node: Node) => boolean) =>
  eventually(`${name} ${what}`, async () => {
    const found = await ground.api.get<Node>(`/api/v1/nodes/${name}`);
    return check(found) && found;
  });
const conditionOf = ({ status }: Node, wanted: string) => status?.conditions?.find(({ type }) => type === wanted);

describe('after kill -9', () => {
  test('of a shim, its pod has another sandbox and its container another run; the user is told', async () => {
    await ground.create(onNode('shimless', { restartPolicy: 'Always', containers: [shell(RUNS)] }));
    const first = await ground.ready('shimless');
    const { containerdSocket } = await layoutOfNode(cluster.name, NODE);
    signalProcess(shimOf(containerdSocket, containerOf(first)?.containerID ?? ''), 'SIGKILL');
    const again = await ground.podWhen(
      'shimless',
      'runs again',
      (found) => isReady(found) && containerOf(found)?.restartCount === 1,
    );
    expect(containerOf(again)?.lastState?.terminated?.containerID).toBe(containerOf(first)?.containerID);
    await said('shimless', 'Pod sandbox changed, it will be killed and re-created.');
    await remove('shimless');
  });

  test('of the API server, what ended meanwhile is told when it is back', async () => {
    await ground.create(onNode('ends', { containers: [shell('trap "exit 3" TERM; echo ready; sleep 86400 & wait')] }));
    const { containerID = '' } = containerOf(await ground.ready('ends')) ?? {};
    await eventually('it has set its trap', async () => (await ground.log('ends')) === 'ready\n');
    const { containerdSocket } = await layoutOfNode(cluster.name, NODE);
    const pid = await pidOf('control-plane');
    signalProcess(pid, 'SIGKILL');
    signalProcess(taskOf(containerdSocket, containerID), 'SIGTERM');
    await eventually('another control plane', async () => ![0, pid].includes(await pidOf('control-plane')));
    const { status } = await ground.ended('ends');
    expect(status).toMatchObject({ phase: 'Failed', containerStatuses: [{ state: { terminated: { exitCode: 3 } } }] });
    await remove('ends');
  });

  test('of the kubelet while pods begin, each begins once; of containerd, they run on and others begin', async () => {
    const names = Array.from({ length: 6 }, (_, i) => `begins-${i}`);
    const spec: Partial<PodSpec> = { restartPolicy: 'Always', containers: [shell(RUNS)] };
    await ground.create(...names.map((name) => onNode(name, spec)));
    await killed(`${NODE}/kubelet`);
    const begun = await Promise.all(names.map((name) => ground.ready(name)));
    // A start that is under way is broken off with the kubelet that asked for it, and the runtime says so: then it is the second.
    for (const each of begun) {
      const { restartCount, lastState } = containerOf(each) ?? {};
      const once = restartCount === 0 ? [0, undefined] : [1, 'StartError'];
      expect([restartCount, lastState?.terminated?.reason]).toEqual(once);
    }
    const { containerdRecord } = await layoutOfNode(cluster.name, NODE);
    const later = ['later-0', 'later-1', 'later-2'];
    await ground.create(...later.map((name) => onNode(name, spec)));
    await ground.podWhen('later-0', 'is on its way', ({ status }) => status?.startTime !== undefined);
    signalRecorded(recordIn(containerdRecord), 'SIGKILL'); // in the middle of their sandboxes
    await Promise.all(later.map((name) => ground.ready(name)));
    for (const [i, name] of names.entries())
      expect(containerOf(await ground.ready(name))).toMatchObject({
        containerID: begun[i] && containerOf(begun[i])?.containerID,
        restartCount: begun[i] && containerOf(begun[i])?.restartCount,
      });
    await Promise.all([...names, ...later].map((name) => remove(name)));
  });
});

describe('images', () => {
  test('a layer that is not what its digest says is no image, and the pod says so', async () => {
    await ground.create(onNode('broken', pulled('localhost:5999/broken:1')));
    const { status } = await ground.podWhen('broken', 'has failed to pull', (found) =>
      /^(ErrImagePull|ImagePullBackOff)$/.test(containerOf(found)?.state?.waiting?.reason ?? ''),
    );
    expect(status?.phase).toBe('Pending');
    await said('broken', /^Failed to pull image "localhost:5999\/broken:1": .*(digest|unexpected commit)/);
    await remove('broken');
  });

  test('while a registry hangs its pod waits, others begin, and it can be deleted', async () => {
    await ground.create(onNode('hangs', pulled('localhost:5999/hangs:1')));
    await said('hangs', 'Pulling image "localhost:5999/hangs:1"');
    await ground.create(onNode('beside', { containers: [shell('exit 0')] }));
    expect((await ground.ended('beside')).status?.phase).toBe('Succeeded');
    expect(containerOf(await ground.pod('hangs'))?.state?.waiting?.reason).toBe('ContainerCreating');
    await remove('hangs', 1);
    await ground.gone(ground.path('Pod', 'v1', 'hangs'));
    await remove('beside');
  });
});

test('a container that ignores TERM is killed when its grace is over', async () => {
  const stubborn = shell(`trap '' TERM; echo ready; while true; do sleep 1; done`);
  await ground.create({
    ...onNode('stubborn', { containers: [stubborn] }),
    metadata: { name: 'stubborn', finalizers: ['example.com/looks'] },
  } as never);
  await eventually('it has set its trap', async () => (await ground.log('stubborn')) === 'ready\n');
  await remove('stubborn', 2);
  const { status } = await ground.ended('stubborn');
  expect(status?.containerStatuses?.[0]?.state?.terminated).toMatchObject({ exitCode: 137, reason: 'Error' });
  await said('stubborn', 'Stopping container main');
  await ground.api.try(
    'PATCH',
    ground.path('Pod', 'v1', 'stubborn'),
    { metadata: { finalizers: null } },
    'application/merge-patch+json',
  );
});

test('a disk that is full presses the node; who filled it is evicted, and pods come again', async () => {
  await said(SMALL, `Node ${SMALL} status is now: NodeHasDiskPressure`);
  await said(SMALL, 'Attempting to reclaim ephemeral-storage');
  const { status } = await ground.ended('fills');
  expect(status).toMatchObject({ phase: 'Failed', reason: 'Evicted' });
  expect(status?.message).toMatch(
    /^The node was low on resource: ephemeral-storage\. Threshold quantity: \S+, available: /,
  );
  await nodeWhen(SMALL, 'has room again', (node) => conditionOf(node, 'DiskPressure')?.status === 'False');
  await ground.create(onNode('comes', { containers: [shell('exit 0')] }, SMALL));
  expect((await ground.ended('comes')).status?.phase).toBe('Succeeded');
  await Promise.all(['fills', 'comes'].map((name) => remove(name)));
});

test('a node that is cut off is lost, its pods are given up but for those that stay, and all is well when it is back', async () => {
  await ground.create(onNode('given-up', { tolerations: [], containers: [shell(RUNS)] }, SMALL));
  await ground.create(onNode('stays', { containers: [shell(RUNS)] }, SMALL));
  const kept = containerOf(await ground.ready('stays'))?.containerID;
  await ground.ready('given-up');
  const { link } = await layoutOfNode(cluster.name, SMALL);
  execFileSync('ip', ['link', 'set', link, 'down']);
  try {
    const lost = await nodeWhen(SMALL, 'is lost', (node) => conditionOf(node, 'Ready')?.status === 'Unknown');
    expect(conditionOf(lost, 'Ready')).toMatchObject({
      reason: 'NodeStatusUnknown',
      message: 'Kubelet stopped posting node status.',
    });
    await ground.podWhen('given-up', 'is to go', ({ metadata }) => metadata.deletionTimestamp !== undefined);
    await ground.podWhen('stays', 'is not ready any more', (found) => !isReady(found));
  } finally {
    execFileSync('ip', ['link', 'set', link, 'up']);
  }
  await nodeWhen(SMALL, 'is back', (node) => conditionOf(node, 'Ready')?.status === 'True');
  await ground.gone(ground.path('Pod', 'v1', 'given-up'));
  expect(containerOf(await ground.ready('stays'))).toMatchObject({ containerID: kept, restartCount: 0 });
  await remove('stays');
});

test('a node that is drained is empty and takes nothing until it is uncordoned', async () => {
  await ground.create(onNode('drained', { containers: [shell(RUNS)] }, SMALL));
  await ground.ready('drained');
  const out = await cluster.kubectl('drain', SMALL, '--force', '--ignore-daemonsets', '--timeout=120s');
  expect(out).toContain('pod/drained evicted');
  expect((await ground.pods()).filter(({ spec }) => spec.nodeName === SMALL)).toEqual([]);
  expect(await cluster.kubectl('get', 'node', SMALL, '--no-headers')).toContain('Ready,SchedulingDisabled');
  await cluster.kubectl('uncordon', SMALL);
  expect(await cluster.kubectl('get', 'node', SMALL, '--no-headers')).not.toContain('SchedulingDisabled');
});

test(`${BURST} pods at once are ready, each with an address of its own`, { timeout: 600_000 }, async () => {
  const names = Array.from({ length: BURST }, (_, i) => `at-once-${i}`);
  await ground.create(...names.map((name) => onNode(name, { containers: [shell(RUNS)] })));
  const found = await Promise.all(names.map((name) => ground.podWhen(name, 'is ready', isReady, 300_000)));
  expect(new Set(found.map(({ status }) => status?.podIP)).size).toBe(BURST);
  expect(found.map((each) => containerOf(each)?.restartCount)).toEqual(names.map(() => 0));
  await Promise.all(names.map((name) => remove(name)));
  await Promise.all(names.map((name) => ground.gone(ground.path('Pod', 'v1', name))));
});

test(`${LIVES} random pod lives leave nothing`, { timeout: 600_000 }, async () => {
  const waiting = randomLives(seededRandom(SEED), LIVES).map((life, index) => ({ life, name: `life-${index}` }));
  const live = async () => {
    for (let next = waiting.pop(); next; next = waiting.pop()) await lived(next.name, next.life);
  };
  const half = eventually('half of them have begun', async () => waiting.length <= LIVES / 2, 300_000);
  const kill = half.then(() => killed(`${NODE}/kubelet`));
  await Promise.all([kill, ...Array.from({ length: LIVES_AT_ONCE }, live)]);
});

async function lived(name: string, { sort, spec, livesMs, graceSeconds }: Life): Promise<void> {
  await ground.create(pod(name, { spec: { nodeName: NODE, tolerations, ...spec }, annotations: { sort } }));
  await new Promise((resolve) => setTimeout(resolve, livesMs)); // where in its life it is ended is the chance of it
  await remove(name, graceSeconds);
  await ground.gone(ground.path('Pod', 'v1', name));
}

test('of all that nothing is left: no mount, group, device, address, process, folder or snapshot', {
  timeout: 600_000,
}, async () => {
  expect((await ground.pods()).map(({ metadata }) => metadata.name)).toEqual([]);
  for (const [node, footprint] of before) await expectNoLeaks(cluster.name, node, footprint);
});

const pulled = (image: string): Partial<PodSpec> => ({ containers: [shell(RUNS, { image })] });

/** The process that a container began with, as this machine sees it. */
function taskOf(socket: string, containerID: string): number {
  const argv = ['--address', socket, '--namespace', 'k8s.io', 'tasks', 'list'];
  const lines = execFileSync('ctr', argv, { encoding: 'utf8' }).split('\n');
  const line = lines.find((each) => each.startsWith(containerID.replace('containerd://', '')));
  return Number(line?.split(/\s+/)[1]);
}

/** Its parent. */
function shimOf(socket: string, containerID: string): number {
  const status = readFileSync(`/proc/${taskOf(socket, containerID)}/status`, 'utf8');
  return Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]);
}
