/**
 * Everything that pods leave on a node while they live: mounts, control groups, network devices and addresses, processes, folders,
 * and what the container runtime keeps of them. Taken before and after, it must be the same.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { clusterPaths, readCluster } from '#node/machine/cluster-dir.ts';
import { KUBELET_FOLDER } from '#node/machine/kubelet-folder.ts';
import { type NodeLayout, nodeLayout } from '#node/machine/node-layout.ts';
import { processesOf } from '#node/machine/process-tree.ts';
import { eventually } from '../running-cluster.ts';

/** One line a thing: `mount /var/lib/kubelet/pods/…`. */
export type Footprint = ReadonlySet<string>;

export async function layoutOfNode(cluster: string, node: string): Promise<NodeLayout> {
  const paths = clusterPaths(cluster, join('/var/lib/kedge', cluster));
  const record = await readCluster(paths, cluster);
  if (!record) throw new Error(`there is no cluster ${cluster}`);
  return nodeLayout(record, paths, node);
}

export async function footprintOf(cluster: string, node: string): Promise<Footprint> {
  const layout = await layoutOfNode(cluster, node);
  const { holder, mountNamespace } = holderOf(layout);
  const lines = [
    ...mountsOf(holder, layout).map((point) => `mount ${point}`),
    ...cgroupsOf(layout.cgroupRoot).map((path) => `cgroup ${path}`),
    ...devicesOf(holder).map((name) => `device ${name}`),
    ...addressesOf(layout).map((address) => `address ${address}`),
    ...processesOn(layout, mountNamespace),
    ...foldersOf(layout).map((path) => `folder ${path}`),
    ...runtimeOf(layout),
  ];
  return new Set(lines);
}

/** Resolves when nothing is on the node that was not there before; fails with what is. */
export async function expectNoLeaks(
  cluster: string,
  node: string,
  before: Footprint,
  withinMs = 240_000,
): Promise<void> {
  let left: string[] = [];
  await eventually(
    `nothing is left on ${node}`,
    async () => {
      const now = await footprintOf(cluster, node);
      left = [...now].filter((line) => !before.has(line));
      return left.length === 0;
    },
    withinMs,
  ).catch((error: unknown) => {
    throw new Error(`left on ${node}:\n${left.slice(0, 40).join('\n')}`, { cause: error });
  });
}

function holderOf({ holderRecord }: NodeLayout): { holder: number; mountNamespace: string } {
  const { record, mountNamespace } = JSON.parse(readFileSync(holderRecord, 'utf8')) as {
    record: { pid: number };
    mountNamespace: string;
  };
  return { holder: record.pid, mountNamespace };
}

/** What others mount on this machine shows in its nodes, too. */
const mountsOf = (pid: number, { runDir, keptDir }: NodeLayout): string[] =>
  readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => [KUBELET_FOLDER, runDir, keptDir].some((folder) => point.startsWith(folder)));

/** Of pods, in every hierarchy, whichever version; the groups above them are the node's. */
function cgroupsOf(root: string): string[] {
  const mounts = ['', ...namesIn('/sys/fs/cgroup')].map((name) => join('/sys/fs/cgroup', name, root));
  return [...new Set(mounts)].flatMap(foldersBelow).filter((path) => path.includes('/pod'));
}

const foldersBelow = (folder: string): string[] =>
  entriesOf(folder)
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(folder, name))
    .flatMap((path) => [path, ...foldersBelow(path)]);

const inNetworkOf = (pid: number, ...argv: string[]): string =>
  execFileSync('nsenter', ['--net', '--target', String(pid), ...argv], { encoding: 'utf8' });

const devicesOf = (pid: number): string[] =>
  (JSON.parse(inNetworkOf(pid, 'ip', '-json', 'link')) as { ifname: string }[]).map(({ ifname }) => ifname);

/** What host-local has given away. */
const addressesOf = ({ cniStateDir }: NodeLayout): string[] =>
  namesIn(cniStateDir).flatMap((network) =>
    namesIn(join(cniStateDir, network)).filter((name) => /^[0-9a-f.:]+$/.test(name) && !name.startsWith('last')),
  );

/** Shims, and what runs in pods' control groups; a process that a component runs for a moment is no leak. */
function processesOn({ cgroupRoot }: NodeLayout, mountNamespace: string): string[] {
  const { members, inside } = processesOf(mountNamespace);
  return [...members, ...inside].flatMap(({ pid }) => {
    const command = readOrEmpty(`/proc/${pid}/cmdline`).split('\0').join(' ').slice(0, 120);
    const isPods = readOrEmpty(`/proc/${pid}/cgroup`).includes(cgroupRoot) || command.includes('containerd-shim');
    return isPods ? [`process ${pid} ${command}`] : [];
  });
}

const foldersOf = ({ kubeletDir, runcRoot, containerdState, containerdRoot }: NodeLayout): string[] =>
  [
    join(kubeletDir, 'pods'),
    join(kubeletDir, 'logs'),
    join(runcRoot, 'k8s.io'),
    join(containerdState, 'io.containerd.runtime.v2.task/k8s.io'),
    ...[containerdState, containerdRoot].flatMap((root) =>
      ['sandboxes', 'containers'].map((sort) => join(root, 'io.containerd.grpc.v1.cri', sort)),
    ),
  ].flatMap((folder) => namesIn(folder).map((name) => join(folder, name)));

function runtimeOf({ containerdSocket }: NodeLayout): string[] {
  const ctr = (...words: string[]) =>
    execFileSync('ctr', ['--address', containerdSocket, '--namespace', 'k8s.io', ...words], { encoding: 'utf8' })
      .split('\n')
      .filter(Boolean);
  const snapshots = ctr('snapshots', 'list').filter((line) => !line.trim().endsWith('Committed'));
  return [
    ...ctr('containers', 'list', '-q').map((id) => `container ${id}`),
    ...ctr('tasks', 'list', '-q').map((id) => `task ${id}`),
    ...snapshots.map((line) => `snapshot ${line.split(/\s+/)[0]}`),
    ...ctr('leases', 'list', '-q').map((id) => `lease ${id}`),
  ];
}

const entriesOf = (folder: string) => (existsSync(folder) ? readdirSync(folder, { withFileTypes: true }) : []);
const namesIn = (folder: string): string[] => entriesOf(folder).map(({ name }) => name);

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error) return ''; // it has just ended
    throw error;
  }
}
