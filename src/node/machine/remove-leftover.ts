/** Takes away what a node's containerd has left. What is gone already is no error; what cannot be removed now throws. */
import { createHash } from 'node:crypto';
import { access, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, sleep } from '#base/clock.ts';
import { type BegunCommand, BUILD_NAMESPACE, processesOfCommand, removeCommandFiles } from './killed-builds.ts';
import { containerdTool, type ImageNamespace } from './node-images.ts';
import { allProcesses, isAlive, recordOf, signalled } from './process-record.ts';
import { descendants } from './process-tree.ts';
import { CommandFailed, run, succeeds } from './run-command.ts';
import {
  criFolders,
  criTool,
  foldersOfContainers,
  type Leftover,
  NAMESPACE,
  NETWORK_RESULTS,
  type NodeView,
  networkResultsOf,
  shimsOf,
} from './runtime-leftovers.ts';

export interface RemovalContext extends NodeView {
  /** The program line that runs `argv` in the node's namespaces: mounts are seen there alone. */
  enter(argv: readonly string[]): readonly string[];
  /** The program `runc`. */
  runc: string;
  /** Of a process that is in the node's mount namespace. */
  witness: number | 'self';
  clock: Clock;
}

export async function removeLeftover(leftover: Leftover, context: RemovalContext): Promise<void> {
  switch (leftover.sort) {
    case 'container':
      return removeContainer({ id: leftover.id, shims: shimsOf(context).get(leftover.id) ?? [] }, context);
    case 'task':
      return unlessGone(criTool(context.places, 'tasks', 'delete', '--force', leftover.id)); // with its process
    case 'build':
      return removeBuild(leftover, context);
    case 'network namespace':
      await unmountBelow(leftover.path, context);
      return rm(leftover.path, { force: true });
    case 'address':
    case 'torn result':
      return rm(leftover.path, { force: true });
    case 'lease':
      await succeeds(criTool(context.places, 'leases', 'delete', '--sync', leftover.id)); // gone: good as well
  }
}

/** What libcni keeps of the pods of a node that goes, and has no processes any more. */
export async function removeNetworkResults(places: Parameters<typeof criFolders>[0]): Promise<void> {
  for (const name of await networkResultsOf(await criFolders(places)))
    await rm(join(NETWORK_RESULTS, name), { force: true });
}

/** In the order in which a build takes it away itself. */
async function removeBuild({ id, image }: BegunCommand, context: RemovalContext): Promise<void> {
  const { places, clock } = context;
  const processes = processesOfCommand(places, id);
  await endProcesses(processes('ctr'), clock);
  const ctr = (...args: string[]) => containerdTool(places, BUILD_NAMESPACE, ...args);
  await unlessGone(ctr('tasks', 'delete', '--force', id));
  await unlessGone(ctr('containers', 'delete', id));
  await unlessGone(ctr('snapshots', '--snapshotter', 'overlayfs', 'delete', id));
  await removeContainer({ id, shims: processes('containerd-shim-runc-v2'), namespace: BUILD_NAMESPACE }, context);
  await run(ctr('images', 'delete', image));
  await removeCommandFiles(places, id);
}

async function unlessGone(argv: readonly string[]): Promise<void> {
  try {
    await run(argv);
  } catch (error) {
    if (!(error instanceof CommandFailed && /not found/.test(error.stderr))) throw error;
  }
}

interface LeftContainer {
  id: string;
  shims: readonly number[];
  namespace?: ImageNamespace;
}

async function removeContainer(container: LeftContainer, context: RemovalContext): Promise<void> {
  const { id, shims, namespace = NAMESPACE } = container;
  const { places, enter } = context;
  await endProcesses(shims, context.clock);
  const { bundles, work, runc } = foldersOfContainers(places, namespace);
  if (await isThere(join(runc, id))) await succeeds(enter([context.runc, '--root', runc, 'delete', '--force', id]));
  await rm(socketOf(places.containerdSocket, namespace, id), { force: true });
  for (const folder of [bundles, work].flatMap((parent) => [join(parent, id), join(parent, `.${id}`)])) {
    await unmountBelow(folder, context);
    await rm(folder, { recursive: true, force: true });
  }
  await rm(join(runc, id), { recursive: true, force: true }); // what runc cannot read it does not delete
}

/** With what runs below them: it would go on under the first process of the machine. */
async function endProcesses(pids: readonly number[], clock: Clock): Promise<void> {
  const all = allProcesses();
  const roots = all.filter(({ pid }) => pids.includes(pid));
  const records = [...roots, ...descendants(all, roots)].flatMap(({ pid }) => recordOf(pid) ?? []);
  for (const record of records) if (isAlive(record)) signalled(record.pid, 'SIGKILL');
  const deadlineMs = clock.monotonicMs() + 5_000;
  while (records.some(isAlive) && clock.monotonicMs() < deadlineMs) await sleep(clock, 10);
}

async function unmountBelow(path: string, { enter, witness }: RemovalContext): Promise<void> {
  const table = await readFile(`/proc/${witness}/mountinfo`, 'utf8');
  const points = table.split('\n').map((line) => line.split(' ')[4] ?? '');
  const below = points.filter((point) => point === path || point.startsWith(`${path}/`));
  for (const point of below.reverse()) await run(enter(['umount', '--lazy', point]));
}

/** Where a shim listens. Source: containerd 1.6, runtime/v2/shim/util_unix.go, SocketAddress. */
function socketOf(containerdSocket: string, namespace: string, id: string): string {
  const name = createHash('sha256')
    .update(join(containerdSocket, namespace, id))
    .digest('hex');
  return join('/run/containerd/s', name);
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
