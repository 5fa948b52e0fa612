/** What a containerd that is killed in the middle of its work leaves is taken away; what it still knows is not. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { silentLog } from '#base/log.ts';
import { removeCgroups } from '#node/machine/cgroups.ts';
import { clusterPaths } from '#node/machine/cluster-dir.ts';
import { purge } from '#node/machine/cluster-removal.ts';
import { detectMachine } from '#node/machine/detect.ts';
import { buildFolder } from '#node/machine/killed-builds.ts';
import { LeftoverReaper } from '#node/machine/leftover-reaper.ts';
import { mountNamespaceOf } from '#node/machine/process-tree.ts';
import { NETWORK_RESULTS, type RuntimePlaces, shimsOf } from '#node/machine/runtime-leftovers.ts';
import { connectGrpc } from '#node/runtime/containerd/grpc-connection.ts';
import { containerConfigForTest, sandboxConfigForTest } from '#node/runtime/runtime-conformance.ts';
import { type PrivateContainerd, startPrivateContainerd, TEST_IMAGE } from '../../node/private-containerd.ts';
import { systemClock } from '../../node/system-clock.ts';

const SHIM = '/usr/bin/containerd-shim-runc-v2';
const CGROUP = `/kedge-leftovers-${process.pid}`;
/** Containerd is started nine times, and many pods with it: a quarter of a minute on a machine that does nothing else. */
const SLOWLY = { timeout: 300_000 };

let containerd: PrivateContainerd;
let places: RuntimePlaces;
const mountNamespace = mountNamespaceOf('self') ?? '';
const strangers: ChildProcess[] = [];
let count = 0;

beforeAll(async () => {
  containerd = await startPrivateContainerd('10.213.11.0/24');
  const { directory, socketPath } = containerd;
  places = {
    runDir: directory,
    containerdSocket: socketPath,
    containerdState: join(directory, 'state'),
    containerdRoot: join(directory, 'root'),
    runcRoot: join(directory, 'runc'),
    cniStateDir: join(directory, 'cni', 'ipam'),
  };
});
afterAll(async () => {
  for (const stranger of strangers) stranger.kill('SIGKILL');
  for (const { id } of await containerd.runtime.listPodSandboxes()) await removed(id);
  for (const pids of shimsOf({ places, mountNamespace }).values()) for (const pid of pids) process.kill(pid, 'SIGKILL');
  await containerd.close();
  await removeCgroups(CGROUP, (await detectMachine()).cgroup);
});

const reaperFrom = (startedMs?: number) =>
  new LeftoverReaper({
    places,
    mountNamespace,
    witness: 'self',
    enter: (argv) => argv,
    runc: 'runc',
    clock: systemClock,
    log: silentLog,
    ageMs: 500,
    startedMs,
  });

/** Resolves when nothing is there that was not there `before`. */
const expectReaped = (reaper: LeftoverReaper, before: readonly string[]): Promise<void> =>
  expect
    .poll(
      async () => {
        await reaper.look();
        return footprint().filter((line) => !before.includes(line));
      },
      { timeout: 120_000 },
    )
    .toEqual([]);

async function podStarted(): Promise<{ sandbox: string; container: string }> {
  const { sandbox, containers } = await podCreated(1);
  const [container = ''] = containers;
  await containerd.runtime.startContainer(container);
  return { sandbox, container };
}

/** Its containers are yet to be started. */
async function podCreated(containerCount: number): Promise<{ sandbox: string; containers: string[] }> {
  const subject = { runtime: () => containerd.runtime, image: TEST_IMAGE, logDirectory: logs, unique: () => count++ };
  const config = sandboxConfigForTest(subject);
  config.linux.cgroupParent = `${CGROUP}/pod${config.metadata.uid}`;
  const sandbox = await containerd.runtime.runPodSandbox(config);
  const containers: string[] = [];
  for (let attempt = 0; attempt < containerCount; attempt++) {
    const sleeps = containerConfigForTest(TEST_IMAGE, ['sleep', '86400']);
    const numbered = { ...sleeps, metadata: { ...sleeps.metadata, attempt } };
    containers.push(await containerd.runtime.createContainer(sandbox, numbered, config));
  }
  return { sandbox, containers };
}
const logs = () => join(containerd.directory, 'logs');

async function removed(sandbox: string): Promise<void> {
  await containerd.runtime.stopPodSandbox(sandbox);
  await containerd.runtime.removePodSandbox(sandbox);
}

/** Everything of pods, one line a thing, but for their control groups: those are the kubelet's. */
function footprint(): string[] {
  const { containerdState, containerdRoot, runcRoot, cniStateDir } = places;
  const cri = 'io.containerd.grpc.v1.cri';
  const folders = [
    ...[containerdState, containerdRoot].flatMap((root) => [
      join(root, 'io.containerd.runtime.v2.task/k8s.io'),
      join(root, cri, 'sandboxes'),
      join(root, cri, 'containers'),
    ]),
    join(containerdState, cri, 'netns'),
    join(runcRoot, 'k8s.io'),
    join(cniStateDir, 'test'),
  ];
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return [
    ...folders.flatMap((folder) => namesIn(folder).map((name) => join(folder, name))),
    ...mounts.map((line) => line.split(' ')[4] ?? '').filter((point) => point.startsWith(containerdState)),
    ...[...shimsOf({ places, mountNamespace })].map(([id]) => `shim ${id}`),
    ...cgroups()
      .flatMap(processesBelow)
      .map((pid) => `process ${pid}`),
    ...ctr('containers', 'list', '-q'),
    ...ctr('tasks', 'list', '-q'),
    ...ctr('leases', 'list', '-q'),
    ...ctr('snapshots', 'list').flatMap((line) => (line.includes('Committed') ? [] : line.split(/\s/)[0] || [])),
  ].filter((line) => !/last_reserved_ip|lock$|KEY/.test(line));
}
const ctr = (...words: string[]): string[] =>
  execFileSync('ctr', ['--address', places.containerdSocket, '--namespace', 'k8s.io', ...words], { encoding: 'utf8' })
    .split('\n')
    .filter(Boolean);
const namesIn = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : []);
const cgroups = (): string[] =>
  ['', ...readdirSync('/sys/fs/cgroup')].map((name) => join('/sys/fs/cgroup', name, CGROUP)).filter(existsSync);

function processesBelow(group: string): string[] {
  const folders = readdirSync(group, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const own = readFileSync(join(group, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean);
  return [...own, ...folders.flatMap(({ name }) => processesBelow(join(group, name)))];
}

/** Called as a shim, as far as its command line shows. */
function stranger(address: string, id: string, ...prefix: string[]): ChildProcess {
  const named = `exec -a ${SHIM} ${process.execPath} -e 'setInterval(() => 0, 1e6)' -- "$@"`;
  const args = ['bash', '-c', named, 'bash', '-namespace', 'k8s.io', '-id', id, '-address', address];
  const [program = '', ...rest] = [...prefix, ...args];
  const child = spawn(program, rest, { stdio: 'ignore' });
  strangers.push(child);
  return child;
}
const newId = () => randomBytes(32).toString('hex');
const isHere = (child: ChildProcess) => child.exitCode === null && child.signalCode === null;

test(
  'shims, addresses, networks, leases and folders of nobody go; a pod that lives, one that is kept and others’ stay',
  SLOWLY,
  async () => {
    const { runtime } = containerd;
    const living = await podStarted();
    const kept = await podStarted();
    await runtime.stopPodSandbox(kept.sandbox);
    const before = footprint();

    // As of a containerd that is killed before it has written down where its shim is.
    const lost = await podStarted();
    const bundles = join(places.containerdState, 'io.containerd.runtime.v2.task/k8s.io');
    await containerd.restart(() => {
      for (const id of [lost.sandbox, lost.container]) {
        execFileSync('umount', [join(bundles, id, 'rootfs')]);
        rmSync(join(bundles, id), { recursive: true });
      }
    });
    await removed(lost.sandbox);
    const lease = ctr('leases', 'create').join();
    writeFileSync(join(places.cniStateDir, 'test', '10.213.11.200'), `${newId()}\r\neth0`);
    mkdirSync(join(bundles, `.${newId()}`));
    const network = join(places.containerdState, 'io.containerd.grpc.v1.cri/netns', 'cni-lost');
    writeFileSync(network, '');
    execFileSync('unshare', [`--net=${network}`, 'true']);
    const another = join(containerd.directory, 'another.sock');
    const others = [stranger(another, newId()), stranger(places.containerdSocket, newId(), 'unshare', '--mount')];
    expect(footprint()).toEqual(expect.arrayContaining([`shim ${lost.sandbox}`, lease, network]));

    const reaper = reaperFrom(Date.now() + 60_000);
    await reaper.look();
    expect(footprint()).toContain(`shim ${lost.sandbox}`); // seen for the first time
    await expectReaped(reaper, before);
    expect(before.filter((line) => !footprint().includes(line))).toEqual([]);
    expect(others.map(isHere)).toEqual([true, true]);
    expect((await runtime.execSync(living.container, ['echo', 'here'], 10)).stdout.toString()).toBe('here\n');
    expect((await runtime.podSandboxStatus(kept.sandbox))?.state).toBe('SANDBOX_NOTREADY');
    for (const { sandbox } of [living, kept]) await removed(sandbox);
  },
);

test(
  'a sandbox whose network was just being written down can be removed; what is of others stays',
  SLOWLY,
  async () => {
    const [torn, whole] = [await podStarted(), await podStarted()];
    const resultOf = (id: string) => join(NETWORK_RESULTS, `test-${id}-eth0`);
    const ofAnother = resultOf(newId());
    writeFileSync(ofAnother, '');
    onTestFinished(() => rmSync(ofAnother));
    writeFileSync(resultOf(torn.sandbox), '{"kind":');
    const reaper = reaperFrom();
    const remains = async () => {
      await reaper.look();
      return existsSync(resultOf(torn.sandbox));
    };
    await expect.poll(remains, { timeout: 120_000 }).toBe(false);
    expect([resultOf(whole.sandbox), ofAnother].map(existsSync)).toEqual([true, true]);
    for (const { sandbox } of [torn, whole]) await removed(sandbox);
    expect(namesIn(join(places.cniStateDir, 'test')).filter((name) => name.startsWith('10.'))).toEqual([]);
  },
);

test('the task of a container that is over goes, and with it the pod can; tasks of containers that are not stay', {
  timeout: SLOWLY.timeout,
}, async () => {
  const { runtime } = containerd;
  const before = footprint();
  const living = await podStarted();
  const ended = await podCreated(1);
  const [container = ''] = ended.containers;
  const taskOf = (id: string) => ctr('tasks', 'list', '-q').includes(id);
  // As of a StartContainer that is broken off when it has just made the task: see below.
  ctr('tasks', 'start', '--detach', '--null-io', container);
  await expect(runtime.startContainer(container)).rejects.toThrow('failed to create containerd task');
  expect(await runtime.containerStatus(container)).toMatchObject({ state: 'CONTAINER_EXITED', reason: 'StartError' });
  await expect(removed(ended.sandbox)).rejects.toThrow('cannot delete running task');

  const reaper = reaperFrom();
  await reaper.look();
  expect(taskOf(container)).toBe(true); // seen for the first time
  const remains = async () => {
    await reaper.look();
    return taskOf(container);
  };
  await expect.poll(remains, { timeout: 120_000 }).toBe(false);
  expect((await runtime.execSync(living.container, ['echo', 'here'], 10)).stdout.toString()).toBe('here\n');
  for (const { sandbox } of [ended, living]) await removed(sandbox);
  await expectReaped(reaper, before);
});

test('whenever StartContainer is broken off, as by a killed kubelet, its pod can be removed and leaves nothing', {
  timeout: SLOWLY.timeout,
}, async () => {
  const before = footprint();
  const reaper = reaperFrom();
  for (const tasksMade of [2, 5]) {
    const { sandbox, containers } = await podCreated(6);
    const [brokenOff, kubelet] = [new AbortController(), connectGrpc(containerd.socketPath, systemClock)];
    const starts = containers.map((containerId) =>
      kubelet.call('StartContainer', { containerId }, { signal: brokenOff.signal }).catch(() => undefined),
    );
    await vi.waitFor(() => expect(containers.filter(hasProcess).length).toBeGreaterThanOrEqual(tasksMade), {
      timeout: 120_000,
      interval: 1,
    });
    brokenOff.abort();
    await Promise.all(starts);
    kubelet.close();
    await vi.waitFor(
      async () => {
        await reaper.look();
        await removed(sandbox); // as a kubelet does: until it succeeds
      },
      { timeout: 120_000, interval: 100 },
    );
  }
  await expectReaped(reaper, before);
});

/** Of its own, already or only just waiting to become it. */
const hasProcess = (id: string): boolean =>
  existsSync(join(places.containerdState, 'io.containerd.runtime.v2.task/k8s.io', id, 'init.pid'));

test('of a build that was killed before it had made anything its record goes', SLOWLY, async () => {
  const id = `build-${randomUUID()}`;
  const record = join(buildFolder(places), `${id}.json`);
  mkdirSync(buildFolder(places), { recursive: true });
  const owner = { pid: process.pid, startTicks: 1, bootId: 'of an earlier boot' };
  writeFileSync(record, JSON.stringify({ id, image: `kedge.local/${id}:1`, owner }));
  const reaper = reaperFrom();
  const remains = async () => {
    await reaper.look();
    return existsSync(record);
  };
  await expect.poll(remains, { timeout: 120_000 }).toBe(false);
});

test('what libcni keeps of the pods of a cluster goes with it', async () => {
  const dataDir = join(containerd.directory, 'cluster');
  const [own, ofAnother] = [newId(), newId()];
  mkdirSync(join(dataDir, 'nodes/node1/containerd/io.containerd.grpc.v1.cri/sandboxes', own), { recursive: true });
  const paths = [own, ofAnother].map((id) => join(NETWORK_RESULTS, `kedge-${id}-eth0`));
  for (const path of paths) writeFileSync(path, '{}');
  onTestFinished(() => {
    for (const path of paths) rmSync(path, { force: true });
  });
  await purge(clusterPaths('purged', dataDir));
  expect(paths.map(existsSync)).toEqual([false, true]);
});

test(
  'whenever containerd is killed while pods begin, nothing of them is left when they have gone',
  SLOWLY,
  async () => {
    const before = footprint();
    const living = await podStarted();
    const afterKill = [5, 30, 60, 100, 150, 200, 260]; // ms: in the records, the network, the shim, the tasks
    for (const ms of afterKill) {
      const begins = Array.from({ length: 4 }, () => podStarted().catch(() => undefined)); // broken off
      await new Promise((resolve) => setTimeout(resolve, ms));
      await containerd.restart();
      await Promise.all(begins);
      const sandboxes = await containerd.runtime.listPodSandboxes();
      const meanwhile = reaperFrom();
      for (const { id } of sandboxes.filter(({ id }) => id !== living.sandbox))
        await vi.waitFor(
          async () => {
            await meanwhile.look();
            await removed(id); // as a kubelet does: until it succeeds
          },
          { timeout: 120_000, interval: 100 },
        );
    }
    const reaper = reaperFrom(Date.now() + 60_000);
    expect((await containerd.runtime.containerStatus(living.container))?.state).toBe('CONTAINER_RUNNING');
    await removed(living.sandbox);
    await expectReaped(reaper, before);
  },
);
