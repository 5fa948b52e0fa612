/** Takes a cluster off the machine: all of its processes, namespaces and network. What is in its folder stays, unless purged. */
import { readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import type { ClusterPaths, ClusterRecord } from './cluster-dir.ts';
import type { MachineFacts } from './detect.ts';
import { dropRoute, removeHostNetwork } from './host-network.ts';
import { dropKubeletFolder } from './kubelet-folder.ts';
import { stopNode } from './machine-node.ts';
import { type NodeLayout, nodeLayout } from './node-layout.ts';
import { removeNetworkResults } from './remove-leftover.ts';
import { planFor } from './slots.ts';
import { allStarted, endProcess, findStarted } from './started-processes.ts';

export interface RemovalOptions {
  cluster: ClusterRecord;
  paths: ClusterPaths;
  facts: MachineFacts;
  clock: Clock;
  /** How long containers have to end after TERM. */
  graceMs: number;
}

const CONTROL_PLANE_GRACE_MS = 10_000;
const SUPERVISOR_GRACE_MS = 60_000;

/** May be repeated, and called for a cluster of which only remains run. */
export async function takeDown(options: RemovalOptions): Promise<void> {
  const { cluster, paths, clock, facts, graceMs } = options;
  await endSupervisor(options);
  const started = [...(await allStarted(paths))].filter(([, { record }]) => record.pid !== process.pid);
  const ofNodes = started.filter(([name]) => name.includes('/'));
  // The kubelets first: they would start again what is ended here. The API server last: the others still write to it.
  await Promise.all(ofNodes.map(([, { record }]) => endProcess(record, { clock, graceMs: 5_000 })));
  if (canHaveNodes(facts)) {
    const all = Object.keys(cluster.nodes).map((name) => nodeLayout(cluster, paths, name));
    const isElsewhere = ({ name }: NodeLayout) => cluster.nodes[name]?.address !== undefined;
    const here = all.filter((layout) => !isElsewhere(layout));
    await Promise.all(here.map((layout) => stopNode({ layout, facts, clock, graceMs })));
    for (const { podRanges } of all.filter(isElsewhere)) for (const range of podRanges) await dropRoute(range);
  }
  const others = started.filter(([name]) => !name.includes('/'));
  await Promise.all(others.map(([, { record }]) => endProcess(record, { clock, graceMs: CONTROL_PLANE_GRACE_MS })));
  if (canHaveNodes(facts)) await removeHostNetwork(planFor(cluster));
  await rm(paths.runDir, { recursive: true, force: true });
  await rm(paths.controlSocket, { force: true });
  if (canHaveNodes(facts)) await dropKubeletFolder(clock);
}

/** One that only starts has no socket yet, and would start again what is ended here. Told to end, it takes all down itself. */
async function endSupervisor({ paths, clock }: RemovalOptions): Promise<void> {
  const supervisor = await findStarted(paths, 'supervisor');
  if (!supervisor || supervisor.record.pid === process.pid) return;
  await endProcess(supervisor.record, { clock, graceMs: SUPERVISOR_GRACE_MS });
}

const canHaveNodes = ({ root, platform, programs }: MachineFacts): boolean =>
  root && platform === 'linux' && !!programs.ip && !!programs.nft;

/** What Kedge wrote into the folder, and the folder itself if that was all. Somebody else's files stay. */
export async function purge(paths: ClusterPaths): Promise<void> {
  const nodes = join(paths.dataDir, 'nodes');
  for (const name of await readdir(nodes).catch(() => [])) // there are none
    await removeNetworkResults({ containerdRoot: join(nodes, name, 'containerd') });
  const ours = ['cluster.json', 'control.sock', 'store', 'images', 'pki', 'kubeconfig', 'logs', 'nodes', 'run'];
  for (const name of ours) await rm(join(paths.dataDir, name), { recursive: true, force: true });
  const left = await readdir(paths.dataDir).catch(() => ['']); // gone already
  if (left.length > 0) return;
  await rmdir(paths.dataDir).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EBUSY') throw error; // it is a mount point
  });
}
